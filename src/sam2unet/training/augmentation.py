"""Random augmentation of an image and its mask, by kornia; every sample has its own seed."""

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
"""(image, mask, rng) -> (image, mask): image (3, H, W) in [0, 1]; mask (1, H, W) in [0, 1], or (H, W) int64 for several
classes; 255 where ignored."""


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a sample; the defaults change nothing."""

    flip_horizontal: float = 0.0
    """Probability."""
    flip_vertical: float = 0.0
    """Probability."""
    quarter_turns: float = 0.0
    """Probability of a turn by 90, 180 or 270 degrees, each as likely; an image that is not square is turned by 180."""
    rotation: float = 0.0
    """Maximum angle in degrees, to either side; the image is continued by reflection at its border."""
    zoom: tuple[float, float] = (1.0, 1.0)
    """Smallest and largest factor."""
    crop: float = 1.0
    """Smallest fraction of the area that a random crop keeps; the crop is resized to the whole size."""
    colour: float = 0.0
    """Maximum relative change of brightness, contrast and saturation; the hue turns by a tenth of it at most."""
    blur: float = 0.0
    """Maximum standard deviation of a Gaussian blur in pixels; applied to half of the samples."""
    noise: float = 0.0
    """Standard deviation of Gaussian noise on values in [0, 1]; applied to half of the samples."""

    def __call__(self, image: Tensor, mask: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Change image and mask alike.

        Args:
            image: (3, H, W) in [0, 1].
            mask: (1, H, W) in [0, 1], or (H, W) class indices; 255 where ignored.
            rng: source of all randomness; torch's global generator is not touched.

        Returns:
            The two, of unchanged shapes and dtypes.
        """
        if self.quarter_turns and rng.random() < self.quarter_turns:
            turns = int(rng.integers(1, 4)) if image.shape[1] == image.shape[2] else 2
            image, mask = (x.rot90(turns, (-2, -1)).contiguous() for x in (image, mask))
        if self.colour:
            image = _change_colour(image, self.colour, rng)
        soft = mask.is_floating_point() and not bool((mask == IGNORED).any())
        pipeline = _pipeline(self, (image.shape[1], image.shape[2]), soft)
        if pipeline is None:
            return image, mask
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**63)))
            new_image, new_mask = pipeline(image[None], mask.reshape(1, 1, *mask.shape[-2:]).float())
        return new_image[0].clamp(0, 1), new_mask.reshape(mask.shape).to(mask.dtype)


TO_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
"""From R, G and B to brightness and two coordinates of colour (NTSC)."""


def _change_colour(image: Tensor, most: float, rng: np.random.Generator) -> Tensor:
    """Change brightness, contrast, saturation and hue; kornia's ColorJiggle takes two to three times as long."""
    brightness, contrast, saturation = 1 + most * rng.uniform(-1, 1, 3)
    angle = 2 * math.pi * most / 10 * rng.uniform(-1, 1)
    cos, sin = saturation * math.cos(angle), saturation * math.sin(angle)
    turn = torch.tensor([[1, 0, 0], [0, cos, -sin], [0, sin, cos]], dtype=TO_YIQ.dtype)
    image = torch.tensordot(torch.linalg.inv(TO_YIQ) @ turn @ TO_YIQ, image, 1)
    mean = image.mean()
    changed: Tensor = ((image - mean) * contrast + mean) * brightness
    return changed.clamp(0, 1)


@cache
def _pipeline(options: Augmentation, size: tuple[int, int], soft: bool) -> Any:
    """Build kornia's pipeline for images of `size` and masks with or without soft edges; None if it is empty."""
    import kornia.augmentation as K  # a fifth of a second that only training needs
    from kornia.constants import DataKey, Resample

    kernel = 2 * math.ceil(3 * options.blur) + 1
    steps: list[tuple[bool, Callable[[], Any]]] = [
        (options.flip_horizontal > 0, lambda: K.RandomHorizontalFlip(options.flip_horizontal)),
        (options.flip_vertical > 0, lambda: K.RandomVerticalFlip(options.flip_vertical)),
        (
            options.rotation > 0 or options.zoom != (1, 1),
            lambda: K.RandomAffine(options.rotation, scale=options.zoom, padding_mode="reflection", p=1.0),
        ),
        (options.crop < 1, lambda: K.RandomResizedCrop(size, (options.crop, 1.0))),
        (options.blur > 0, lambda: K.RandomGaussianBlur(kernel, (0.1, max(0.1, options.blur)), p=0.5)),
        (options.noise > 0, lambda: K.RandomGaussianNoise(std=options.noise, p=0.5)),
    ]
    active = [build() for is_active, build in steps if is_active]
    resample = Resample.BILINEAR if soft else Resample.NEAREST
    masks = {DataKey.MASK: {"resample": resample, "align_corners": None}}
    return K.AugmentationSequential(*active, data_keys=["input", "mask"], extra_args=masks) if active else None
