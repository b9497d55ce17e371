"""Predictor: from pictures to probabilities at their own size."""

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data import MAX_PIXELS, pixel_count, read_image, to_rgb
from ..errors import InputError
from ..runtime import Backend, Precision, Runtime, open_runtime, probabilities
from .drawing import cutout, overlay, soft_edge
from .views import Grid, Views

if TYPE_CHECKING:
    from ..network import SAM2UNet

Picture = str | Path | Image.Image | NDArray[np.uint8]
PIXELS_AHEAD = 1 << 25
"""Pictures are read ahead and wait to be written up to so many pixels; larger ones go one by one."""
STRIP = 1 << 20
"""Values of a strip of probabilities."""


@dataclass(frozen=True)
class Prediction:
    """What the network says of one picture, at the picture's own size."""

    image: Image.Image
    """The picture as it was read, RGB."""
    logits: NDArray[np.float32]
    """(tiles, classes, h, w) at the network's size; many tiles, once they would take more, as one of the picture's."""
    grid: Grid
    """Where the tiles lie."""

    @cached_property
    def probability(self) -> NDArray[np.float32]:
        """(H, W) in [0, 1]; with several classes (classes, H, W), summing to 1.

        Logits are resized bilinearly before the sigmoid or softmax, as published.
        """
        result = np.empty((self.logits.shape[1], self.image.height, self.image.width), np.float32)
        for rows, strip in self.strips():
            result[:, rows] = strip
        return result[0] if len(result) == 1 else result

    def mask(self, threshold: float = 0.5) -> NDArray[np.bool_] | NDArray[np.uint8]:
        """(H, W) bool, true where the probability reaches `threshold`; with several classes the likeliest index."""
        several = self.logits.shape[1] > 1
        result: NDArray[np.bool_] | NDArray[np.uint8]
        result = np.empty((self.image.height, self.image.width), np.uint8 if several else np.bool_)
        for rows, strip in self.strips():
            result[rows] = chosen(strip, threshold)
        return result

    def overlay(self, threshold: float = 0.5) -> Image.Image:
        """The picture with the mask tinted over it and outlined."""
        return overlay(self.image, self.mask(threshold), self.logits.shape[1])

    def cutout(self, threshold: float = 0.5) -> Image.Image:
        """The picture, transparent outside the mask (of several classes: where it is background)."""
        edge = soft_edge(self.probability, threshold) if self.logits.shape[1] == 1 else None
        return cutout(self.image, self.mask(threshold), edge)

    def strips(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Some rows, and their probabilities (classes, rows, W): what large pictures are made of in little memory."""
        width, height = self.image.size
        step = max(1, STRIP // (width * self.logits.shape[1]))
        for top in range(0, height, step):
            bottom = min(height, top + step)
            yield slice(top, bottom), probabilities(self.grid.blend(self.logits, top, bottom))


def chosen(probability: NDArray[np.float32], threshold: float) -> NDArray[np.bool_] | NDArray[np.intp]:
    """Probabilities (classes, H, W) -> a mask (H, W), as `Prediction.mask` has it."""
    return probability.argmax(axis=0) if len(probability) > 1 else probability[0] >= threshold


Ready = tuple[Image.Image, Grid, list[NDArray[np.uint8]]]
"""A picture as it was read, its tiles, and what the network is shown of it, by scale; nothing yet of tiles."""


class Predictor:
    """Predicts masks with a trained network.

    Args:
        model: a model file, an upstream SAM2-UNet .pth, an exported .onnx or .xml, or a network.
        device: "auto" (CUDA, else Apple's MPS, else the CPU), or one of torch's names.
        backend: "auto" (the fastest that is installed for the device), "torch", "openvino" or "onnxruntime".
        precision: "auto" (bf16 where the hardware has it and the backend uses it, else float32), "float32" or "bf16".
        trunk_weights: where the frozen trunk is that the model file leaves out; see `load_model`.
        batch_size: pictures, or tiles of them, per pass; default 1 on a CPU, 8 elsewhere.
        views: tiles, flips, scales and letterboxes; default the whole picture once, as the network was trained.
        max_pixels: a larger file is taken for a decompression bomb.

    What OpenVINO compiled is kept in the user's cache by the file's SHA-256: from the second start on neither torch nor
    the trunk's file is needed.

    Raises:
        InputError: the file can't be used, the backend isn't installed, or the device isn't there.
    """

    def __init__(
        self,
        model: "SAM2UNet | str | Path",
        device: str = "auto",
        backend: Backend = "auto",
        precision: Precision = "auto",
        *,
        trunk_weights: str | Path | None = None,
        batch_size: int | None = None,
        views: Views = Views(),  # noqa: B008, it is frozen
        max_pixels: int = MAX_PIXELS,
    ):
        for name, number in (("batch_size", batch_size), ("max_pixels", max_pixels)):
            if number is not None and number < 1:
                raise InputError(f"{name} is {number}: it must be 1 or more")
        opened = partial(open_runtime, model, device, backend, precision, trunk_weights)
        self.backend = opened()
        self.card = self.backend.metadata.card
        self.views, self.max_pixels = views, max_pixels
        self.batch_size = batch_size or (1 if self.backend.device == "cpu" else 8)
        self.sizes = views.sizes(self.card.size)
        self._by_size = {
            size: self.backend if size == self.card.size or self.backend.any_size else opened(size)
            for size in set(self.sizes)
        }

    def predict(self, picture: Picture) -> Prediction:
        """Predict one picture: a path, a PIL image, or an array (H, W, 3) of uint8.

        Raises:
            InputError: the file is broken or no picture, or the array has another shape or type.
        """
        return self._predict_batch([self._ready(picture)])[0]

    def predict_many(self, pictures: Iterable[Picture]) -> Iterator[Prediction]:
        """Predict a stream of pictures in order, reading ahead; memory stays that of a few.

        Raises:
            InputError: at the first picture that can't be read.
        """
        for _, outcome in self.try_many(pictures):
            if isinstance(outcome, InputError):
                raise outcome
            yield outcome

    def try_many(
        self, pictures: Iterable[Picture | InputError]
    ) -> Iterator[tuple[Picture | InputError, Prediction | InputError]]:
        """Like `predict_many`, with each picture; one that can't be read gives its error and the rest goes on."""
        stream, end = iter(pictures), object()
        following: Any = next(stream, end)
        ahead: deque[tuple[Picture | InputError, Future[Ready | InputError], int]] = deque()
        with ThreadPoolExecutor(max_workers=2) as pool:

            def read_ahead(held: int) -> None:
                nonlocal following
                held += sum(pixels for *_, pixels in ahead)
                while following is not end and len(ahead) < self.batch_size + 1:
                    pixels = self._pixels(following)
                    if held and held + pixels > PIXELS_AHEAD:
                        break
                    held += pixels
                    ahead.append((following, pool.submit(self._try_ready, following), pixels))
                    following = next(stream, end)

            read_ahead(0)
            while ahead:
                batch = [ahead.popleft() for _ in range(min(len(ahead), self.batch_size))]
                waited = [future.result() for _, future, _ in batch]
                read_ahead(sum(pixels for *_, pixels in batch))
                predictions = deque(self._try_batch([r for r in waited if not isinstance(r, InputError)]))
                outcomes = deque(
                    (picture, read if isinstance(read, InputError) else predictions.popleft())
                    for (picture, *_), read in zip(batch, waited, strict=True)
                )
                del batch, waited  # what is given away is not held
                while outcomes:
                    yield outcomes.popleft()
                read_ahead(0)

    def read(self, picture: Picture) -> Image.Image:
        """The picture as 8-bit RGB.

        Raises:
            InputError: as `predict` says.
        """
        if isinstance(picture, Image.Image):
            return to_rgb(picture, self.card.normalise_range)
        if isinstance(picture, str | Path):
            return read_image(picture, self.card.normalise_range, self.max_pixels)
        if not isinstance(picture, np.ndarray):
            raise InputError(f"a picture must be a path, a PIL image or an array, not {type(picture).__name__}")
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
            raise InputError(f"an array must be (H, W, 3) uint8, not {picture.shape} {picture.dtype}")
        return Image.fromarray(picture)

    def _pixels(self, picture: Picture | InputError) -> int:
        if isinstance(picture, str | Path):
            return pixel_count(picture)
        if isinstance(picture, Image.Image):
            return picture.width * picture.height
        return picture.size // 3 if isinstance(picture, np.ndarray) else 0

    def _ready(self, picture: Picture) -> Ready:
        image = self.read(picture)
        grid = self.views.grid(image.height, image.width)
        return image, grid, [] if self.views.tile else self._show(image, grid, 0)

    def _try_ready(self, picture: Picture | InputError) -> Ready | InputError:
        try:
            return picture if isinstance(picture, InputError) else self._ready(picture)
        except InputError as error:
            return error
        except MemoryError:
            return InputError(f"{picture}: there is not enough memory for it")

    def _show(self, image: Image.Image, grid: Grid, row: int) -> list[NDArray[np.uint8]]:
        colour = [round(255 * value) for value in self.card.mean]
        return [self.views.show(image, grid, row, size, colour) for size in self.sizes]

    def _try_batch(self, batch: list[Ready]) -> list[Prediction | InputError]:
        try:
            return [*self._predict_batch(batch)]
        except (InputError, MemoryError) as error:
            if len(batch) > 1:
                return [outcome for ready in batch for outcome in self._try_batch([ready])]
            return [error if isinstance(error, InputError) else InputError("there is not enough memory for it")]

    def _predict_batch(self, batch: list[Ready]) -> list[Prediction]:
        if not batch:
            return []
        if self.views.tile:
            return [self._predict_tiles(image, grid) for image, grid, _ in batch]
        answers = self._ask([np.concatenate(shown) for shown in zip(*(shown for *_, shown in batch), strict=True)])
        return [
            Prediction(image, self.views.join([logits[i : i + 1] for logits in answers], grid, self.card.size), grid)
            for i, (image, grid, _) in enumerate(batch)
        ]

    def _predict_tiles(self, image: Image.Image, grid: Grid) -> Prediction:
        """Row by row: what is kept of all tiles takes no more than the picture's logits."""
        width, height = image.size
        tiles: list[NDArray[np.float32]] = []
        whole: NDArray[np.float32] | None = None
        for row in range(len(grid.rows.starts)):
            logits = self.views.join(self._ask(self._show(image, grid, row)), grid, self.card.size)
            if logits[0, 0].size * len(grid) <= width * height:
                tiles.append(logits)
                continue
            if whole is None:
                whole = np.zeros((logits.shape[1], height, width), np.float32)
            grid.add(whole, 0, logits, row)
        if whole is None:
            return Prediction(image, np.concatenate(tiles), grid)
        return Prediction(image, whole[None], Views().grid(height, width))

    def _ask(self, shown: list[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """By scale: pictures (batch, height, width, 3) -> logits (batch, classes, height, width)."""
        return [
            self.views.ask(partial(self._logits, self._by_size[size]), pictures)
            for size, pictures in zip(self.sizes, shown, strict=True)
        ]

    def _logits(self, runtime: Runtime, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Where a GPU's memory is too small for a batch, batches are halved until they fit, which is said."""
        most = self.batch_size
        if len(pictures) > most:
            parts = [self._logits(runtime, pictures[i : i + most]) for i in range(0, len(pictures), most)]
            return np.concatenate(parts)
        try:
            return runtime.logits(pictures)
        except Exception as error:
            if not out_of_memory(error):
                raise
            if len(pictures) == 1:
                message = f"{runtime.device}: out of memory with one image"
                if runtime.device == "cpu":
                    raise InputError(message) from error
                raise InputError(f"{message}; use the cpu", "device") from error
        self.batch_size = half = len(pictures) // 2
        logits = self._logits(runtime, pictures)
        if self.batch_size == half:  # it was small enough
            message = "%s: out of memory with %d pictures at once, going on with %d"
            logging.getLogger("sam2unet").warning(message, runtime.device, len(pictures), half)
        return logits


def out_of_memory(error: Exception) -> bool:
    """Whether that is what torch or ONNX Runtime mean."""
    return any(words in str(error).lower() for words in ("out of memory", "failed to allocate memory"))
