"""Progress on the console, and the estimate of the time that is left."""

import io

import pytest
from rich.console import Console

import sam2unet
from sam2unet.training.progress import EtaEstimator

from ..pico import SHORT


def test_seconds_left_leaves_out_the_first_batches(monkeypatch):
    clock = iter([0.0, 9, 9, 18, 18, 20, 20, 21, 21, 22, 22, 23, 23, 33, 33])
    monkeypatch.setattr("sam2unet.training.progress.time.monotonic", lambda: next(clock))
    eta = EtaEstimator()
    assert eta.seconds_left(5, 1) is None
    eta.restart_clock()
    for _ in range(6):  # 9, 9 and 2 seconds to warm up, then one each
        eta.add_batch()
    eta.add_validation()
    assert eta.seconds_left(12, 2) == pytest.approx(12 * 1 + 2 * 10)


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_is_a_line_per_epoch_or_a_bar_on_a_terminal(terminal, scenes, tmp_path):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=200, color_system=None)
    run = sam2unet.train(scenes, out=tmp_path / "run", device="cpu", console=console, **SHORT | {"epochs": 2})
    lines = [line for line in console.file.getvalue().splitlines() if "val Dice" in line]
    assert f"val Dice {run.history[0]['val_dice']:.4f}" in lines[0]
    assert all(" left" in line for line in lines)
    assert (len(lines) == 2) == (not terminal)
    assert ("8/8 steps" in lines[-1]) == terminal
