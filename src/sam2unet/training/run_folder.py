"""The lock of a run's folder, and the clean-up of what a killed process leaves in it."""

import errno
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TextIO

from ..errors import InputError
from ..files import PARTIAL

OUTPUTS = {
    ".": (
        "best.safetensors",
        "last.safetensors",
        "data.html",
        "data.json",
        "metrics.csv",
        "recipe.yaml",
        "report.html",
    ),
    "resume": ("run.json", "step-*.ckpt", "SHA256SUMS"),
}
"""The files that a run writes under a hidden name first, by folder."""
_LOCKED: set[Path] = set()
"""Folders locked by this process, for which a POSIX lock would be granted again."""


@contextmanager
def lock_run_folder(run: Path) -> Iterator[None]:
    """Lock a run's folder, and remove incomplete files in it.

    The lock ends with the process, however that ends. Windows has none.

    Raises:
        InputError: another process, or another run in this one, holds it.
    """
    run.mkdir(parents=True, exist_ok=True)
    place = run.resolve()
    if place in _LOCKED:
        raise InputError(f"{run}: in use by another run of this process: choose another folder", "out")
    with (run / ".lock").open("a+") as file:
        _lock(run, file)
        _LOCKED.add(place)
        try:
            _remove_incomplete(run)
            yield
        finally:
            _LOCKED.remove(place)


def _lock(run: Path, file: TextIO) -> None:
    if os.name == "nt":
        return
    import fcntl

    try:
        # The loader's workers do not inherit POSIX locks, so none outlives a killed run.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            return  # a file system without locks
        file.seek(0)
        raise InputError(
            f"{run}: in use by another process ({file.read().strip() or 'unknown'}): wait until it ends, or choose "
            "another folder", "out",
        ) from error  # fmt: skip
    file.truncate(0)
    file.write(f"{os.getpid()} on {platform.node()}\n")
    file.flush()


def _remove_incomplete(run: Path) -> None:
    """Remove the hidden files that `atomic_path` leaves of a run's own outputs when the process is killed."""
    for folder, outputs in OUTPUTS.items():
        for path in (run / folder).glob(".*"):
            match = PARTIAL.fullmatch(path.name)
            if match and any(fnmatchcase(f"{match['stem']}{match['suffix'] or ''}", name) for name in outputs):
                path.unlink()
