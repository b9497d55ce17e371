"""Predictor: from pictures to probabilities at their own size."""

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
from .backends import Backend, Precision, open_backend

if TYPE_CHECKING:
    from ..network import SAM2UNet

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
        logits = resized(self.logits, self.image.height, self.image.width)
        if len(logits) == 1:
            with np.errstate(over="ignore"):  # to infinity, which is right
                result: NDArray[np.float32] = 1 / (1 + np.exp(-logits[0]))
            return result
        powers = np.exp(logits - logits.max(axis=0))
        result = powers / powers.sum(axis=0)
        return result

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
        self.backend = open_backend(model, device, backend, precision, trunk_weights)
        self.card = self.backend.exported.card
        self.batch_size = batch_size or (8 if self.backend.device == "cuda" else 1)

    def predict(self, picture: Picture) -> Prediction:
        """Predict one picture: a path, a PIL image, or an array (H, W, 3) of uint8.

        Raises:
            InputError: the file is broken or no picture, or the array has another shape or type.
        """
        image = self.read(picture)
        return self._predict_batch([image])[0]

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
                images = [image for _, image in batch if isinstance(image, Image.Image)]
                predictions = iter(self._predict_batch(images) if images else [])
                for picture, image in batch:
                    yield picture, image if isinstance(image, InputError) else next(predictions)

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

    def _try_read(self, picture: Picture) -> Image.Image | InputError:
        try:
            return self.read(picture)
        except InputError as error:
            return error

    def _predict_batch(self, images: list[Image.Image]) -> list[Prediction]:
        size = self.card.size[::-1]
        pictures = np.stack([np.asarray(image.resize(size, Image.Resampling.BILINEAR)) for image in images])
        return [Prediction(*pair) for pair in zip(images, self.backend.logits(pictures), strict=True)]


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
