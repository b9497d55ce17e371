"""Predictor: from images to probabilities at their own size."""

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data import MAX_PIXELS, Page, read_image, to_rgb
from ..errors import InputError
from ..runtime import Backend, Precision, Runtime, open_runtime, probabilities
from ..system import is_out_of_memory
from .components import MaskArray
from .outputs import Outputs, Rasters
from .reading import READERS, ImageInput, ReadAhead
from .views import Grid, ImageViews, Views

if TYPE_CHECKING:
    from ..network import SAM2UNet

VALUES_PER_STRIP = 1 << 20
"""Probabilities are computed in strips of rows of about this many values."""


@dataclass(frozen=True)
class Prediction:
    """The network's result for one image, at the image's own size."""

    image: Image.Image
    """The image as it was read, RGB."""
    logits: NDArray[np.float32]
    """(tiles, classes, h, w) at the network's input size. Many small tiles that would take more memory than that are
    stored as one tile (1, classes, H, W) of the image's size."""
    grid: Grid
    """Where the tiles lie in the image."""

    @property
    def classes(self) -> int:
        """1 for foreground against background; else the number of classes, background included."""
        classes: int = self.logits.shape[1]
        return classes

    @cached_property
    def probability(self) -> NDArray[np.float32]:
        """Probability of foreground, (H, W) in [0, 1]; of several classes (classes, H, W), summing to 1.

        Logits are resized bilinearly before the sigmoid or softmax, as published.
        """
        result = np.empty((self.classes, self.image.height, self.image.width), np.float32)
        for rows, strip in self.strips():
            result[:, rows] = strip
        return result[0] if len(result) == 1 else result

    def mask(self, threshold: float = 0.5) -> MaskArray:
        """Compute the mask.

        Args:
            threshold: lowest probability of foreground; ignored for several classes.

        Returns:
            (H, W) bool; for several classes uint8 indices of the likeliest class.
        """
        return Rasters.of(self, threshold).mask

    def overlay(self, threshold: float = 0.5) -> Image.Image:
        """Draw the image with the mask tinted and outlined, RGB.

        Raises:
            InputError: the threshold is not from 0 to 1, or scipy is not installed.
        """
        return self._draw("overlay", threshold)

    def cutout(self, threshold: float = 0.5) -> Image.Image:
        """Draw the image as RGBA, transparent outside the mask; for several classes where background is likeliest.

        Raises:
            InputError: the threshold is not from 0 to 1.
        """
        return self._draw("cutout", threshold)

    def _draw(self, kind: str, threshold: float) -> Image.Image:
        return Outputs(frozenset({kind}), threshold).draw(self)[kind]

    def strips(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield slices of rows and their probabilities (classes, rows, W): large images fit in little memory."""
        width, height = self.image.size
        step = max(1, VALUES_PER_STRIP // (width * self.classes))
        for top in range(0, height, step):
            bottom = min(height, top + step)
            yield slice(top, bottom), probabilities(self.grid.blend(self.logits, top, bottom))


@dataclass(frozen=True)
class Prepared:
    """An image ready for the network."""

    views: ImageViews
    rendered: list[NDArray[np.uint8]]
    """The whole image at each scale; empty if it is predicted in tiles, which are rendered row by row."""


class Predictor:
    """Predicts masks with a trained network.

    What OpenVINO compiled is cached by the model file's SHA-256: from the second start on neither torch nor the trunk's
    file is needed.

    Args:
        model: a model file, an upstream SAM2-UNet .pth, an exported .onnx or .xml, or a network.
        device: "auto" (CUDA, else Apple's MPS, else the CPU), or a device's name in torch.
        backend: "auto" (the fastest that is installed for the device), "torch", "openvino" or "onnxruntime".
        precision: "auto" (bf16 where the hardware has it and the backend uses it, else float32), "float32" or "bf16".
        trunk_weights: file of the frozen trunk that the model file leaves out; see `load_model`.
        batch_size: images or tiles per forward pass; default 1 on a CPU, 8 elsewhere. It is halved when a GPU runs
            out of memory.
        views: tiles, mirrored views, scales and letterboxes; default what the network was trained on.
        max_pixels: image files with more pixels are refused as decompression bombs.

    Raises:
        InputError: the file can't be used, the backend isn't installed, or the device doesn't exist.

    Example:
        A random network, and an image of 48x80 pixels:

        >>> from dataclasses import replace
        >>> import numpy as np
        >>> from sam2unet import Predictor, SAM2UNet
        >>> model = SAM2UNet("tiny").eval()
        >>> model.card = replace(model.card, size=(64, 64))
        >>> predictor = Predictor(model, device="cpu", backend="torch")
        >>> prediction = predictor.predict(np.zeros((48, 80, 3), np.uint8))
        >>> prediction.probability.shape, prediction.probability.dtype
        ((48, 80), dtype('float32'))
        >>> prediction.mask(threshold=0.5).shape, prediction.mask().dtype
        ((48, 80), dtype('bool'))
    """

    def __init__(  # noqa: PLR0913, the options of a public class
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
        open_for_size = partial(open_runtime, model, device, backend, precision, trunk_weights)
        self.backend = open_for_size()
        self.card = self.backend.metadata.card
        self.views, self.max_pixels = views.as_trained(self.card), max_pixels
        self.batch_size = batch_size or (1 if self.backend.device == "cpu" else 8)
        self._sizes = self.views.sizes(self.card.size)
        self._runtimes = {
            size: self.backend if size == self.card.size or self.backend.any_size else open_for_size(size)
            for size in set(self._sizes)
        }

    def predict(self, image: ImageInput) -> Prediction:
        """Predict one image.

        Args:
            image: a path, a PIL image, or an RGB array (H, W, 3) of uint8.

        Raises:
            InputError: the file is broken or no image, or the array has another shape or dtype.
        """
        return self._predict_batch([self._prepare(image)])[0]

    def predict_many(self, images: Iterable[ImageInput]) -> Iterator[Prediction]:
        """Predict a stream of images in order, reading ahead; only a few are in memory.

        Args:
            images: see `predict`; read lazily.

        Raises:
            InputError: at the first image that can't be read.
        """
        for result in self.predict_all(images):
            if isinstance(result, InputError):
                raise result
            yield result

    def predict_all(self, images: Iterable[ImageInput]) -> Iterator[Prediction | InputError]:
        """Predict a stream like `predict_many`, but yield the error of an image that can't be read, and go on."""
        with ThreadPoolExecutor(READERS) as executor:
            reader = ReadAhead(images, self._prepare, executor)
            reader.fill(self.batch_size)
            while batch := reader.take(self.batch_size):
                predictions = iter(self._try_batch([image for image in batch if isinstance(image, Prepared)]))
                results = deque(image if isinstance(image, InputError) else next(predictions) for image in batch)
                del batch, predictions  # each result is released as soon as the caller is done with it
                while results:
                    yield results.popleft()
                reader.fill(self.batch_size)

    def read(self, image: ImageInput) -> Image.Image:
        """Read an image as 8-bit RGB.

        Args:
            image: see `predict`.

        Raises:
            InputError: see `predict`.
        """
        if isinstance(image, Image.Image):
            return to_rgb(image, self.card.normalise_range)
        if isinstance(image, str | Path | Page):
            return read_image(image, self.card.normalise_range, self.max_pixels)
        if not isinstance(image, np.ndarray):
            raise InputError(f"an image must be a path, a PIL image or an array, not {type(image).__name__}")
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise InputError(f"an array must be (H, W, 3) uint8, not {image.shape} {image.dtype}")
        return Image.fromarray(image)

    def _prepare(self, image: ImageInput) -> Prepared:
        views = self.views.of(self.read(image), self.card)
        return Prepared(views, [] if self.views.tile else views.render(0))

    def _try_batch(self, batch: list[Prepared]) -> list[Prediction | InputError]:
        """Predict a batch; if that fails, predict the images one by one, so that only those that fail are lost."""
        try:
            return [*self._predict_batch(batch)]
        except (InputError, MemoryError) as error:
            if len(batch) > 1:
                return [result for image in batch for result in self._try_batch([image])]
            return [error if isinstance(error, InputError) else InputError("not enough memory to predict it")]

    def _predict_batch(self, batch: list[Prepared]) -> list[Prediction]:
        if not batch:
            return []
        if self.views.tile:
            return [self._predict_tiles(image.views) for image in batch]
        logits = self._run_scales([np.concatenate(s) for s in zip(*(image.rendered for image in batch), strict=True)])
        return [
            Prediction(views.image, views.merge([scaled[i : i + 1] for scaled in logits]), views.grid)
            for i, views in enumerate(image.views for image in batch)
        ]

    def _predict_tiles(self, views: ImageViews) -> Prediction:
        """Predict row by row of tiles; the logits that are kept never have more pixels than the image."""
        image, grid = views.image, views.grid
        tiles: list[NDArray[np.float32]] = []
        whole: NDArray[np.float32] | None = None
        for row in range(len(grid.rows.starts)):
            logits = views.merge(self._run_scales(views.render(row)))
            if logits[0, 0].size * len(grid) <= image.width * image.height:
                tiles.append(logits)
                continue
            if whole is None:
                whole = np.zeros((logits.shape[1], image.height, image.width), np.float32)
            grid.add_row(whole, 0, logits, row)
        if whole is None:
            return Prediction(image, np.concatenate(tiles), grid)
        return Prediction(image, whole[None], Views(tile=0).grid(image.height, image.width))

    def _run_scales(self, rendered: list[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Images (batch, height, width, 3) of each scale -> their logits (batch, classes, height, width)."""
        return [
            self.views.run(partial(self._run, self._runtimes[size]), images)
            for size, images in zip(self._sizes, rendered, strict=True)
        ]

    def _run(self, runtime: Runtime, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network in batches; where a GPU's memory is too small, batches are halved until they fit."""
        most = self.batch_size
        if len(images) > most:
            return np.concatenate([self._run(runtime, images[i : i + most]) for i in range(0, len(images), most)])
        try:
            return runtime.logits(images)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if len(images) == 1:
                message = f"{runtime.device}: out of memory with one image"
                if runtime.device == "cpu":
                    raise InputError(message) from error
                raise InputError(f"{message}; use the cpu", "device") from error
        self.batch_size = half = len(images) // 2
        logits = self._run(runtime, images)
        if self.batch_size == half:  # it was small enough
            message = "%s: out of memory with %d images at once, going on with %d"
            logging.getLogger("sam2unet").warning(message, runtime.device, len(images), half)
        return logits
