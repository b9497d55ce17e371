"""The progress of a run on the console, and the estimate of the time that is left."""

import time
from typing import Any

import lightning.pytorch as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..pages import format_duration
from .callbacks import SaveModels
from .module import SegmentationModule


class ProgressBar(pl.Callback):
    """Shows one bar for the whole run on a terminal, elsewhere a line per epoch; both with the time left.

    Args:
        console: where to print.
        models: has the history of the epochs.
        total_steps: optimizer steps of the whole run.
    """

    def __init__(self, console: Console, models: SaveModels, total_steps: int):
        self.console, self.models, self.total_steps = console, models, total_steps
        self.bar: Progress | None = None
        self.task: Any = None
        self.eta = EtaEstimator()

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Start the clock and the bar."""
        if trainer.is_global_zero and self.console.is_terminal:
            self.bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("steps"),
                TimeElapsedColumn(), TextColumn("{task.fields[left]}"), console=self.console,
            )  # fmt: skip
            self.task = self.bar.add_task("starting", total=self.total_steps, completed=trainer.global_step, left="")
            self.bar.start()
        self.eta.restart_clock()

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Leave out the time between two epochs."""
        self.eta.restart_clock()

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Advance the bar."""
        assert isinstance(module, SegmentationModule)
        self.eta.add_batch()
        if self.bar:
            description = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  loss {module.step_loss:.3f}"
            if self.models.history:
                description += f"  val Dice {self.models.history[-1]['val_dice']:.4f}"
            left = self._time_left(trainer)
            self.bar.update(self.task, completed=trainer.global_step, description=description, left=left)

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Start timing the validation and the writing of files after it."""
        self.eta.restart_clock()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Print the epoch's line where there is no bar."""
        self.eta.add_validation()
        if trainer.is_global_zero and not self.bar:
            row = self.models.history[-1]
            self.console.print(
                f"epoch {row['epoch']}/{trainer.max_epochs}  loss {row['loss']:.4f}  val Dice {row['val_dice']:.4f}  "
                f"{self._time_left(trainer)}",
                highlight=False,
            )

    def _time_left(self, trainer: pl.Trainer) -> str:
        epochs_left = (trainer.max_epochs or 0) - len(self.models.history)
        inside_epoch = len(self.models.history) == trainer.current_epoch
        batches_done = trainer.fit_loop.batch_idx + 1 if inside_epoch else 0
        seconds = self.eta.seconds_left(epochs_left * int(trainer.num_training_batches) - batches_done, epochs_left)
        return "" if seconds is None else f"{format_duration(seconds)} left"

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Remove the bar."""
        if self.bar:
            self.bar.stop()
            self.bar = None

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        """Remove the bar."""
        self.teardown(trainer, module, "fit")


class EtaEstimator:
    """Estimates the time left from the mean time of batches and validations so far.

    The first batches of a process wait for workers and memory, so they are dropped as soon as there are later ones.
    """

    WARM_UP = 3
    """Number of batches that are dropped."""

    def __init__(self) -> None:
        self.batches, self.batch_seconds = 0, 0.0
        self.validations, self.validation_seconds = 0, 0.0
        self.started_at = 0.0

    def restart_clock(self) -> None:
        """Start timing a batch or validation."""
        self.started_at = time.monotonic()

    def add_batch(self) -> None:
        """Add the time of a batch that just ended."""
        if self.batches == self.WARM_UP:
            self.batch_seconds = 0.0
        self.batches += 1
        self.batch_seconds += time.monotonic() - self.started_at
        self.restart_clock()

    def add_validation(self) -> None:
        """Add the time of a validation that just ended."""
        self.validations += 1
        self.validation_seconds += time.monotonic() - self.started_at
        self.restart_clock()

    def seconds_left(self, batches: int, validations: int) -> float | None:
        """Return the seconds for as many more batches and validations; None before the first batch.

        Validations are taken to need no time before the first one has been timed.
        """
        if not self.batches:
            return None
        timed = self.batches - self.WARM_UP if self.batches > self.WARM_UP else self.batches
        validation_seconds = validations * self.validation_seconds / max(1, self.validations)
        return batches * self.batch_seconds / timed + validation_seconds
