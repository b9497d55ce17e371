"""Samples for training and validation. A sample is a function of (seed, epoch, index) and nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from .image_file import read_image
from .mask_file import class_indices, read_mask
from .pairs import Pair


@dataclass(frozen=True)
class Preparation:
    """How a picture and its mask become tensors."""

    size: tuple[int, int]
    """Height and width; the aspect is not kept."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    classes: int = 1
    stretch: bool = False
    """See `read_image`."""
    mask_resize: Literal["bicubic", "nearest"] = "bicubic"
    """"bicubic" leaves soft edges, as the published training does; class indices are always resized by nearest."""

    def image(self, picture: Image.Image) -> Tensor:
        """(3, height, width) float32: antialiased bilinear resize, then normalised."""
        height, width = self.size
        values = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32) / 255
        values = (values - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return torch.from_numpy(values.transpose(2, 0, 1).copy())

    def mask(self, pair: Pair) -> Tensor:
        """(1, height, width) float32 in [0, 1]; with several classes (height, width) int64, 255 ignored."""
        height, width = self.size
        mask = read_mask(pair.mask)
        if self.classes > 1:
            indices = Image.fromarray(class_indices(mask, self.classes, pair.mask))
            return torch.from_numpy(
                np.asarray(indices.resize((width, height), Image.Resampling.NEAREST)).astype(np.int64)
            )
        filtering = Image.Resampling.BICUBIC if self.mask_resize == "bicubic" else Image.Resampling.NEAREST
        values = np.asarray(Image.fromarray(mask.foreground()).resize((width, height), filtering), dtype=np.float32)
        return torch.from_numpy(values / 255)[None]


@dataclass(frozen=True)
class Flips:
    """Mirrors a picture and its mask, each direction with its own probability."""

    horizontal: float
    vertical: float

    def __call__(self, image: Tensor, mask: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        dims = [dim for dim, share in ((-1, self.horizontal), (-2, self.vertical)) if rng.random() < share]
        return image.flip(dims), mask.flip(dims)


class PairDataset(Dataset[tuple[Tensor, Tensor]]):
    """Pairs as tensors: image (3, H, W) and mask (1, H, W), or (H, W) with several classes.

    Items are asked for by (epoch, index), so that augmentation follows from the seed, the epoch and the index alone,
    whatever the number of workers.
    """

    def __init__(self, pairs: Sequence[Pair], preparation: Preparation, seed: int = 0, augment: Flips | None = None):
        self.pairs = pairs
        self.preparation = preparation
        self.seed = seed
        self.augment = augment

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, at: tuple[int, int]) -> tuple[Tensor, Tensor]:
        epoch, index = at
        pair = self.pairs[index]
        image = self.preparation.image(read_image(pair.image, self.preparation.stretch))
        mask = self.preparation.mask(pair)
        if self.augment:
            image, mask = self.augment(image, mask, np.random.default_rng((self.seed, epoch, index)))
        return image, mask


class EpochOrder(Sampler[tuple[int, int]]):
    """(epoch, index) of the samples that one of `world` processes sees: shuffled by (seed, epoch), or in order.

    Together the processes take the same samples at each step as one process with a `world` times larger batch would.
    When shuffled, a last batch with fewer than two samples for each process is left out (batch norm needs two), unless
    it is the only one.
    """

    def __init__(self, length: int, batch_size: int, seed: int | None, rank: int = 0, world: int = 1):
        self.length, self.seed, self.rank, self.world = length, seed, rank, world
        self.epoch = 0
        rest = length % (batch_size * world)
        self.taken = length if seed is None or rest >= 2 * world or length == rest else length - rest
        if seed is not None:
            self.taken -= self.taken % world

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(range(self.rank, self.taken, self.world))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.arange(self.length)
        if self.seed is not None:
            np.random.default_rng((self.seed, self.epoch)).shuffle(order)
        return iter([(self.epoch, int(i)) for i in order[: self.taken][self.rank :: self.world]])
