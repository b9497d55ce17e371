"""Compiled networks in the user's cache, so that the second start is quick."""

import hashlib
import logging
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..files import appearing

MOST_BYTES = 4 * 2**30
BLOCK = 32 * 2**20


def cache_folder() -> Path:
    """Where they are; everything in it may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sam2unet" / "compiled"


def file_digest(path: Path) -> str:
    """SHA-256 of the SHA-256 of a file's blocks, which several cores work out at once."""

    def block(start: int) -> bytes:
        with path.open("rb") as file:
            file.seek(start)
            return hashlib.sha256(file.read(BLOCK)).digest()

    with ThreadPoolExecutor() as pool:
        return hashlib.sha256(b"".join(pool.map(block, range(0, path.stat().st_size, BLOCK)))).hexdigest()


def cached(key: tuple[object, ...]) -> Path | None:
    """The folder kept under a key, if there is one."""
    folder = _place(key)
    if not folder.is_dir():
        return None
    os.utime(folder)
    return folder


def keep(key: tuple[object, ...], write: Callable[[Path], object]) -> None:
    """Have `write` fill a folder that is kept under a key; those not used for longest make room for it.

    Where there is no room or no right to write, nothing is kept, which is said.
    """
    place = _place(key)
    try:
        with appearing(place) as folder:
            folder.mkdir()
            write(folder)
            shutil.rmtree(place, ignore_errors=True)  # damaged
        total = 0
        for entry in sorted(cache_folder().iterdir(), key=lambda entry: entry.stat().st_mtime, reverse=True):
            total += sum(file.stat().st_size for file in entry.iterdir())
            if total > MOST_BYTES and entry != place:
                shutil.rmtree(entry)
    except OSError as error:
        logging.getLogger("sam2unet").warning("the compiled network cannot be kept, the next start is slow (%s)", error)


def _place(key: tuple[object, ...]) -> Path:
    return cache_folder() / hashlib.sha256(repr(key).encode()).hexdigest()[:32]
