"""Trains under torchrun on two gloo processes and stores each one's final state.

A script: two_processes.py DATA OUT start|resume N. The first process dies after writing N checkpoints; 0: never.
"""

import os
import sys
from pathlib import Path

import pytest
import torch

from sam2unet.training import train
from sam2unet.training.checkpoints import CheckpointFiles
from sam2unet.training.module import SegmentationModule

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
from float64 import train_in_float64

from pico import EVERY_STEP, register

RECIPE = EVERY_STEP | {
    "epochs": 2, "batch_size": 1, "lr_schedule": "epoch", "warmup": 0, "clip_norm": None, "min_lr": 1e-7,
    "trunk_lr": 1e-3, "flip_vertical": 0, "flip_horizontal": 0,
}  # fmt: skip


def main(data: Path, out: Path, how: str, die_after: int) -> None:
    register()
    torch.set_num_threads(1)
    state, save_checkpoint, written = {}, CheckpointFiles.save_checkpoint, []

    def store_state(self: SegmentationModule) -> None:
        state.update({name: value.clone() for name, value in self.model.state_dict().items()})
        state["val_dice"] = torch.tensor(self.scores.summary()["val_dice"])

    def save(self: CheckpointFiles, *arguments: object, **options: object) -> None:
        save_checkpoint(self, *arguments, **options)
        written.append(1)
        if len(written) == die_after:
            os._exit(9)

    patch = pytest.MonkeyPatch()
    train_in_float64(patch)
    patch.setattr(SegmentationModule, "on_validation_end", store_state)
    patch.setattr(CheckpointFiles, "save_checkpoint", save)
    if how == "resume":  # told, since one process may be here when the other has made the folder already
        train(resume=out / "run", device="cpu")
    else:
        train(data, out=out / "run", device="cpu", **RECIPE)
    torch.save(state, out / f"rank{os.environ['RANK']}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
