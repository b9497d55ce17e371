"""Checkpoints to resume from: the files, and the callback that writes them."""

import hashlib
import os
import pickle
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.plugins.io import CheckpointIO
from rich.console import Console

from ..errors import InputError, Stopped
from ..files import atomic_path
from .stopping import StopSignals

DIGESTS = "SHA256SUMS"
RENAMED_CALLBACKS = {"KeepModels": "SaveModels", "AverageWeights": "EMA"}
"""Names under which checkpoints of 0.1 store the state of callbacks, and those of today."""


class CheckpointFiles(CheckpointIO):
    """The newest checkpoints in a run's `resume/`, with their SHA-256 in the format of `sha256sum`."""

    def __init__(self, run: Path):
        self.folder = run / "resume"

    def path(self, step: int) -> Path:
        """Return the file of the checkpoint of a step."""
        return self.folder / f"step-{step:09}.ckpt"

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint and its digest, then remove all but the newest two.

        Raises:
            InputError: it can't be written, for example on a full disk; the previous ones are kept.
        """
        path = Path(path)
        try:
            with atomic_path(path) as partial, partial.open("wb+") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            older = {name: known for name, known in self.digests().items() if name < path.name}
            self._keep({path.name: digest} | older, 2)
        except (OSError, RuntimeError) as error:  # torch raises a RuntimeError when the file can't be written
            cause = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
            kept = next((f"; {name} is kept" for name in sorted(self.digests(), reverse=True)), "")
            raise InputError(
                f"{path}: cannot be written ({cause}){kept}. Free some space, then resume the run", "resume"
            ) from error

    def keep_newest(self) -> None:
        """Remove all checkpoints but the newest."""
        self._keep(self.digests(), 1)

    def _keep(self, digests: dict[str, str], count: int) -> None:
        """List the newest of these files with their digests; remove all others."""
        names = sorted(digests, reverse=True)[:count]
        with atomic_path(self.folder / DIGESTS) as partial:
            partial.write_text("".join(f"{digests[name]}  {name}\n" for name in names), encoding="utf-8")
        for path in self.folder.glob("step-*.ckpt"):
            if path.name not in names:
                path.unlink()

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        """Return a checkpoint's content, on the CPU; unpickles nothing but tensors and plain values."""
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        content["callbacks"] = {
            RENAMED_CALLBACKS.get(name, name): state for name, state in content["callbacks"].items()
        }
        return content

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)

    def digests(self) -> dict[str, str]:
        """Return the listed SHA-256 of each checkpoint by file name."""
        try:
            lines = (self.folder / DIGESTS).read_text(encoding="utf-8").splitlines()
        except OSError:
            return {}
        return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}

    def names(self) -> list[str]:
        """Return the names of all checkpoints that exist or are listed, newest first."""
        return sorted({*self.digests(), *(path.name for path in self.folder.glob("step-*.ckpt"))}, reverse=True)

    def find_newest(self, warn: Callable[[str], object]) -> Path | None:
        """Return the newest intact checkpoint.

        Args:
            warn: gets a sentence about each newer one that is damaged or missing.

        Returns:
            The file; None if there are no checkpoints, or only damaged ones of a run that has not saved a model yet.

        Raises:
            InputError: none is intact, and starting again would replace the saved models.
        """
        digests, names = self.digests(), self.names()
        for name in names:
            fault = self._fault(self.folder / name, digests.get(name))
            if fault is None:
                return self.folder / name
            warn(f"{self.folder / name}: {fault}; resuming from the previous one")
        last = self.folder.parent / "last.safetensors"
        if names and last.exists():
            raise InputError(
                f"{self.folder}: contains no intact checkpoint: start another run, with start_from={last} to continue "
                "from the last model", "out",
            )  # fmt: skip
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
    """Return the number of optimizer steps before a checkpoint; 0 without one."""
    return int(checkpoint.stem.removeprefix("step-")) if checkpoint else 0


class SaveCheckpoints(pl.Callback):
    """Writes a checkpoint after each epoch, every few minutes inside one, and when a signal asks to stop.

    Short epochs are not all followed by one, so that writing takes at most about a twentieth of the time.

    Args:
        files: where to write.
        minutes: longest time between two checkpoints.
        fingerprint: text that must be the same in all processes.
        console: gets a line when a signal arrives.
    """

    MIN_INTERVAL = 20
    """Time between two checkpoints after short epochs, in multiples of the time that writing one takes."""

    def __init__(self, files: CheckpointFiles, minutes: float, fingerprint: str, console: Console):
        self.files, self.max_seconds, self.fingerprint = files, 60 * minutes, fingerprint
        self.signals = StopSignals(console)
        self.saved_at, self.writing_seconds = 0.0, 0.0

    def setup(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Check that all processes start alike: each has found the trunk and the checkpoint by itself."""
        if trainer.world_size > 1:
            fingerprints: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(fingerprints, self.fingerprint)
            if len(set(fingerprints)) > 1:
                raise InputError(
                    "the processes found different trunks or checkpoints: give all machines the same view of the "
                    "run's folder, and set trunk_weights to a file that all of them have"
                )

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Install the signal handlers and start the clock."""
        if trainer.received_sigterm:
            raise Stopped("stopped by SIGTERM before the first step", 128 + signal.SIGTERM, self.files.folder.parent)
        self.signals.install()
        self.saved_at = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save or stop between two steps; not after the last of an epoch, which its validation follows."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches or trainer.is_last_batch:
            return
        stop, due = self._stop_or_due(trainer, module, self.max_seconds)
        if stop or due:
            self._save(trainer)
        if stop:
            self._stop(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Save or stop after validation."""
        last = trainer.current_epoch + 1 == trainer.max_epochs
        interval = min(self.max_seconds, self.MIN_INTERVAL * self.writing_seconds)
        stop, due = self._stop_or_due(trainer, module, interval)
        if stop or due or last:
            self._save(trainer)
        if stop and not last:
            self._stop(trainer)

    def _stop_or_due(self, trainer: pl.Trainer, module: pl.LightningModule, interval: float) -> list[bool]:
        """Whether to stop, and whether the last checkpoint is `interval` seconds old; alike in all processes."""
        flags = torch.tensor([self.signals.received is not None, time.monotonic() - self.saved_at >= interval])
        if trainer.world_size > 1:
            flags = trainer.strategy.reduce(flags.float().to(module.device), reduce_op="sum") > 0
        values: list[bool] = flags.tolist()
        return values

    def _save(self, trainer: pl.Trainer) -> None:
        start = time.monotonic()
        trainer.save_checkpoint(self.files.path(trainer.global_step), weights_only=False)
        self.saved_at = time.monotonic()
        self.writing_seconds = self.saved_at - start

    def _stop(self, trainer: pl.Trainer) -> None:
        number = self.signals.received
        raise Stopped(
            f"stopped{f' by {number.name}' if number else ''} after step {trainer.global_step}, in epoch "
            f"{trainer.current_epoch + 1} of {trainer.max_epochs}; the run is saved and can be resumed",
            128 + (number or signal.SIGTERM), self.files.folder.parent,
        )  # fmt: skip
