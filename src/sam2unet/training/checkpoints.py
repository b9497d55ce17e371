"""What a run leaves to go on from: files that are whole or not there, a lock, and stopping in good order."""

import errno
import hashlib
import json
import os
import pickle
import platform
import re
import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import torch
from lightning.pytorch.plugins.io import CheckpointIO

from ..errors import InputError
from ..files import atomic_path

SUMS = "SHA256SUMS"
LEFTOVER = re.compile(r"\.(best|last|metrics|recipe|report|run|step-\d+|SHA256SUMS)\.\d+(\.\w+)?")
_HELD: set[Path] = set()


class ResumeFiles(CheckpointIO):
    """The newest checkpoints in a run's `resume/`, with a list of their SHA-256 in the form of `sha256sum`."""

    def __init__(self, run: Path):
        self.folder = run / "resume"

    def path(self, step: int) -> Path:
        """Where the checkpoint of a step goes."""
        return self.folder / f"step-{step:09}.ckpt"

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint; it and its sum are complete before an older one goes.

        Raises:
            InputError: it can't be written, as on a full disk; the older ones are kept.
        """
        path = Path(path)
        try:
            with atomic_path(path) as partial, partial.open("wb+") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            self._list({path.name: digest} | {n: known for n, known in self.sums().items() if n < path.name}, 2)
        except (OSError, RuntimeError) as error:  # torch turns what the file says into a RuntimeError
            cause = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
            last = next((f"; {older} is kept" for older in sorted(self.sums(), reverse=True)), "")
            raise InputError(f"{path}: cannot be written ({cause}){last}. Make room, then --resume") from error

    def keep(self, count: int) -> None:
        """Remove all but the newest."""
        self._list(self.sums(), count)

    def _list(self, sums: dict[str, str], count: int) -> None:
        """Write down the newest of the files, and remove all others."""
        kept = sorted(sums, reverse=True)[:count]
        with atomic_path(self.folder / SUMS) as partial:
            partial.write_text("".join(f"{sums[name]}  {name}\n" for name in kept), encoding="utf-8")
        for path in self.folder.glob("step-*.ckpt"):
            if path.name not in kept:
                path.unlink()

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        """The content of a checkpoint, on the CPU; nothing in it is run."""
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return content

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)

    def sums(self) -> dict[str, str]:
        """The SHA-256 of each checkpoint that was written, by name."""
        try:
            lines = (self.folder / SUMS).read_text(encoding="utf-8").splitlines()
        except OSError:
            return {}
        return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}

    def names(self) -> list[str]:
        """Of the checkpoints that are or should be there, newest first."""
        return sorted({*self.sums(), *(path.name for path in self.folder.glob("step-*.ckpt"))}, reverse=True)

    def newest(self, warn: Callable[[str], object]) -> Path | None:
        """The newest checkpoint that is whole; `warn` hears of newer ones that are torn or missing.

        None if none was written yet, or none is whole of a run that has no model yet.

        Raises:
            InputError: none is whole, and to begin anew would lose what is there.
        """
        sums, names = self.sums(), self.names()
        for name in names:
            fault = self._fault(self.folder / name, sums.get(name))
            if fault is None:
                return self.folder / name
            warn(f"{self.folder / name}: {fault}; going on from the one before")
        last = self.folder.parent / "last.safetensors"
        if names and last.exists():
            raise InputError(
                f"{self.folder}: holds no whole checkpoint; train anew with another --out, from the last model with "
                f"--set start_from={shlex.quote(str(last))}"
            )
        return None

    def _fault(self, path: Path, digest: str | None) -> str | None:
        try:
            with path.open("rb") as file:
                if digest and hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    return "damaged"
            self.load_checkpoint(path)
        except FileNotFoundError:
            return "missing"
        except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError):
            return "damaged"
        return None


def step_of(checkpoint: Path | None) -> int:
    """How many steps were made when it was written."""
    return int(checkpoint.stem.removeprefix("step-")) if checkpoint else 0


def read_run_record(run: Path) -> dict[str, Any]:
    """What a run wrote down when it began; empty if it never did."""
    try:
        content: dict[str, Any] = json.loads((run / "resume" / "run.json").read_text(encoding="utf-8"))
        return content
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InputError(f"{run / 'resume' / 'run.json'}: damaged; start anew with another --out") from error


def write_run_record(run: Path, content: dict[str, Any]) -> None:
    """Write down what a run must find again when it goes on."""
    with atomic_path(run / "resume" / "run.json") as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Keep others out of a run's folder, and clear away what a killed process left half written.

    The lock goes with the process, however it ends. Windows has none.

    Raises:
        InputError: another process, or another run in this one, holds it.
    """
    run.mkdir(parents=True, exist_ok=True)
    place = run.resolve()
    if place in _HELD:
        raise InputError(f"{run}: in use by another run of this process; name another folder with --out")
    with (run / ".lock").open("a+") as file:
        _lock(run, file)
        _HELD.add(place)
        try:
            for path in (*run.glob(".*"), *(run / "resume").glob(".*")):
                if LEFTOVER.fullmatch(path.name):
                    path.unlink()
            yield
        finally:
            _HELD.remove(place)


def _lock(run: Path, file: TextIO) -> None:
    if os.name == "nt":
        return
    import fcntl

    try:
        # POSIX locks: processes that read pictures don't inherit them, so none outlives a killed run.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            return  # a file system without locks
        file.seek(0)
        raise InputError(
            f"{run}: in use by another process ({file.read().strip() or 'unknown'}); wait until it is done, or "
            "train into another folder"
        ) from error
    file.truncate(0)
    file.write(f"{os.getpid()} on {platform.node()}\n")
    file.flush()


class StopSignals:
    """Ctrl-C, SIGTERM and a terminal that goes ask for a stop in good order; a second Ctrl-C means it.

    A second SIGTERM says nothing new: torchrun passes on one that Slurm sent to all processes already.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._when = 0.0

    def listen(self) -> None:
        """In place of Lightning's handlers, which leave without a file; at the end it sets back those of before."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None)):
            if number and not (number.name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):  # nohup
                signal.signal(number, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received, self._when = signal.Signals(number), time.monotonic()
            os.write(2, b"\nsam2unet: stopping as soon as this step or validation is done (Ctrl-C again: at once)\n")
        elif number == signal.SIGINT and time.monotonic() - self._when > 1:
            raise KeyboardInterrupt
