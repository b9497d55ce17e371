"""What tests of resumed runs share: interrupting a run, and comparing two runs bit for bit."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import sam2unet
from sam2unet.training.checkpoints import CheckpointFiles

from ..pico import EVERY_STEP

COMPARED = "epoch", "step", "loss", "val_loss", "val_dice", "val_iou", "threshold", "lr"


class Killed(BaseException):
    """Leaves the files as SIGKILL would: no handler of `Exception` runs."""


def kill(*_: object, **__: object) -> None:
    raise Killed


def interrupt_after(
    monkeypatch: pytest.MonkeyPatch, checkpoints: int, data: Path, out: Path, settings: dict[str, Any] = EVERY_STEP
) -> None:
    """Start a run that ends right after writing so many checkpoints."""
    save_checkpoint, written = CheckpointFiles.save_checkpoint, []

    def save(self, checkpoint, path, storage_options=None):
        save_checkpoint(self, checkpoint, path, storage_options)
        written.append(path)
        if len(written) == checkpoints:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(CheckpointFiles, "save_checkpoint", save)
        with pytest.raises(Killed):
            sam2unet.train(data, out=out, device="cpu", **settings)


def metrics(run: Path) -> list[list[str]]:
    with (run / "metrics.csv").open() as file:
        return [[row[name] for name in COMPARED] for row in csv.DictReader(file)]


def assert_same_run(one: Path, other: Path) -> None:
    """Weights equal bit for bit, metrics to the last digit."""
    for name in ("last.safetensors", "best.safetensors"):
        a, b = load_file(one / name), load_file(other / name)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a), name
    assert metrics(one) == metrics(other)
