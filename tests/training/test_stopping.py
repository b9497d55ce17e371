"""Stopping by a signal."""

import os
import signal

import pytest
import torch

import sam2unet
from sam2unet.errors import Stopped

from ..nano import SHORT
from .interruptions import assert_same_run


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def signal_in_step_6(request, monkeypatch) -> signal.Signals:
    """Sends the signal during the sixth optimizer step."""
    step, steps = torch.optim.AdamW.step, []

    def step_and_signal(self, closure):
        steps.append(1)
        if len(steps) == 6:
            os.kill(os.getpid(), request.param)
        return step(self, closure)

    monkeypatch.setattr(torch.optim.AdamW, "step", step_and_signal)
    return request.param


def test_a_signal_stops_training_with_a_checkpoint_of_the_last_step(signal_in_step_6, scenes, uninterrupted, tmp_path):
    before = signal.getsignal(signal_in_step_6)
    with pytest.raises(Stopped, match=f"{signal_in_step_6.name} after step 6, in epoch 2 of 3") as stopped:
        sam2unet.train(scenes, out=tmp_path / "run", device="cpu", **SHORT | {"save_minutes": 5})
    assert (stopped.value.code, stopped.value.run) == (128 + signal_in_step_6, tmp_path / "run")
    assert signal.getsignal(signal_in_step_6) == before
    assert (tmp_path / "run/resume/step-000000006.ckpt").exists()
    sam2unet.train(resume=tmp_path / "run", device="cpu")
    assert_same_run(uninterrupted, tmp_path / "run")


def test_the_command_says_how_to_continue_a_stopped_run(signal_in_step_6, scenes, tmp_path, run):
    settings = [f"--set={key}={value}" for key, value in (SHORT | {"save_minutes": 5}).items()]
    result = run("train", scenes, "--out", tmp_path / "run", "--device", "cpu", *settings)
    assert result.code == 128 + signal_in_step_6
    assert f"stopped by {signal_in_step_6.name} after step 6" in result.err
    assert result.err.strip().endswith(f"Continue with: sam2unet train --resume {tmp_path / 'run'}")
