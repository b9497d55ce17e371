"""Memory that is kept for the next step."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
MMAP_THRESHOLD = 32 * 2**20  # the most that glibc takes


@contextmanager
def retain_freed_memory() -> Iterator[None]:
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
