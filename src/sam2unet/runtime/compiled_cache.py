"""Compiled networks in the user's cache, so that the second start is fast."""

import hashlib
import logging
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from ..files import atomic_path

MAX_BYTES = 4 * 2**30
"""Beyond this size of the whole cache, entries unused for longest are deleted."""
BLOCK = 32 * 2**20
"""Bytes that one thread hashes at a time."""

Key = tuple[object, ...]
"""Everything that a compiled network depends on; compared by its `repr`."""


def cache_folder() -> Path:
    """Folder of the compiled networks; everything in it may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "sam2unet" / "compiled"


def file_digest(path: Path) -> str:
    """SHA-256 over the SHA-256 digests of a file's blocks, which are hashed in parallel."""

    def block_digest(start: int) -> bytes:
        with path.open("rb") as file:
            file.seek(start)
            return hashlib.sha256(file.read(BLOCK)).digest()

    with ThreadPoolExecutor() as pool:
        return hashlib.sha256(b"".join(pool.map(block_digest, range(0, path.stat().st_size, BLOCK)))).hexdigest()


def find(key: Key) -> Path | None:
    """Return the folder stored under a key, or None."""
    with suppress(OSError, RuntimeError):  # unreadable, or there is no home folder
        folder = _entry(key)
        if folder.is_dir():
            with suppress(OSError):
                os.utime(folder)
            return folder
    return None


def store(key: Key, write: Callable[[Path], object]) -> None:
    """Let `write` fill a folder that is stored under a key, then delete the entries unused for longest.

    Where the cache can't be written, nothing is stored and a warning is logged.
    """
    try:
        entry = _entry(key)
        with atomic_path(entry) as folder:
            folder.mkdir()
            write(folder)
            shutil.rmtree(entry, ignore_errors=True)  # damaged, or written meanwhile by another process
    except (OSError, RuntimeError) as error:
        logging.getLogger("sam2unet").warning(
            "the compiled network could not be cached; the next start compiles again (%s)", error
        )
        return
    with suppress(OSError):  # another process may be deleting too
        total = 0
        entries = [path for path in cache_folder().iterdir() if path.is_dir()]
        for path in sorted(entries, key=lambda path: path.stat().st_mtime, reverse=True):
            total += sum(file.stat().st_size for file in path.iterdir())
            if total > MAX_BYTES and path != entry:
                shutil.rmtree(path, ignore_errors=True)


def _entry(key: Key) -> Path:
    return cache_folder() / hashlib.sha256(repr(key).encode()).hexdigest()[:32]
