"""The loaders of a run, as a Lightning data module."""

from typing import Any

import lightning.pytorch as pl
from torch.utils.data import DataLoader

from ..data import EpochOrder, Flips, Pair, PairDataset, Preparation
from ..network import Card
from .recipe import Recipe


def preparation(card: Card, recipe: Recipe) -> Preparation:
    """How the pictures of a run become tensors."""
    return Preparation(card.size, card.mean, card.std, card.classes, card.stretch, recipe.mask_resize)


class PairDataModule(pl.LightningDataModule):
    """Training pairs shuffled and mirrored, validation pairs in order; each process loads its own share."""

    def __init__(self, training: list[Pair], validation: list[Pair], card: Card, recipe: Recipe):
        super().__init__()
        self.recipe = recipe
        prepared = preparation(card, recipe)
        flips = Flips(recipe.flip_horizontal, recipe.flip_vertical)
        self.training = PairDataset(training, prepared, recipe.seed, flips)
        self.validation = PairDataset(validation, prepared)

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches of (image, mask)."""
        return self._loader(self.training, self.recipe.seed)

    def val_dataloader(self) -> DataLoader[Any]:
        """Batches of (image, mask)."""
        return self._loader(self.validation, None)

    def _loader(self, dataset: PairDataset, seed: int | None) -> DataLoader[Any]:
        world, rank = (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)
        workers = min(self.recipe.workers, len(dataset))
        return DataLoader(
            dataset,
            batch_size=self.recipe.batch_size,
            sampler=EpochOrder(len(dataset), self.recipe.batch_size, seed, rank, world),
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=bool(self.trainer and self.trainer.strategy.root_device.type == "cuda"),
        )
