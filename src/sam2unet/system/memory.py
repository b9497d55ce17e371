"""Memory: the C library's allocator, the peak so far, and how libraries say that it is exhausted."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
MMAP_THRESHOLD = 32 * 2**20
"""Bytes; the largest threshold that glibc accepts."""


@contextmanager
def retain_freed_memory() -> Iterator[None]:
    """Keep freed memory in this process for reuse, while the context lasts.

    By default glibc returns large freed blocks to the system and requests them again at the next allocation, which took
    5 to 7 % of a training step on a CPU (docs/speed.md). When the context ends, unused memory goes back to the system,
    and glibc's thresholds stay at the largest values that it would choose itself. Other C libraries are left alone.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):  # another C library
        yield
        return
    assert library
    library.malloc_trim(0)
    library.mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD)
    library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        library.mallopt(M_TRIM_THRESHOLD, 2 * MMAP_THRESHOLD)  # the largest that glibc chooses itself
        library.malloc_trim(0)


def peak_memory(device: "torch.device") -> int:
    """Return the most bytes in use so far: of a GPU by tensors, else by this process; 0 where it is not known."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def is_out_of_memory(error: BaseException) -> bool:
    """True if torch or ONNX Runtime report that memory is exhausted; Python's own is `MemoryError`."""
    words = ("out of memory", "failed to allocate memory", "can't allocate memory", "not enough memory")
    return any(text in str(error).lower() for text in words)
