"""What happens beside the steps: model files, and telling how far the run is."""

import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..weights import save_model
from .module import SegmentationModule


class SaveModels(pl.Callback):
    """Keeps `last.safetensors`, and `best.safetensors` of the epoch with the highest validation Dice."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.best = -1.0

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """After each epoch; the first process writes."""
        assert isinstance(module, SegmentationModule)
        dice = float(trainer.callback_metrics["val_dice"])
        module.model.card.metrics = {"val_dice": dice, "epoch": trainer.current_epoch + 1}
        files = ["last.safetensors"] + ["best.safetensors"] * (dice > self.best)
        self.best = max(self.best, dice)
        if trainer.is_global_zero:
            for name in files:
                save_model(module.model, self.folder / name)


class ShowProgress(pl.Callback):
    """One bar over the whole run on a terminal; elsewhere a line per epoch."""

    def __init__(self, console: Console):
        self.console = console
        self.dice = "–"
        self.bar: Progress | None = None
        self.task: Any = None
        self.started = 0.0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Start the clock and the bar."""
        self.started = time.monotonic()
        if trainer.is_global_zero and self.console.is_terminal:
            self.bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("steps"),
                TimeElapsedColumn(), TextColumn("ETA"), TimeRemainingColumn(), console=self.console,
            )  # fmt: skip
            self.task = self.bar.add_task("starting", total=int(trainer.estimated_stepping_batches))
            self.bar.start()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Move the bar."""
        if self.bar:
            loss = float(trainer.callback_metrics.get("loss_step", float("nan")))
            epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            self.bar.update(
                self.task, completed=trainer.global_step, description=f"{epoch}  loss {loss:.3f}  val Dice {self.dice}"
            )

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Show the validation Dice."""
        metrics = trainer.callback_metrics
        self.dice = f"{float(metrics['val_dice']):.4f}"
        if trainer.is_global_zero and not self.bar:
            done, epochs = trainer.current_epoch + 1, trainer.max_epochs or 0
            left = (time.monotonic() - self.started) / done * (epochs - done)
            self.console.print(
                f"epoch {done}/{epochs}  loss {float(metrics['loss_epoch']):.4f}  val Dice {self.dice}  "
                f"{left // 60:.0f}:{left % 60:02.0f} left",
                highlight=False,
            )

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Leave the terminal as it was, also after an error."""
        if self.bar:
            self.bar.stop()
            self.bar = None
