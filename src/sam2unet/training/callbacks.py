"""What happens beside the steps: model files, files to resume from, averaged weights, telling how far the run is."""

import csv
import dataclasses
import shlex
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor

from ..errors import InputError, Stopped
from ..files import atomic_path
from ..weights import save_model
from .checkpoints import ResumeFiles, StopSignals
from .module import SegmentationModule
from .report import Report, duration


class SaveModels(pl.Callback):
    """Keeps `last.safetensors`, `best.safetensors` of the epoch with the highest validation Dice, and `metrics.csv`."""

    def __init__(self, folder: Path, report: Report):
        self.folder, self.report = folder, report
        self.history: list[dict[str, float]] = []
        """A row per epoch."""
        self.best: dict[str, float] = {}
        """The row of the best epoch."""
        self.best_dice: list[float] = []
        """Of each validation picture, in the best epoch."""
        self.seconds = 0.0
        self.started = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Start the epoch's clock."""
        self.started, self.seconds = time.monotonic(), 0.0

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """After each epoch; the first process writes."""
        assert isinstance(module, SegmentationModule)
        scores = module.scores.summary(module.model.card.class_names)
        row = {
            "epoch": trainer.current_epoch + 1, "step": trainer.global_step, "loss": module.mean_loss(), **scores,
            "threshold": module.scores.threshold(), "lr": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": round(self.elapsed(), 3),
        }  # fmt: skip
        better = row["val_dice"] > self.best.get("val_dice", -1.0)
        self.history.append(row)
        if better:
            self.best, self.best_dice = row, module.scores.dice.tolist()
        if not trainer.is_global_zero:
            return
        metrics = {name: value for name, value in scores.items() if value == value} | {"epoch": row["epoch"]}
        module.model.card = dataclasses.replace(module.model.card, threshold=row["threshold"], metrics=metrics)
        save_model(module.model, self.folder / "last.safetensors")
        if better:
            with atomic_path(self.folder / "best.safetensors") as partial:
                shutil.copyfile(self.folder / "last.safetensors", partial)
        with (
            atomic_path(self.folder / "metrics.csv") as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            table = csv.DictWriter(file, list(row))
            table.writeheader()
            table.writerows(self.history)
        for logger in trainer.loggers:
            logger.log_metrics({k: v for k, v in row.items() if k not in ("epoch", "step")}, row["step"])
        self.report.write(self.history, self.best, self.best_dice)

    def elapsed(self) -> float:
        """Seconds in this epoch, those before an interruption counted."""
        return self.seconds + time.monotonic() - self.started

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know."""
        return {"history": self.history, "best": self.best, "best_dice": self.best_dice, "seconds": self.elapsed()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with it."""
        self.history, self.best, self.best_dice = state["history"], state["best"], state["best_dice"]
        self.started, self.seconds = time.monotonic(), state["seconds"]


class EMA(pl.Callback):
    """An exponential moving average of what is trained and of the running statistics: validated, and kept in models.

    Lightning's own copies the whole module, the frozen trunk too. The average follows faster at the start:
    decay min(decay, (1 + step) / (10 + step)), as TensorFlow's ExponentialMovingAverage has it.
    """

    def __init__(self, decay: float):
        self.decay = decay
        self.step = 0
        self.average: dict[str, Tensor] = {}

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Begin with the weights as they are."""
        current = averaged(module)
        self.average = {
            name: self.average.get(name, value).detach().to(value.device, copy=True) for name, value in current.items()
        }

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Follow each step."""
        if trainer.global_step == self.step:
            return
        self.step = trainer.global_step
        weight = 1 - min(self.decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in averaged(module).items():
                self.average[name].lerp_(value, weight)

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Validate the average."""
        self._swap(module)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Train on with the weights themselves."""
        self._swap(module)

    @torch.no_grad()
    def _swap(self, module: pl.LightningModule) -> None:
        for name, value in averaged(module).items():
            kept = value.clone()
            value.copy_(self.average[name])
            self.average[name].copy_(kept)

    def state_dict(self) -> dict[str, Any]:
        """The average."""
        return {"step": self.step, "average": self.average}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with it."""
        self.step, self.average = state["step"], state["average"]


def averaged(module: pl.LightningModule) -> dict[str, Tensor]:
    """Trained parameters and floating running statistics, by name."""
    buffers = {name: value for name, value in module.named_buffers() if value.is_floating_point()}
    return {name: value for name, value in module.named_parameters() if value.requires_grad} | buffers


class SaveCheckpoints(pl.Callback):
    """Writes a checkpoint after an epoch, every few minutes inside one, and when asked to stop.

    Where epochs are short not after each, so that writing takes at most about a twentieth of the time.
    """

    SHARE = 20

    def __init__(self, files: ResumeFiles, minutes: float, run_record: str):
        self.files, self.seconds, self.run_record = files, 60 * minutes, run_record
        self.signals, self.saved, self.cost = StopSignals(), 0.0, 0.0

    def setup(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """All processes must begin alike: each has looked for the trunk and for the checkpoint itself."""
        if trainer.world_size > 1:
            records: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(records, self.run_record)
            if len(set(records)) > 1:
                raise InputError(
                    "the processes found different trunks or checkpoints; give all machines the same view of the "
                    "run's folder, and a trunk that all of them have with --trunk-weights FILE"
                )

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Listen, and start the clock."""
        if trainer.received_sigterm:
            raise Stopped("stopped by SIGTERM before the first step", 128 + signal.SIGTERM)
        self.signals.listen()
        self.saved = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Between two steps; not after the last of an epoch, which its validation follows."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches or trainer.is_last_batch:
            return
        stop, due = self._wishes(trainer, module, self.seconds)
        if stop or due:
            self._save(trainer)
        if stop:
            self._leave(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """After validation."""
        last = trainer.current_epoch + 1 == trainer.max_epochs
        stop, due = self._wishes(trainer, module, min(self.seconds, self.SHARE * self.cost))
        if stop or due or last:
            self._save(trainer)
        if stop and not last:
            self._leave(trainer)

    def _wishes(self, trainer: pl.Trainer, module: pl.LightningModule, seconds: float) -> list[bool]:
        """Whether to stop, and whether `seconds` have gone since the last file; the same in all processes."""
        wishes = torch.tensor([self.signals.received is not None, time.monotonic() - self.saved >= seconds])
        if trainer.world_size > 1:
            wishes = trainer.strategy.reduce(wishes.float().to(module.device), reduce_op="sum") > 0
        found: list[bool] = wishes.tolist()
        return found

    def _save(self, trainer: pl.Trainer) -> None:
        before = time.monotonic()
        trainer.save_checkpoint(self.files.path(trainer.global_step), weights_only=False)
        self.saved = time.monotonic()
        self.cost = self.saved - before

    def _leave(self, trainer: pl.Trainer) -> None:
        number = self.signals.received
        raise Stopped(
            f"stopped{f' by {number.name}' if number else ''} after step {trainer.global_step}, in epoch "
            f"{trainer.current_epoch + 1} of {trainer.max_epochs}; all of it is saved. Go on with: "
            f"sam2unet train --resume {shlex.quote(str(self.files.folder.parent))}",
            128 + (number or 15),
        )


class ProgressBar(pl.Callback):
    """One bar over the whole run on a terminal; elsewhere a line per epoch. Both say how long it will take."""

    def __init__(self, console: Console, models: SaveModels, total: int):
        self.console, self.models, self.total = console, models, total
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
            self.task = self.bar.add_task("starting", total=self.total, completed=trainer.global_step, left="")
            self.bar.start()
        self.eta.begin()

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """What lies between two epochs is no step."""
        self.eta.begin()

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Move the bar."""
        assert isinstance(module, SegmentationModule)
        self.eta.step()
        if self.bar:
            description = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  loss {module.step_loss:.3f}"
            if self.models.history:
                description += f"  val Dice {self.models.history[-1]['val_dice']:.4f}"
            self.bar.update(self.task, completed=trainer.global_step, description=description, left=self._left(trainer))

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Validation, and the files after it, have a pace of their own."""
        self.eta.begin()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Show the validation Dice."""
        self.eta.validation()
        if trainer.is_global_zero and not self.bar:
            row = self.models.history[-1]
            self.console.print(
                f"epoch {row['epoch']}/{trainer.max_epochs}  loss {row['loss']:.4f}  val Dice {row['val_dice']:.4f}  "
                f"{self._left(trainer)}",
                highlight=False,
            )

    def _left(self, trainer: pl.Trainer) -> str:
        batches = int(trainer.num_training_batches)
        epochs = (trainer.max_epochs or 0) - len(self.models.history)
        done = trainer.fit_loop.batch_idx + 1 if len(self.models.history) == trainer.current_epoch else 0
        seconds = self.eta.left(epochs * batches - done, epochs)
        return "" if seconds is None else f"{duration(seconds)} left"

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Leave the terminal as it was."""
        if self.bar:
            self.bar.stop()
            self.bar = None

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        """Likewise."""
        self.teardown(trainer, module, "fit")


class EtaEstimator:
    """How long the rest will take, from what batches and validations took so far.

    The first batches of a process wait for its readers and its memory, so they count only until others have come.
    """

    SLOW_START = 3

    def __init__(self) -> None:
        self.batches, self.seconds = 0, 0.0
        self.validations, self.validating = 0, 0.0
        self.last = 0.0

    def begin(self) -> None:
        """What comes next is timed from now."""
        self.last = time.monotonic()

    def step(self) -> None:
        """A batch is done."""
        if self.batches == self.SLOW_START:
            self.seconds = 0.0
        self.batches += 1
        self.seconds += time.monotonic() - self.last
        self.begin()

    def validation(self) -> None:
        """A validation is done."""
        self.validations += 1
        self.validating += time.monotonic() - self.last
        self.begin()

    def left(self, batches: int, validations: int) -> float | None:
        """Seconds for what is left; None as long as nothing is known. A validation before the first counts nothing."""
        if not self.batches:
            return None
        steady = self.batches - self.SLOW_START if self.batches > self.SLOW_START else self.batches
        return batches * self.seconds / steady + validations * self.validating / max(1, self.validations)
