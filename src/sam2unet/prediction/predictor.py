"""Predictor: from pictures to probabilities at their own size."""

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data import read_image, to_rgb
from ..errors import InputError
from ..export import probabilities
from .backends import Backend, Precision, open_backend

if TYPE_CHECKING:
    from ..network import SAM2UNet

Ready = tuple[Image.Image, NDArray[np.uint8]]
"""A picture as it was read, and at the network's size."""
Picture = str | Path | Image.Image | NDArray[np.uint8]


@dataclass(frozen=True)
class Prediction:
    """What the network says of one picture, at the picture's own size."""

    image: Image.Image
    """The picture as it was read, RGB."""
    logits: NDArray[np.float32]
    """(classes, h, w) at the network's size."""

    @cached_property
    def probability(self) -> NDArray[np.float32]:
        """(H, W) in [0, 1]; with several classes (classes, H, W), summing to 1.

        Logits are resized bilinearly before the sigmoid or softmax, as published.
        """
        result = probabilities(resized(self.logits, self.image.height, self.image.width))
        return result[0] if len(result) == 1 else result

    def mask(self, threshold: float = 0.5) -> NDArray[np.bool_] | NDArray[np.uint8]:
        """(H, W) bool, true where the probability reaches `threshold`; with several classes the likeliest index."""
        if self.probability.ndim == 3:
            return self.probability.argmax(axis=0).astype(np.uint8)
        return self.probability >= threshold


class Predictor:
    """Predicts masks with a trained network.

    Args:
        model: a model file, an upstream SAM2-UNet .pth, an exported .onnx or .xml, or a network.
        device: "auto" (CUDA, else Apple's MPS, else the CPU), or one of torch's names.
        backend: "auto" (the fastest that is installed for the device), "torch", "openvino" or "onnxruntime".
        precision: "auto" (bf16 where the hardware has it and the backend uses it, else float32), "float32" or "bf16".
        trunk_weights: where the frozen trunk is that the model file leaves out; see `load_model`.
        batch_size: pictures per pass; default 1 on a CPU, 8 elsewhere.

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
    ):
        if batch_size is not None and batch_size < 1:
            raise InputError(f"batch_size is {batch_size}: it must be 1 or more")
        self.backend = open_backend(model, device, backend, precision, trunk_weights)
        self.card = self.backend.exported.card
        self.batch_size = batch_size or (1 if self.backend.device == "cpu" else 8)

    def predict(self, picture: Picture) -> Prediction:
        """Predict one picture: a path, a PIL image, or an array (H, W, 3) of uint8.

        Raises:
            InputError: the file is broken or no picture, or the array has another shape or type.
        """
        image = self.read(picture)
        return self._predict_batch([(image, self._prepared(image))])[0]

    def predict_many(self, pictures: Iterable[Picture]) -> Iterator[Prediction]:
        """Predict a stream of pictures in order, reading ahead; memory stays that of a few.

        Raises:
            InputError: at the first picture that can't be read.
        """
        for _, outcome in self.try_many(pictures):
            if isinstance(outcome, InputError):
                raise outcome
            yield outcome

    def try_many(self, pictures: Iterable[Picture]) -> Iterator[tuple[Picture, Prediction | InputError]]:
        """Like `predict_many`, with each picture; one that can't be read gives its error and the rest goes on."""
        stream = iter(pictures)
        with ThreadPoolExecutor(max_workers=2) as pool:
            ahead = [(p, pool.submit(self._try_read, p)) for p in islice(stream, self.batch_size)]
            while ahead:
                batch = [(picture, future.result()) for picture, future in ahead]
                ahead = [(p, pool.submit(self._try_read, p)) for p in islice(stream, self.batch_size)]
                ready = [read for _, read in batch if not isinstance(read, InputError)]
                predictions = iter(self._predict_batch(ready) if ready else [])
                for picture, read in batch:
                    yield picture, read if isinstance(read, InputError) else next(predictions)

    def read(self, picture: Picture) -> Image.Image:
        """The picture as 8-bit RGB.

        Raises:
            InputError: as `predict` says.
        """
        if isinstance(picture, Image.Image):
            return to_rgb(picture, self.card.stretch)
        if isinstance(picture, str | Path):
            return read_image(picture, self.card.stretch)
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise InputError(f"an array must be (H, W, 3) uint8, not {picture.shape} {picture.dtype}")
        return Image.fromarray(picture)

    def _try_read(self, picture: Picture) -> Ready | InputError:
        try:
            image = self.read(picture)
            return image, self._prepared(image)
        except InputError as error:
            return error

    def _prepared(self, image: Image.Image) -> NDArray[np.uint8]:
        """(height, width, 3) at the network's size."""
        return np.asarray(image.resize(self.card.size[::-1], Image.Resampling.BILINEAR))

    def _predict_batch(self, batch: list[Ready]) -> list[Prediction]:
        logits = self._logits(np.stack([pixels for _, pixels in batch]))
        return [Prediction(image, row) for (image, _), row in zip(batch, logits, strict=True)]

    def _logits(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Where a GPU's memory is too small for a batch, batches are halved until they fit, which is said."""
        most = self.batch_size
        if len(pictures) > most:
            return np.concatenate([self._logits(pictures[i : i + most]) for i in range(0, len(pictures), most)])
        try:
            return self.backend.logits(pictures)
        except Exception as error:
            if not out_of_memory(error):
                raise
            if len(pictures) == 1:
                raise InputError(f"{self.backend.device}: out of memory with one picture; use --device cpu") from error
        self.batch_size = half = len(pictures) // 2
        logits = self._logits(pictures)
        if self.batch_size == half:  # it was small enough
            message = "%s: out of memory with %d pictures at once, going on with %d"
            logging.getLogger("sam2unet").warning(message, self.backend.device, len(pictures), half)
        return logits


def out_of_memory(error: Exception) -> bool:
    """Whether that is what torch or ONNX Runtime mean."""
    return any(words in str(error).lower() for words in ("out of memory", "failed to allocate memory"))


def resized(maps: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """(C, h, w) -> (C, height, width) bilinearly, without antialiasing: torch's `interpolate`, corners not aligned."""
    for axis, length in ((2, width), (1, height)):
        old = maps.shape[axis]
        if old == length:
            continue
        places = np.maximum((np.arange(length) + 0.5) * (old / length) - 0.5, 0)
        low = places.astype(np.int64)
        shape = [-1 if i == axis else 1 for i in range(3)]
        share = (places - low).astype(np.float32).reshape(shape)
        below = maps.take(low, axis)
        maps = below + share * (maps.take(np.minimum(low + 1, old - 1), axis) - below)
    return maps
