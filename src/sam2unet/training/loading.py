"""The loaders of a run, as a Lightning data module."""

import signal
from collections.abc import Iterator
from typing import Any

import lightning.pytorch as pl
from torch.utils.data import DataLoader

from ..card import Card, nearest_multiple
from ..data import Pair
from ..errors import InputError
from .augmentation import Augment, Augmentation
from .recipe import Recipe
from .samples import EpochBatchSampler, PairDataset, Preprocessing


class PairDataModule(pl.LightningDataModule):
    """Training pairs shuffled and augmented, validation pairs in order; each process loads its own share.

    ResumableDataLoader are (images, masks, indices of the pairs).
    """

    def __init__(
        self, training: list[Pair], validation: list[Pair], card: Card, recipe: Recipe, augment: Augment | None = None
    ):
        super().__init__()
        self.recipe = recipe
        prepared = Preprocessing(card.size, card.mean, card.std, card.classes, card.normalise_range, recipe.mask_resize)
        augmentations: list[Augment] = [Augmentation(**recipe.augmentation), *([augment] if augment else [])]
        self.training = PairDataset(training, prepared, recipe.seed, augmentations)
        self.validation = PairDataset(validation, prepared)

    def train_dataloader(self) -> "ResumableDataLoader":
        """Loads at the sizes of the recipe."""
        return self._loader(self.training, training_batches(self.recipe, len(self.training), *self._place()))

    def val_dataloader(self) -> "ResumableDataLoader":
        """Loads at the size of prediction."""
        size, length = self.recipe.height_width, len(self.validation)
        rank, world = self._place()
        return self._loader(
            self.validation, EpochBatchSampler(length, self.recipe.batch_size, [size], rank=rank, world=world)
        )

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _loader(self, dataset: PairDataset, batches: EpochBatchSampler) -> "ResumableDataLoader":
        workers = min(self.recipe.workers, len(dataset))
        return ResumableDataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=workers,
            worker_init_fn=_leave_signals_alone,
            persistent_workers=workers > 0,
            pin_memory=bool(self.trainer and self.trainer.strategy.root_device.type == "cuda"),
        )


class ResumableDataLoader(DataLoader[Any]):
    """A loader that can go on inside an epoch, for Lightning to save and to load."""

    batch_sampler: EpochBatchSampler
    taken = 0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        self.taken = self.batch_sampler.start
        try:
            for batch in super().__iter__():
                self.taken += 1
                yield batch
        except InputError as error:  # a worker's comes with its traceback in front
            raise InputError(str(error).strip().splitlines()[-1].partition("InputError: ")[2] or str(error)) from error

    def state_dict(self) -> dict[str, int]:
        """The epoch, and how many of its batches were given."""
        return {"epoch": self.batch_sampler.epoch, "taken": self.taken}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the batches that were given."""
        self.batch_sampler.epoch, self.batch_sampler.start = state["epoch"], state["taken"]


def training_batches(recipe: Recipe, length: int, rank: int, world: int) -> EpochBatchSampler:
    """The batches of a training epoch, at the recipe's size by each factor of `multi_scale`.

    Raises:
        InputError: none is large enough.
    """
    height, width = recipe.height_width
    sizes = [(nearest_multiple(height * f), nearest_multiple(width * f)) for f in recipe.multi_scale]
    smallest = 2 if (32, 32) in sizes else 1  # batch norm needs two values a channel; stride 32 leaves one a picture
    batches = EpochBatchSampler(length, recipe.batch_size, sizes, recipe.seed, rank, world, smallest)
    if recipe.batch_size < smallest or not len(batches):
        raise InputError(
            f"{length} training pictures make no batch of {max(smallest, 1)} for each of {world} processes at "
            f"{height}x{width} and batch_size {recipe.batch_size}; use a larger size or batch_size, or more pictures"
        )
    return batches


def _leave_signals_alone(worker: int) -> None:
    """Ctrl-C and Slurm's SIGTERM reach all processes; the main one saves and then ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
