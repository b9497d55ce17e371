"""Stopping by a signal."""

import os
import signal

import pytest
import torch
from rich.console import Console

import sam2unet
from sam2unet.errors import Stopped
from sam2unet.training.stopping import StopSignals

from ..pico import SHORT
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
        sam2unet.train(scenes, out=tmp_path / "run", device="cpu", **SHORT)
    assert (stopped.value.code, stopped.value.run) == (128 + signal_in_step_6, tmp_path / "run")
    assert signal.getsignal(signal_in_step_6) == before
    assert (tmp_path / "run/resume/step-000000006.ckpt").exists()
    sam2unet.train(resume=tmp_path / "run", device="cpu")
    assert_same_run(uninterrupted, tmp_path / "run")


def test_the_command_says_how_to_continue_a_stopped_run(signal_in_step_6, scenes, tmp_path, run):
    settings = [f"--set={key}={value}" for key, value in SHORT.items()]
    result = run("train", scenes, "--out", tmp_path / "run", "--device", "cpu", *settings)
    assert result.code == 128 + signal_in_step_6
    assert f"stopped by {signal_in_step_6.name} after step 6" in result.err
    assert result.err.strip().endswith(f"Continue with: sam2unet train --resume {tmp_path / 'run'}")


@pytest.fixture
def handlers():
    """Restores the handlers of Ctrl-C and SIGTERM after the test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("quiet", [False, True])
def test_the_first_signal_is_announced_on_the_console_once(quiet, handlers, tmp_path):
    with (tmp_path / "console").open("w") as file:
        signals = StopSignals(Console(file=file, quiet=quiet))
        signals.install()
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received == signal.SIGTERM
    assert (tmp_path / "console").read_text().count("sam2unet: stopping") == (0 if quiet else 1)


def test_a_later_second_ctrl_c_interrupts_at_once(handlers, tmp_path, monkeypatch):
    clock = iter([10.0, 10.5, 12.0])
    monkeypatch.setattr("sam2unet.training.stopping.time.monotonic", lambda: next(clock))
    signals = StopSignals(Console(quiet=True))
    signals.install()
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)  # within a second: a key that is held down, or torchrun's copy
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
