"""Batches: their order, the loaders that can resume inside an epoch, and the Lightning data module."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Sampler

from ..card import Card, nearest_multiple
from ..data import Pair
from ..errors import InputError
from .augmentation import Augment, Augmentation
from .recipe import Recipe
from .samples import PairDataset, Preprocessing, SampleKey
from .tiles import TileDataset, Tiles, WholeImageDataset


class EpochBatchSampler(Sampler[list[SampleKey]]):
    """The batches of one process in an epoch: shuffled by (seed, pass over the data), or in order.

    An epoch is one pass over the dataset, or a given number of samples: passes then follow each other without a break,
    and an epoch may hold several, or a part of one.

    At each step the processes together take the samples that a single process with a `world_size` times larger batch
    would take, all resized to the same one of `sizes`, which is drawn for the step. When shuffled, all processes get
    equally many samples.

    Args:
        length: number of samples in the dataset.
        batch_size: samples per batch and process.
        sizes: (height, width) in pixels, to draw from.
        seed: of the order and the sizes; None: in order.
        rank: index of this process.
        world_size: number of processes.
        min_batch: when shuffled, a last batch with fewer samples per process is dropped.
        samples: when shuffled, number of samples in an epoch, a multiple of batch_size * world_size; None: one pass.
    """

    def __init__(  # noqa: PLR0913 (most have defaults)
        self, length: int, batch_size: int, sizes: Sequence[tuple[int, int]], seed: int | None = None,
        rank: int = 0, world_size: int = 1, min_batch: int = 1, samples: int | None = None,
    ):  # fmt: skip
        self.length, self.batch_size, self.sizes, self.seed = length, batch_size, sizes, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = 0
        self.start = 0
        """First batch of the next iteration; later iterations start at 0."""
        self.sampler = self  # where Lightning looks for set_epoch
        self.samples = samples
        self.num_dropped = 0
        if samples:
            self.num_used = samples
            return
        last = length % (batch_size * world_size)
        self.num_used = length - last if seed is not None and last < min_batch * world_size else length
        if seed is not None:
            self.num_used -= self.num_used % world_size
        self.num_dropped = length - self.num_used

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls it before each one."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(range(self.rank, self.num_used, self.world_size)) // self.batch_size)

    def __iter__(self) -> Iterator[list[SampleKey]]:
        own = self._samples()[self.rank :: self.world_size]
        start, self.start = self.start, 0
        for step in range(start, len(self)):
            drawn = np.random.default_rng((self.seed or 0, self.epoch, step)).integers(len(self.sizes))
            batch = own[step * self.batch_size : (step + 1) * self.batch_size]
            yield [SampleKey(pass_, index, self.sizes[int(drawn)]) for pass_, index in batch]

    def _samples(self) -> list[tuple[int, int]]:
        """Return the pass and the index of each sample in the epoch, in all processes."""
        if not self.samples:
            return [(self.epoch, int(index)) for index in self._order(self.epoch)[: self.num_used]]
        first, last = self.epoch * self.samples, (self.epoch + 1) * self.samples
        passes = range(first // self.length, -(-last // self.length))
        stream = [(pass_, int(index)) for pass_ in passes for index in self._order(pass_)]
        skipped = first - passes[0] * self.length
        return stream[skipped : skipped + self.samples]

    def _order(self, pass_: int) -> NDArray[np.int64]:
        order = np.arange(self.length)
        if self.seed is not None:
            np.random.default_rng((self.seed, pass_)).shuffle(order)
        return order


def training_batches(recipe: Recipe, length: int, rank: int, world_size: int) -> EpochBatchSampler:
    """Return the sampler of `length` training samples, in the recipe's size times each factor of `multi_scale`.

    Raises:
        InputError: the samples do not fill a single batch that batch norm can train on.
    """
    height, width = recipe.height_width
    sizes = [(nearest_multiple(height * f), nearest_multiple(width * f)) for f in recipe.multi_scale]
    # Batch norm needs two values per channel: at 32x32, stride 32 leaves one per image.
    min_batch = 2 if (32, 32) in sizes else 1
    sampler = EpochBatchSampler(
        length, recipe.batch_size, sizes, recipe.seed, rank, world_size, min_batch,
        _samples_per_epoch(recipe, length, world_size),
    )  # fmt: skip
    if recipe.batch_size < min_batch or not len(sampler):
        raise InputError(
            f"{length} training images are too few for a batch of {min_batch} in each of {world_size} processes, with "
            f"size {height}x{width} and batch_size {recipe.batch_size}: use a larger size or batch_size, or more images"
        )
    return sampler


def _samples_per_epoch(recipe: Recipe, length: int, world_size: int) -> int | None:
    """Return the number of samples in an epoch; None for one pass over the data."""
    if recipe.epochs and not recipe.tile:
        return None
    per_step = recipe.batch_size * recipe.accumulate * world_size
    steps = max(-(-length // per_step), recipe.epoch_steps)
    if recipe.steps:
        steps = -(-recipe.steps // max(1, round(recipe.steps / steps)))  # so that the epochs are equally long
    return steps * per_step


@dataclass(frozen=True)
class RunLength:
    """The length of a run."""

    epochs: int
    steps_per_epoch: int
    """Optimizer steps."""

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.epochs * self.steps_per_epoch


def run_length(recipe: Recipe, batches: EpochBatchSampler) -> RunLength:
    """Return the length of a run of these batches."""
    steps_per_epoch = -(-len(batches) // recipe.accumulate)
    return RunLength(recipe.epochs or -(-(recipe.steps or 1) // steps_per_epoch), steps_per_epoch)


class ResumableDataLoader(DataLoader[Any]):
    """A loader whose place inside an epoch Lightning stores in checkpoints."""

    batch_sampler: EpochBatchSampler
    num_yielded = 0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        self.num_yielded = self.batch_sampler.start
        try:
            for batch in super().__iter__():
                self.num_yielded += 1
                yield batch
        except InputError as error:  # a worker's error has its traceback in front
            raise InputError(str(error).strip().splitlines()[-1].partition("InputError: ")[2] or str(error)) from error

    def state_dict(self) -> dict[str, int]:
        """Return the epoch and the number of batches yielded in it."""
        return {"epoch": self.batch_sampler.epoch, "taken": self.num_yielded}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue after the batches that were yielded."""
        self.batch_sampler.epoch, self.batch_sampler.start = state["epoch"], state["taken"]


