"""Compute devices: finding one, and which of them have bf16."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .processes import local_rank

if TYPE_CHECKING:
    import torch

GPU_NODES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Device files of GPU drivers: NVIDIA's, Windows' for its Linux subsystem, AMD's."""


def is_known_cpu(name: str) -> bool:
    """True if `name` surely means the CPU: decided without torch, which takes seconds to import."""
    return name == "cpu" or (
        name == "auto" and sys.platform == "linux" and not any(Path(node).exists() for node in GPU_NODES)
    )


def cpu_flags() -> tuple[str, ...]:
    """Return the instruction sets of this CPU as named by Linux, such as "avx2"; () on other systems."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    return next((tuple(line.split()) for line in lines if line.startswith(("flags", "Features"))), ())


def cpu_has_bf16() -> bool:
    """True if this CPU has instructions for bf16 products; always false outside Linux."""
    return not {"amx_bf16", "avx512_bf16"}.isdisjoint(cpu_flags())


def find_device(name: str) -> "torch.device":
    """Return a device that works.

    Args:
        name: a device of torch, such as "cuda:1", or "auto": CUDA if available, else Apple's MPS, else the CPU.

    Raises:
        InputError: there is no such device, or torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise InputError(f"device {name!r} can't be used: torch is not installed") from error

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
        return torch.device(name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r} can't be used: {str(error).splitlines()[0]}") from error


def local_device(name: str) -> str:
    """Return this process's own GPU under torchrun if `name` is "auto" or "cuda" and means a GPU, else `name`."""
    rank = local_rank()
    if rank is None or name not in ("auto", "cuda") or is_known_cpu(name) or find_device(name).type != "cuda":
        return name
    return f"cuda:{rank}"


def has_bf16(device: "torch.device") -> bool:
    """True if a CPU or CUDA device computes in bf16 natively, without emulation; false for other devices."""
    import torch

    if device.type == "cuda":
        native: bool = torch.cuda.is_bf16_supported(including_emulation=False)
        return native
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # new in torch 2.12
    return device.type == "cpu" and bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
