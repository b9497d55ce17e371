"""Where the arithmetic runs."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .errors import InputError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
MMAP_THRESHOLD = 32 * 2**20  # the most that glibc takes


def find_device(name: str) -> torch.device:
    """The device called `name`; "auto" takes CUDA, else Apple's MPS, else the CPU.

    Raises:
        InputError: no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
        return torch.device(name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r} cannot be used: {str(error).splitlines()[0]}") from error


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes in bf16 itself, not by emulation."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    abilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # torch before 2.12 doesn't tell
    return device.type == "cpu" and bool(abilities.get("amx_bf16") or abilities.get("avx512_bf16"))


@contextmanager
def memory_kept() -> Iterator[None]:
    """Keep what is freed for the next step, where glibc would hand it back to the system and ask for it again.

    That took 5 to 7 % of a training step on a CPU (docs/speed.md). What was freed before, and is free in the end, goes
    back to the system.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):  # another libc
        yield
        return
    assert library
    library.malloc_trim(0)
    library.mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD)
    library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        library.mallopt(M_TRIM_THRESHOLD, 2 * MMAP_THRESHOLD)  # where glibc's own rule ends
        library.malloc_trim(0)
