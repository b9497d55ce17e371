"""Trains under torchrun on two gloo processes and keeps what each ends with: two_processes.py DATA OUT, a script."""

import os
import sys
from pathlib import Path

import torch

from sam2unet.network import TRUNKS, TrunkShape
from sam2unet.training import train
from sam2unet.training.module import SegmentationModule

RECIPE = {
    "trunk": "nano", "trunk_weights": "none", "size": 64, "epochs": 2, "batch_size": 2, "workers": 0,
    "precision": "64-true", "lr_schedule": "epoch", "warmup": 0, "clip_norm": None, "min_lr": 1e-7, "trunk_lr": 1e-3,
    "flip_vertical": 0, "flip_horizontal": 0,
}  # fmt: skip
NANO = TrunkShape(16, 1, (1, 1, 2, 1), (3,), (8, 4, 14, 7), 7)


def main(data: Path, out: Path) -> None:
    TRUNKS["nano"] = NANO
    torch.set_num_threads(1)
    state = {}

    def keep(self: SegmentationModule) -> None:
        state.update({name: value.clone() for name, value in self.model.state_dict().items()})
        state["val_dice"] = torch.tensor(self.scores.summary()["val_dice"])

    SegmentationModule.on_validation_end = keep
    train(data, out=out / "run", device="cpu", **RECIPE)
    torch.save(state, out / f"rank{os.environ['RANK']}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
