"""Samples for training and validation. A sample is a function of (seed, epoch, index) and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from ..card import IGNORED
from ..data import Mask, MaskReading, Pair, parse_mask_values, read_image, read_mask
from .augmentation import Augment


class SampleKey(NamedTuple):
    """Identifies a sample: what a batch sampler asks a `PairDataset` for."""

    epoch: int
    """Pass over the data, from 0."""
    pair_index: int
    """Index into the dataset's pairs."""
    size: tuple[int, int]
    """(height, width) in pixels that the sample is resized to."""


@dataclass(frozen=True)
class Preprocessing:
    """Converts images and masks to tensors."""

    size: tuple[int, int]
    """(height, width) of the network's input in pixels; the aspect ratio is not kept."""
    mean: tuple[float, float, float]
    """Of R, G and B in [0, 1]."""
    std: tuple[float, float, float]
    """Of R, G and B in [0, 1]."""
    classes: int = 1
    """1 for foreground against background; else the number of classes, including background (0)."""
    normalise_range: bool = False
    """Scale 16-bit images from their own minimum and maximum to 0 and 255; see `read_image`."""
    mask_values: str = "foreground=any"
    """What the values in masks mean; see `parse_mask_values`."""
    ignore_exif: bool = False
    """Read images and masks as stored, not turned upright by their EXIF orientation."""
    mask_resize: Literal["bicubic", "nearest"] = "bicubic"
    """"bicubic" gives one-class masks soft edges, as in the published training; class indices always use nearest."""

    @cached_property
    def reading(self) -> MaskReading:
        """How masks are read."""
        return parse_mask_values(self.mask_values)

    def network_input(self, image: Image.Image) -> Tensor:
        """Resize and normalise an RGB image: (3, height, width) float32."""
        return self.normalise(self.pixels(image, self.size))

    def pixels(self, image: Image.Image, size: tuple[int, int]) -> Tensor:
        """Resize an RGB image, bilinear with antialiasing: (3, height, width) float32 in [0, 1]."""
        channels = np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR)).transpose(2, 0, 1)
        return torch.from_numpy(np.ascontiguousarray(channels).astype(np.float32) / np.float32(255))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Subtract the mean from (3, height, width) in [0, 1], and divide by the standard deviation."""
        return (pixels - torch.tensor(self.mean)[:, None, None]) / torch.tensor(self.std)[:, None, None]

    def target(self, pair: Pair, size: tuple[int, int]) -> Tensor:
        """Read and resize the mask of a pair.

        Returns:
            (1, height, width) float32 in [0, 1]; for several classes (height, width) int64. 255 where ignored.
        """
        return self.resize_mask(read_mask(pair.mask, self.reading, self.classes, self.ignore_exif), size)

    def resize_mask(self, mask: Mask, size: tuple[int, int]) -> Tensor:
        """Resize a mask; see `target`."""
        if self.classes > 1:
            return torch.from_numpy(_resize(mask.labels, size, Image.Resampling.NEAREST).astype(np.int64))
        resampling = Image.Resampling.BICUBIC if self.mask_resize == "bicubic" else Image.Resampling.NEAREST
        values = _resize(mask.foreground(), size, resampling).astype(np.float32) / 255
        known = mask.known()
        if not known.all():
            values[_resize(known, size, Image.Resampling.NEAREST) == 0] = IGNORED
        return torch.from_numpy(values)[None]


def _resize(values: NDArray[np.generic], size: tuple[int, int], resampling: Image.Resampling) -> NDArray[np.generic]:
    """Resize (H, W) to (height, width), into a new array of the same dtype."""
    return np.array(Image.fromarray(values).resize(size[::-1], resampling))


class PairDataset(Dataset[tuple[Tensor, Tensor, int]]):
    """Samples of pairs: image (3, H, W), target (1, H, W) or (H, W) for several classes, and the pair's index.

    The augmentation's generator is seeded with (seed, epoch, index), so the number of workers changes nothing.

    Args:
        pairs: images and masks.
        preprocessing: how they become tensors.
        seed: of the augmentation.
        augmentations: applied in this order, before normalising.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        preprocessing: Preprocessing,
        seed: int = 0,
        augmentations: Sequence[Augment] = (),
    ):
        self.pairs = pairs
        self.preprocessing = preprocessing
        self.seed = seed
        self.augmentations = augmentations

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, key: SampleKey) -> tuple[Tensor, Tensor, int]:
        pair, preprocessing = self.pairs[key.pair_index], self.preprocessing
        whole = read_image(pair.image, preprocessing.normalise_range, ignore_exif=preprocessing.ignore_exif)
        image = preprocessing.pixels(whole, key.size)
        target = preprocessing.target(pair, key.size)
        rng = np.random.default_rng((self.seed, key.epoch, key.pair_index))
        for augment in self.augmentations:
            image, target = augment(image, target, rng)
        return preprocessing.normalise(image), target, key.pair_index
