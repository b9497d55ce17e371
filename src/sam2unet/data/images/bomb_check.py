"""Pillow's check for decompression bombs, switched off for our own reads and for nothing else in the process."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

_thread = threading.local()
_lock = threading.Lock()
_blocks = 0
"""Number of `without_bomb_check` blocks in all threads."""
_restore: Callable[[], None]
"""Undoes `_install`."""

if hasattr(os, "register_at_fork"):  # a child must not inherit the lock while another thread holds it
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


@contextmanager
def without_bomb_check() -> Iterator[None]:
    """Let this thread read images of any size until the block ends; also a decorator.

    The limit, `Image.MAX_IMAGE_PIXELS`, belongs to the program that imports us and to all its threads, so it stays.
    Instead, the function that compares with it skips threads inside a block, and is put back when the last block ends.
    A block must not run other people's code: it would not be checked either.
    """
    global _blocks, _restore
    outer = getattr(_thread, "unchecked", False)
    with _lock:
        if not _blocks:
            _restore = _install()
        _blocks += 1
    _thread.unchecked = True
    try:
        yield
    finally:
        _thread.unchecked = outer
        with _lock:
            _blocks -= 1
            if not _blocks:
                _restore()


def _install() -> Callable[[], None]:
    original = Image._decompression_bomb_check

    def check(*args: Any, **kwargs: Any) -> None:
        if not getattr(_thread, "unchecked", False):
            original(*args, **kwargs)

    def restore() -> None:
        if Image._decompression_bomb_check is check:  # else somebody else has replaced it meanwhile
            Image._decompression_bomb_check = original

    Image._decompression_bomb_check = check
    return restore
