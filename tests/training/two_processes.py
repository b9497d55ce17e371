"""Trains on two gloo processes; Lightning starts the second by running this file once more.

usage: two_processes.py DATA OUT
"""

import sys
from pathlib import Path

import lightning.pytorch as pl
import torch

from sam2unet.data import find_pairs
from sam2unet.network import TRUNKS, SAM2UNet, TrunkShape
from sam2unet.training import load_recipe
from sam2unet.training.data_module import PairDataModule
from sam2unet.training.module import SegmentationModule
from sam2unet.training.run import build_trainer

RECIPE = {
    "trunk": "nano", "trunk_weights": "none", "size": 64, "epochs": 2, "batch_size": 2, "workers": 0,
    "precision": "64-true", "lr_schedule": "epoch", "warmup": 0, "clip_norm": None, "min_lr": 1e-7, "trunk_lr": 1e-3,
}  # fmt: skip
NANO = TrunkShape(16, 1, (1, 1, 2, 1), (3,), (8, 4, 14, 7), 7)


class Record(pl.Callback):
    """The state of each process when validation ends."""

    def __init__(self, out: Path):
        self.out = out

    def on_validation_end(self, trainer, module):
        state = module.model.state_dict() | {"val_dice": trainer.callback_metrics["val_dice"]}
        torch.save(state, self.out / f"rank{trainer.global_rank}.pt")


def main(data: Path, out: Path) -> None:
    TRUNKS["nano"] = NANO
    torch.set_num_threads(1)
    recipe = load_recipe("general", RECIPE)
    pairs = find_pairs(data)
    torch.manual_seed(0)
    model = SAM2UNet("nano")
    model.card.size = (64, 64)
    trainer = build_trainer(recipe, out, "cpu", devices=2, callbacks=[Record(out)])
    trainer.fit(
        SegmentationModule(model, recipe), PairDataModule(pairs.pairs["train"], pairs.pairs["test"], model.card, recipe)
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
