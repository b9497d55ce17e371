"""What takes long to make, in the user's cache, so that the second start is quick."""

import hashlib
import logging
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from .files import appearing

MOST_BYTES = 4 * 2**30
BLOCK = 32 * 2**20


def cache_folder() -> Path:
    """Where compiled networks are; everything in it may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "sam2unet" / "compiled"


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
    with suppress(OSError, RuntimeError):  # no right to look there, or nobody's home
        folder = _place(key)
        if folder.is_dir():
            with suppress(OSError):
                os.utime(folder)
            return folder
    return None


def keep(key: tuple[object, ...], write: Callable[[Path], object]) -> None:
    """Have `write` fill a folder that is kept under a key; those not used for longest make room for it.

    Where there is no room or no right to write, nothing is kept, which is said.
    """
    try:
        place = _place(key)
        with appearing(place) as folder:
            folder.mkdir()
            write(folder)
            shutil.rmtree(place, ignore_errors=True)  # damaged, or of another process that was quicker
    except (OSError, RuntimeError) as error:
        logging.getLogger("sam2unet").warning("the compiled network cannot be kept, the next start is slow (%s)", error)
        return
    with suppress(OSError):  # another process may be at it too
        total = 0
        entries = [entry for entry in cache_folder().iterdir() if entry.is_dir()]
        for entry in sorted(entries, key=lambda entry: entry.stat().st_mtime, reverse=True):
            total += sum(file.stat().st_size for file in entry.iterdir())
            if total > MOST_BYTES and entry != place:
                shutil.rmtree(entry, ignore_errors=True)


def _place(key: tuple[object, ...]) -> Path:
    return cache_folder() / hashlib.sha256(repr(key).encode()).hexdigest()[:32]
