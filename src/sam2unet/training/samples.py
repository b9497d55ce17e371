"""Samples for training and validation. A sample is a function of (seed, epoch, index) and nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ..card import IGNORED
from ..data import Pair, class_indices, read_image, read_mask
from .augmentation import Augment


class SampleKey(NamedTuple):
    """Which sample: the pass over the data, the pair, and the (height, width) that it is brought to."""

    epoch: int
    pair: int
    size: tuple[int, int]


@dataclass(frozen=True)
class Preprocessing:
    """How a picture and its mask become tensors."""

    size: tuple[int, int]
    """Height and width; the aspect is not kept."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    classes: int = 1
    normalise_range: bool = False
    """See `read_image`."""
    mask_resize: Literal["bicubic", "nearest"] = "bicubic"
    """"bicubic" leaves soft edges, as the published training does; class indices are always resized by nearest."""

    def image(self, picture: Image.Image) -> Tensor:
        """(3, height, width) float32: antialiased bilinear resize, then normalised."""
        return self.normalised(self.pixels(picture, self.size))

    def pixels(self, picture: Image.Image, size: tuple[int, int]) -> Tensor:
        """(3, height, width) float32 in [0, 1]."""
        values = np.asarray(picture.resize(size[::-1], Image.Resampling.BILINEAR), dtype=np.float32) / 255
        return torch.from_numpy(values.transpose(2, 0, 1).copy())

    def normalised(self, pixels: Tensor) -> Tensor:
        """(3, height, width) in [0, 1] less the mean, over the deviation."""
        return (pixels - torch.tensor(self.mean)[:, None, None]) / torch.tensor(self.std)[:, None, None]

    def mask(self, pair: Pair, size: tuple[int, int]) -> Tensor:
        """(1, height, width) float32 in [0, 1]; with several classes (height, width) int64. 255 where ignored."""
        mask = read_mask(pair.mask)
        if self.classes > 1:
            indices = class_indices(mask, self.classes, pair.mask)
            return torch.from_numpy(_resized(indices, size, Image.Resampling.NEAREST).astype(np.int64))
        filtering = Image.Resampling.BICUBIC if self.mask_resize == "bicubic" else Image.Resampling.NEAREST
        values = _resized(mask.foreground(), size, filtering).astype(np.float32) / 255
        known = mask.known()
        if not known.all():
            values[_resized(known, size, Image.Resampling.NEAREST) == 0] = IGNORED
        return torch.from_numpy(values)[None]


def _resized(values: NDArray[np.generic], size: tuple[int, int], filtering: Image.Resampling) -> NDArray[np.generic]:
    """(H, W) -> `size`, a new array of the same type."""
    return np.array(Image.fromarray(values).resize(size[::-1], filtering))


class PairDataset(Dataset[tuple[Tensor, Tensor, int]]):
    """Pairs as tensors: image (3, H, W), mask (1, H, W) or (H, W) with several classes, and the pair's index.

    Each is asked for by a `SampleKey`, so that augmentation follows from the seed, the epoch and the index alone, whatever
    the number of workers.
    """

    def __init__(
        self, pairs: Sequence[Pair], preparation: Preprocessing, seed: int = 0, augmentations: Sequence[Augment] = ()
    ):
        self.pairs = pairs
        self.preparation = preparation
        self.seed = seed
        self.augmentations = augmentations

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, key: SampleKey) -> tuple[Tensor, Tensor, int]:
        pair, prepared = self.pairs[key.pair], self.preparation
        image = prepared.pixels(read_image(pair.image, prepared.normalise_range), key.size)
        mask = prepared.mask(pair, key.size)
        rng = np.random.default_rng((self.seed, key.epoch, key.pair))
        for augment in self.augmentations:
            image, mask = augment(image, mask, rng)
        return prepared.normalised(image), mask, key.pair


class EpochBatchSampler(Sampler[list[SampleKey]]):
    """The batches that one of `world` processes sees in an epoch: shuffled by (seed, epoch), or in order.

    Together the processes take the same samples at each step as one process with a `world` times larger batch would,
    all at one of `sizes`, drawn for the step. When shuffled, each process gets as many, and a last batch with fewer
    than `smallest` samples for each is left out.
    """

    def __init__(
        self, length: int, batch_size: int, sizes: Sequence[tuple[int, int]], seed: int | None = None,
        rank: int = 0, world: int = 1, smallest: int = 1,
    ):  # fmt: skip
        self.length, self.batch_size, self.sizes, self.seed = length, batch_size, sizes, seed
        self.rank, self.world = rank, world
        self.epoch = self.start = 0
        self.sampler = self  # where Lightning looks for set_epoch
        rest = length % (batch_size * world)
        self.taken = length - rest if seed is not None and rest < smallest * world else length
        if seed is not None:
            self.taken -= self.taken % world
        self.left_out = length - self.taken

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(range(self.rank, self.taken, self.world)) // self.batch_size)

    def __iter__(self) -> Iterator[list[SampleKey]]:
        """From batch `start` on, once; later epochs begin at their first."""
        order = np.arange(self.length)
        if self.seed is not None:
            np.random.default_rng((self.seed, self.epoch)).shuffle(order)
        mine = order[: self.taken][self.rank :: self.world]
        first, self.start = self.start, 0
        for step in range(first, len(self)):
            drawn = np.random.default_rng((self.seed or 0, self.epoch, step)).integers(len(self.sizes))
            batch = mine[step * self.batch_size : (step + 1) * self.batch_size]
            yield [SampleKey(self.epoch, int(i), self.sizes[int(drawn)]) for i in batch]
