"""The other end of a `TimedProcess`: a step per line of standard input, its duration and memory as JSON.

Needs torch alone, since the authors' Python runs it too. The keys of the replies are those of version 0.1, whose
workers `--against` starts.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def send_reply(**values: Any) -> None:
    """Print a line of JSON for the process that started this one."""
    print(json.dumps(values), flush=True)


def reset_peak_memory(device: torch.device) -> None:
    """Let `peak_memory` start from the memory in use now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: resets VmHWM


def peak_memory(device: torch.device) -> int:
    """Bytes of the largest memory since `reset_peak_memory`: of the process on a CPU, of its tensors on a GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def serve_steps(step: Callable[[], float], device: torch.device, backend: str = "") -> None:
    """Run `step` once per line of standard input.

    Args:
        step: returns the loss, or another number that shows that all variants do the same work.
        device: where it computes.
        backend: name of the runtime, for the reply.
    """
    reset_peak_memory(device)
    send_reply(ready=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        loss = step()
        synchronize(device)
        seconds = time.perf_counter() - started
        send_reply(seconds=seconds, loss=loss, peak_bytes=peak_memory(device), backend=backend)
