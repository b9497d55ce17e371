"""Lightning callbacks: model files and metrics after each epoch, and the moving average of the weights."""

import csv
import dataclasses
import shutil
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from ..files import atomic_path
from ..weights import save_model
from .module import SegmentationModule
from .report import Report


class SaveModels(pl.Callback):
    """Writes after each epoch `last.safetensors`, `best.safetensors` (highest validation Dice), metrics and report."""

    def __init__(self, folder: Path, report: Report):
        self.folder, self.report = folder, report
        self.history: list[dict[str, float]] = []
        """A row of metrics per epoch."""
        self.best: dict[str, float] = {}
        """The row of the best epoch."""
        self.best_dice: list[float] = []
        """Dice of each validation image in the best epoch."""
        self._seconds_before = 0.0
        self._started_at = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Start the epoch's clock; Lightning skips this hook when it resumes inside an epoch."""
        self._started_at, self._seconds_before = time.monotonic(), 0.0

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Add a row to the history; write the files in the main process."""
        assert isinstance(module, SegmentationModule)
        scores = module.scores.summary(module.model.card.class_names)
        row = {
            "epoch": trainer.current_epoch + 1, "step": trainer.global_step, "loss": module.mean_loss(), **scores,
            "threshold": module.scores.best_threshold(), "lr": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": round(self.epoch_seconds(), 3),
        }  # fmt: skip
        self.history.append(row)
        is_best = row["val_dice"] > self.best.get("val_dice", -1.0)
        if is_best:
            self.best, self.best_dice = row, module.scores.dice.tolist()
        if not trainer.is_global_zero:
            return
        metrics = {name: value for name, value in scores.items() if value == value} | {"epoch": row["epoch"]}  # no nan
        module.model.card = dataclasses.replace(module.model.card, threshold=row["threshold"], metrics=metrics)
        save_model(module.model, self.folder / "last.safetensors")
        if is_best:
            with atomic_path(self.folder / "best.safetensors") as partial:
                shutil.copyfile(self.folder / "last.safetensors", partial)
        self._write_csv()
        for logger in trainer.loggers:
            logger.log_metrics({k: v for k, v in row.items() if k not in ("epoch", "step")}, row["step"])
        self.report.write(self.history, self.best, self.best_dice)

    def _write_csv(self) -> None:
        with (
            atomic_path(self.folder / "metrics.csv") as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            table = csv.DictWriter(file, list(self.history[-1]))
            table.writeheader()
            table.writerows(self.history)

    def epoch_seconds(self) -> float:
        """Return the seconds spent in this epoch, including those before an interruption."""
        return self._seconds_before + time.monotonic() - self._started_at

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {
            "history": self.history, "best": self.best, "best_dice": self.best_dice, "seconds": self.epoch_seconds()
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self.history, self.best, self.best_dice = state["history"], state["best"], state["best_dice"]
        self._started_at, self._seconds_before = time.monotonic(), state["seconds"]


class EMA(pl.Callback):
    """Exponential moving average of trained parameters and batch-norm statistics, validated and saved in their place.

    Lightning's own callback copies the whole module, including the frozen trunk. The average follows faster at the
    start: its decay is min(decay, (1 + step) / (10 + step)), as in TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, decay: float):
        self.decay = decay
        self.step = 0
        self.average: dict[str, Tensor] = {}

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Start with the current weights, or with the average of a checkpoint."""
        self.average = {
            name: self.average.get(name, value).detach().to(value.device, copy=True)
            for name, value in averaged_tensors(module).items()
        }

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Update the average after each optimizer step."""
        if trainer.global_step == self.step:
            return
        self.step = trainer.global_step
        weight = 1 - min(self.decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in averaged_tensors(module).items():
                self.average[name].lerp_(value, weight)

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Put the average in place of the weights."""
        self._swap(module)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Restore the weights."""
        self._swap(module)

    @torch.no_grad()
    def _swap(self, module: pl.LightningModule) -> None:
        for name, value in averaged_tensors(module).items():
            weights = value.clone()
            value.copy_(self.average[name])
            self.average[name].copy_(weights)

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"step": self.step, "average": self.average}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self.step, self.average = state["step"], state["average"]


def averaged_tensors(module: pl.LightningModule) -> dict[str, Tensor]:
    """Return trained parameters and floating-point buffers by name."""
    buffers = {name: value for name, value in module.named_buffers() if value.is_floating_point()}
    return {name: value for name, value in module.named_parameters() if value.requires_grad} | buffers