class PairDataModule(pl.LightningDataModule):
    """Loads the training pairs, shuffled and augmented, and the validation pairs, in order; each process its shard.

    Batches are (images (B, 3, H, W), targets (B, 1, H, W) or (B, H, W), indices of the pairs (B,)). With tiles, each
    validation batch is one whole image (1, H, W, 3) of uint8 at its own size; see `WholeImageDataset`.

    Args:
        training: training pairs.
        validation: validation pairs.
        card: the network's card, for size, normalisation, classes and the reading of masks.
        recipe: for batches, augmentation and workers.
        augment: applied after the recipe's own augmentation.
    """

    def __init__(
        self, training: list[Pair], validation: list[Pair], card: Card, recipe: Recipe, augment: Augment | None = None
    ):
        super().__init__()
        self.recipe = recipe
        preprocessing = Preprocessing(
            card.size, card.mean, card.std, card.classes, card.normalise_range, card.mask_values, recipe.ignore_exif,
            recipe.mask_resize,
        )  # fmt: skip
        augmentations: list[Augment] = [Augmentation(**recipe.augmentation), *([augment] if augment else [])]
        self.training: PairDataset | TileDataset
        self.validation: PairDataset | WholeImageDataset
        if card.tile:
            tiles = Tiles(card.tile, recipe.object_share, card.mean_colour)
            self.training = TileDataset(training, preprocessing, tiles, recipe.seed, augmentations)
            self.validation = WholeImageDataset(validation, preprocessing)
        else:
            self.training = PairDataset(training, preprocessing, recipe.seed, augmentations)
            self.validation = PairDataset(validation, preprocessing)

    def train_dataloader(self) -> ResumableDataLoader:
        """Return the loader of the training pairs, in the sizes of `multi_scale`."""
        return self._loader(self.training, training_batches(self.recipe, len(self.training), *self._rank_and_world()))

    def val_dataloader(self) -> ResumableDataLoader:
        """Return the loader of the validation pairs, in the size of prediction; whole images come one by one."""
        rank, world_size = self._rank_and_world()
        batch_size = 1 if self.recipe.tile else self.recipe.batch_size
        sampler = EpochBatchSampler(
            len(self.validation), batch_size, [self.recipe.height_width], rank=rank, world_size=world_size
        )
        return self._loader(self.validation, sampler)

    def _rank_and_world(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _loader(
        self, dataset: PairDataset | TileDataset | WholeImageDataset, sampler: EpochBatchSampler
    ) -> ResumableDataLoader:
        workers = min(self.recipe.workers, len(dataset))
        return ResumableDataLoader(
            dataset,
            batch_sampler=sampler,
            num_workers=workers,
            worker_init_fn=_start_worker,
            persistent_workers=workers > 0,
            pin_memory=bool(self.trainer and self.trainer.strategy.root_device.type == "cuda"),
        )


def _start_worker(worker: int) -> None:
    """Leave Ctrl-C and Slurm's SIGTERM, which reach every process, to the main one: it saves and ends its workers.

    Where the main one was killed before now, this one ends: torch compares its parent with that at the end of this
    start, and would never notice.
    """
    parent = multiprocessing.parent_process()
    if parent and multiprocessing.get_start_method() == "fork" and os.getppid() != parent.pid:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
