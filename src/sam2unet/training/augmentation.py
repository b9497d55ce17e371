"""Random changes of a picture and its mask, by kornia; each sample by a seed of its own."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..card import IGNORED

Augment = Callable[[Tensor, Tensor, np.random.Generator], tuple[Tensor, Tensor]]
"""(image, mask, rng) -> the same, changed: image (3, H, W) in [0, 1]; mask (1, H, W), or indices (H, W)."""


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a sample; the defaults change nothing."""

    flip_horizontal: float = 0.0
    """Probability."""
    flip_vertical: float = 0.0
    """Probability."""
    rotation: float = 0.0
    """Degrees to either side; what comes in from outside is the picture mirrored at its border."""
    zoom: tuple[float, float] = (1.0, 1.0)
    """Smallest and largest factor."""
    crop: float = 1.0
    """Smallest share of the picture's area that is kept, then brought to the size of the whole."""
    colour: float = 0.0
    """Brightness, contrast and saturation by up to this share, hue by up to a tenth of it of the colour circle."""
    blur: float = 0.0
    """Largest deviation of a Gaussian in pixels; half of the samples."""
    noise: float = 0.0
    """Deviation of Gaussian noise on values in [0, 1]; half of the samples."""

    def __call__(self, image: Tensor, mask: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Image (3, H, W) in [0, 1]; mask (1, H, W) in [0, 1] or indices (H, W), 255 where ignored: changed alike.

        All that is random follows from `rng`.
        """
        soft = mask.is_floating_point() and not bool((mask == IGNORED).any())
        pipeline = _pipeline(self, (image.shape[1], image.shape[2]), soft)
        if pipeline is None:
            return image, mask
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**63)))
            changed, moved = pipeline(image[None], mask.reshape(1, 1, *mask.shape[-2:]).float())
        return changed[0].clamp(0, 1), moved.reshape(mask.shape).to(mask.dtype)


@cache
def _pipeline(wanted: Augmentation, size: tuple[int, int], soft: bool) -> Any:
    """Kornia's steps for pictures of one size, whose masks have soft edges or not; None if there are no steps."""
    import kornia.augmentation as K  # a fifth of a second that only training needs
    from kornia.constants import DataKey, Resample

    colour, reach = wanted.colour, 2 * math.ceil(3 * wanted.blur) + 1
    steps = [
        (wanted.flip_horizontal > 0, lambda: K.RandomHorizontalFlip(wanted.flip_horizontal)),
        (wanted.flip_vertical > 0, lambda: K.RandomVerticalFlip(wanted.flip_vertical)),
        (
            wanted.rotation > 0 or wanted.zoom != (1, 1),
            lambda: K.RandomAffine(wanted.rotation, scale=wanted.zoom, padding_mode="reflection", p=1.0),
        ),
        (wanted.crop < 1, lambda: K.RandomResizedCrop(size, (wanted.crop, 1.0))),
        (colour > 0, lambda: K.ColorJiggle(colour, colour, colour, colour / 10, p=1.0)),
        (wanted.blur > 0, lambda: K.RandomGaussianBlur(reach, (0.1, max(0.1, wanted.blur)), p=0.5)),
        (wanted.noise > 0, lambda: K.RandomGaussianNoise(std=wanted.noise, p=0.5)),
    ]
    chosen = [make() for active, make in steps if active]
    resample = Resample.BILINEAR if soft else Resample.NEAREST
    masks = {DataKey.MASK: {"resample": resample, "align_corners": None}}
    return K.AugmentationSequential(*chosen, data_keys=["input", "mask"], extra_args=masks) if chosen else None
