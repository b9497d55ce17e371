"""Predictor: from pictures to probabilities at their own size."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..data import read_image, to_rgb
from ..data.dataset import Preparation
from ..device import find_device, has_bf16
from ..errors import InputError
from ..network import SAM2UNet
from ..weights import load_model

Picture = str | Path | Image.Image | NDArray[np.uint8]


@dataclass(frozen=True)
class Prediction:
    """What the network says of one picture, at the picture's own size."""

    image: Image.Image
    """The picture as it was read, RGB."""
    probability: NDArray[np.float32]
    """(H, W) in [0, 1]; with several classes (classes, H, W), summing to 1."""

    def mask(self, threshold: float = 0.5) -> NDArray[np.bool_] | NDArray[np.uint8]:
        """(H, W) bool, true where the probability reaches `threshold`; with several classes the likeliest index."""
        if self.probability.ndim == 3:
            return self.probability.argmax(axis=0).astype(np.uint8)
        return self.probability >= threshold


class Predictor:
    """Predicts masks with a trained network.

    Args:
        model: a model file, an upstream SAM2-UNet .pth, or a network.
        device: "auto" (CUDA, else Apple's MPS, else the CPU), or one of torch's names.
        backend: "auto" or "torch".
        precision: "auto" (bf16 on CUDA cards that have it, else float32), "float32" or "bf16".
        trunk_weights: where the frozen trunk is that the model file leaves out; see `load_model`.
        batch_size: pictures per pass; default 1 on a CPU, 8 elsewhere.

    Raises:
        InputError: the model file can't be used, or the device isn't there.
    """

    def __init__(
        self,
        model: SAM2UNet | str | Path,
        device: str = "auto",
        backend: Literal["auto", "torch"] = "auto",
        precision: Literal["auto", "float32", "bf16"] = "auto",
        *,
        trunk_weights: str | Path | None = None,
        batch_size: int | None = None,
    ):
        if backend not in ("auto", "torch"):
            raise InputError(f"unknown backend {backend!r}: choose auto or torch")
        if precision not in ("auto", "float32", "bf16"):
            raise InputError(f"unknown precision {precision!r}: choose auto, float32 or bf16")
        self.device = find_device(device)
        self.model = model if isinstance(model, SAM2UNet) else load_model(model, trunk_weights)
        self.model.to(self.device).eval()
        self.card = self.model.card
        self.batch_size = batch_size or (1 if self.device.type == "cpu" else 8)
        # On a CPU bf16 is asked for: masks made there stay those of float32.
        bf16 = self.device.type == "cuda" and has_bf16(self.device) if precision == "auto" else precision == "bf16"
        self._dtype = torch.bfloat16 if bf16 else None
        self._preparation = Preparation(self.card.size, self.card.mean, self.card.std)

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

    @torch.inference_mode()
    def _predict_batch(self, images: list[Image.Image]) -> list[Prediction]:
        batch = torch.stack([self._preparation.image(image) for image in images]).to(self.device)
        with torch.autocast(self.device.type, self._dtype) if self._dtype else nullcontext():
            logits = self.model(batch)
        return [
            Prediction(image, probability(row.float(), image.size)) for image, row in zip(images, logits, strict=True)
        ]


def probability(logits: Tensor, size: tuple[int, int]) -> NDArray[np.float32]:
    """Logits (classes, h, w) -> probabilities at (width, height): a bilinear resize, then the sigmoid or softmax."""
    width, height = size
    logits = F.interpolate(logits[None], size=(height, width), mode="bilinear")[0]
    result = logits[0].sigmoid() if len(logits) == 1 else logits.softmax(dim=0)
    values: NDArray[np.float32] = result.cpu().numpy()
    return values
