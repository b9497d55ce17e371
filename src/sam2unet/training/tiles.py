"""Training samples that are tiles of images at their own scale, and whole images to validate on in tiles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from ..data import Mask, Pair, image_size, read_box, read_image, read_mask
from .augmentation import Augment
from .packed_mask import PackedMask, cut
from .samples import Preprocessing, SampleKey

T = TypeVar("T", NDArray[np.uint8], PackedMask)
CACHE_BYTES = 1 << 28
"""Decoded images and masks that a process that loads tiles keeps in memory, in bytes."""


@dataclass(frozen=True)
class Tiles:
    """Draws the positions of training tiles."""

    side: int
    """In pixels of the image."""
    object_share: float
    """Fraction of the tiles that contain a pixel of the object drawn at random; the others lie anywhere."""
    padding: tuple[int, ...]
    """RGB colour of what lies outside of the image."""

    def draw(self, mask: PackedMask, rng: np.random.Generator) -> tuple[int, int]:
        """Return (top, left) of a tile, negative where the image is smaller than a tile.

        Tiles are drawn around objects as nnU-Net does (Isensee et al., Nature Methods 2021): of several classes in an
        image each is as likely.
        """
        pixel: tuple[int | None, int | None] = (None, None)
        if rng.random() < self.object_share and mask.pixels:
            of_class = mask.pixels[rng.integers(len(mask.pixels))]
            row, column = divmod(int(of_class[rng.integers(len(of_class))]), mask.shape[1])
            pixel = row, column
        return self._start(mask.shape[0], pixel[0], rng), self._start(mask.shape[1], pixel[1], rng)

    def _start(self, length: int, inside: int | None, rng: np.random.Generator) -> int:
        lowest, highest = sorted((0, length - self.side))
        if inside is not None:
            lowest, highest = max(lowest, inside - self.side + 1), min(highest, inside)
        return int(rng.integers(lowest, highest + 1))


class _Files:
    """Decoded images and masks, of which the first that fit into `CACHE_BYTES` are kept.

    None is given up for another: as passes follow each other, the one given up would be the next to be needed.
    """

    def __init__(self, pairs: Sequence[Pair], preprocessing: Preprocessing):
        self.pairs, self.preprocessing = pairs, preprocessing
        self._kept: dict[tuple[str, int], Any] = {}
        self._bytes = 0

    def image(self, index: int) -> NDArray[np.uint8]:
        """Return an image, (H, W, 3)."""
        return self._keep(("image", index), self._read_image)

    def mask(self, index: int) -> PackedMask:
        """Return a mask, of its image's size."""
        return self._keep(("mask", index), self._read_mask)

    def cut(self, index: int, top: int, left: int, side: int, fill: tuple[int, ...]) -> NDArray[np.uint8]:
        """Copy a square out of an image, as `cut` does; of some formats no more than that is decoded."""
        height, width = self.mask(index).shape
        is_inside = 0 <= top <= height - side and 0 <= left <= width - side
        if is_inside and ("image", index) not in self._kept and 3 * height * width > CACHE_BYTES - self._bytes:
            options = self.preprocessing
            box = left, top, left + side, top + side
            part = read_box(self.pairs[index].image, box, options.normalise_range, options.ignore_exif)
            if part:
                return np.asarray(part)
        return cut(self.image(index), top, left, side, fill)

    def _keep(self, key: tuple[str, int], read: Callable[[int], T]) -> T:
        if key not in self._kept:
            value = read(key[1])
            if self._bytes + value.nbytes > CACHE_BYTES:
                return value
            self._kept[key] = value
            self._bytes += value.nbytes
        kept: T = self._kept[key]
        return kept

    def _read_image(self, index: int) -> NDArray[np.uint8]:
        options = self.preprocessing
        image = read_image(self.pairs[index].image, options.normalise_range, ignore_exif=options.ignore_exif)
        return np.asarray(image)

    def _read_mask(self, index: int) -> PackedMask:
        pair, options = self.pairs[index], self.preprocessing
        mask = read_mask(pair.mask, options.reading, options.classes, options.ignore_exif)
        width, height = image_size(pair.image, ignore_exif=options.ignore_exif)
        return PackedMask(resized_mask(mask, (height, width)))


def resized_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """Return a mask that was saved at another size than its image at the image's (height, width)."""
    if mask.labels.shape == size:
        return mask

    def resize(values: NDArray[np.uint8], resampling: Image.Resampling) -> NDArray[np.uint8]:
        return np.array(Image.fromarray(values).resize(size[::-1], resampling))

    labels = resize(mask.labels, Image.Resampling.NEAREST)
    return Mask(labels, None if mask.grey is None else resize(mask.grey, Image.Resampling.BILINEAR))


class TileDataset(Dataset[tuple[Tensor, Tensor, int]]):
    """Tiles of pairs: image (3, H, W), target (1, H, W) or (H, W) for several classes, and the pair's index.

    Where a tile lies and how it is augmented is drawn by a generator seeded with (seed, pass, index). Where an image is
    smaller than a tile, the rest has the mean colour and is ignored.

    Args:
        pairs: images and masks.
        preprocessing: how they become tensors.
        tiles: where the tiles lie.
        seed: of tiles and augmentation.
        augmentations: applied in this order, before normalising.
    """

    def __init__(
        self, pairs: Sequence[Pair], preprocessing: Preprocessing, tiles: Tiles, seed: int = 0,
        augmentations: Sequence[Augment] = (),
    ):  # fmt: skip
        self.pairs, self.preprocessing, self.tiles, self.seed = pairs, preprocessing, tiles, seed
        self.augmentations = augmentations
        self._files = _Files(pairs, preprocessing)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, key: SampleKey) -> tuple[Tensor, Tensor, int]:
        preprocessing, side = self.preprocessing, self.tiles.side
        mask = self._files.mask(key.pair_index)
        rng = np.random.default_rng((self.seed, key.epoch, key.pair_index))
        top, left = self.tiles.draw(mask, rng)
        tile = self._files.cut(key.pair_index, top, left, side, self.tiles.padding)
        image = preprocessing.pixels(Image.fromarray(tile), key.size)
        target = preprocessing.resize_mask(mask.cut(top, left, side), key.size)
        for augment in self.augmentations:
            image, target = augment(image, target, rng)
        return preprocessing.normalise(image), target, key.pair_index


class WholeImageDataset(Dataset[tuple[Tensor, Tensor, int]]):
    """Whole pairs at their own size: image (H, W, 3) uint8, labels (H, W) uint8, and the pair's index.

    Args:
        pairs: images and masks.
        preprocessing: how they are read.
    """

    def __init__(self, pairs: Sequence[Pair], preprocessing: Preprocessing):
        self.pairs = pairs
        self._files = _Files(pairs, preprocessing)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, key: SampleKey) -> tuple[Tensor, Tensor, int]:
        image, mask = self._files.image(key.pair_index), self._files.mask(key.pair_index)
        return torch.from_numpy(image.copy()), torch.from_numpy(mask.labels().copy()), key.pair_index
