"""What a timed process does: a step for each line that comes in, told in seconds and bytes. Needs torch alone."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def answer(**values: Any) -> None:
    """A line for the process that asks."""
    print(json.dumps(values), flush=True)


def forget_peak(device: torch.device) -> None:
    """Count the peak of memory from now on."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes(device: torch.device) -> int:
    """The largest memory of this process since `forget_peak`: on the CPU all of it, on a GPU its tensors."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def serve(step: Callable[[], float], device: torch.device, backend: str = "") -> None:
    """Do `step`, which returns the loss or another figure, for each line that comes in."""
    forget_peak(device)
    answer(ready=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        loss = step()
        wait(device)
        answer(seconds=time.perf_counter() - started, loss=loss, peak_bytes=peak_bytes(device), backend=backend)
