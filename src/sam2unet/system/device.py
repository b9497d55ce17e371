"""Where the arithmetic runs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .processes import local_rank

if TYPE_CHECKING:
    import torch

GPU_NODES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # NVIDIA's driver, Windows' own for Linux, AMD's


def is_known_cpu(name: str) -> bool:
    """Whether `name` means the CPU, as far as that can be told without torch, which takes seconds to import."""
    return name == "cpu" or (
        name == "auto" and sys.platform == "linux" and not any(Path(p).exists() for p in GPU_NODES)
    )


def cpu_flags() -> tuple[str, ...]:
    """What this CPU can do, in Linux' words; nothing elsewhere."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    return next((tuple(line.split()) for line in lines if line.startswith(("flags", "Features"))), ())


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies in bf16 itself, as far as Linux tells."""
    return not {"amx_bf16", "avx512_bf16"}.isdisjoint(cpu_flags())


def find_device(name: str) -> "torch.device":
    """The device called `name`; "auto" takes CUDA, else Apple's MPS, else the CPU.

    Raises:
        InputError: no such device, or torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise InputError(f"device {name!r} cannot be used: torch is not installed") from error

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
        return torch.device(name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r} cannot be used: {str(error).splitlines()[0]}") from error


def local_device(name: str) -> str:
    """Of the processes that torchrun starts each has a GPU of its own, where `name` leaves that open."""
    rank = local_rank()
    if rank is None or name not in ("auto", "cuda") or is_known_cpu(name) or find_device(name).type != "cuda":
        return name
    return f"cuda:{rank}"


def has_bf16(device: "torch.device") -> bool:
    """Whether the device computes in bf16 itself, not by emulation."""
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    abilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # torch before 2.12 doesn't tell
    return device.type == "cpu" and bool(abilities.get("amx_bf16") or abilities.get("avx512_bf16"))
