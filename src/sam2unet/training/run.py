"""A training run, from a folder of pairs to a model file."""

import dataclasses
import warnings
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from rich.console import Console

from ..data import (
    DataCheck,
    Listing,
    Pair,
    check_pairs,
    check_validation,
    find_pairs,
    print_check,
    training_split,
    write_check,
)
from ..errors import InputError
from ..network import SAM2UNet
from ..pages import format_duration, write_contact_sheet
from ..progress import progress_bar
from ..system import find_device, is_main_process, local_rank, retain_freed_memory, world_size
from ..weights import load_model
from .augmentation import Augment
from .build import build_model, build_trainer, digest_frozen, find_trunk_weights, precision_of
from .callbacks import EMA, SaveModels
from .checkpoints import CheckpointFiles, SaveCheckpoints, step_of
from .estimate import STEPS, estimate_run, out_of_memory_is_input_error
from .examples import pick_examples
from .loading import PairDataModule, RunLength, run_length, training_batches
from .module import Loss, SegmentationModule
from .plan import describe_plan, follow, make_plan, median_size, read_fingerprint, take_over
from .progress import ProgressBar
from .recipe import Recipe, load_recipe, save_recipe
from .report import Report, describe_environment
from .run_folder import lock_run_folder
from .run_record import RunRecord, changes_since, file_sizes, read_run_record, write_run_record

LAST = "last.safetensors"


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path
    metrics: dict[str, float]
    """Of the best epoch: epoch, step, loss, val_loss, val_dice, val_iou, threshold, lr, seconds; for several classes
    also val_dice/NAME and val_iou/NAME."""
    history: list[dict[str, float]] = field(default_factory=list)
    """The same for every epoch."""

    @property
    def best(self) -> Path:
        """The model of the epoch with the highest validation Dice."""
        return self.folder / "best.safetensors"

    @property
    def last(self) -> Path:
        """The model of the last epoch."""
        return self.folder / LAST

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / "report.html"


def train(  # noqa: PLR0913 (a public function; the keyword-only arguments all have defaults)
    data: str | Path | None = None,
    recipe: str | Path = "auto",
    out: str | Path = "runs/train",
    *,
    resume: str | Path | None = None,
    device: str = "auto",
    loss: Loss | str | None = None,
    augment: Augment | None = None,
    console: Console | None = None,
    **changes: Any,
) -> Run:
    """Train a SAM2-UNet on a folder of images and masks, or resume a run.

    The trunk is frozen if its weights come from a file and trained if it starts from scratch, unless the recipe sets
    `train_trunk`. Under torchrun all its processes train together.

    Args:
        data: a folder of pairs, or one with `train`, and perhaps `val` and `test`; see `data.find_pairs`. With `resume`
            only if the data has moved.
        recipe: name of a recipe, a YAML file, or a model file, whose recipe is used again.
        out: the run's folder, which receives best.safetensors, last.safetensors, recipe.yaml, metrics.csv, report.html,
            tensorboard/ and resume/.
        resume: folder of a run to resume; data and recipe come from it. The resumed run ends with the weights of one
            that was never interrupted; on a CPU in float32, with the same threads and versions, bit for bit.
        device: "auto", "cpu", "cuda" or "mps".
        loss: "structure" or "dice", as in a recipe; or (logits (B, classes, H, W), target) -> scalar, called for each
            of the network's outputs. The target is (B, 1, H, W) in [0, 1], for several classes (B, H, W) int64; 255 is
            to be ignored.
        augment: (image, mask, rng) -> (image, mask), applied after the recipe's augmentation. The image is (3, H, W) in
            [0, 1], the mask like the loss's target without its first dimension; rng is NumPy's, seeded for the sample.
        console: where progress and messages are printed; default standard error.
        changes: keys of the recipe to change, such as `epochs=5`.

    Returns:
        The finished run, with the paths of its files and its metrics.

    Raises:
        InputError: data, recipe, device or folder can't be used, or the loss is not finite any more.
        Stopped: Ctrl-C or SIGTERM; a checkpoint is saved.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import sam2unet
    >>> from sam2unet.data import write_scenes
    >>> folder = tempfile.TemporaryDirectory()
    >>> data, out = Path(folder.name, "data"), Path(folder.name, "run")
    >>> write_scenes(data, train=4, test=1, side=64)
    >>> run = sam2unet.train(data, out=out, trunk="tiny", trunk_weights="none", size=64, epochs=1, workers=0)
    >>> run.best.is_file(), len(run.history)
    (True, 1)
    >>> folder.cleanup()
    """
    console = console or Console(stderr=True, highlight=False)
    if not is_main_process():
        console = Console(quiet=True)
    folder = Path(resume or out)
    if loss is not None and not callable(loss):
        changes, loss = changes | {"loss": loss}, None
    if resume is None:
        resolved, record = start_run(folder, data, load_recipe(recipe, changes))
    else:
        if changes or recipe != "auto":
            raise InputError(f"{folder}: a resumed run keeps its recipe: give neither a recipe nor keys of one")
        resolved, record = resume_run(folder, data)
        if record.finished:
            print_line(
                console,
                f"{folder}: the run is finished. To train its model further, start another run with "
                f"start_from={folder / LAST}",
            )
            return Run(folder, **record.finished)
    if device in ("auto", "cuda") and torch.cuda.is_available() and local_rank() is not None:
        torch.cuda.set_device(local_rank())  # else the first GPU would hold memory of all processes
    torch_device = find_device(device)
    listing = find_pairs(record.data, resolved.data_options)
    with lock_run_folder(folder) if is_main_process() else nullcontext():
        return _Training(folder, resolved, record, listing, torch_device, loss, augment, console).run(bool(resume))


def dry_run(
    data: str | Path, recipe: str | Path = "auto", *, device: str = "auto", console: Console | None = None,
    **changes: Any,
) -> Recipe:  # fmt: skip
    """Check the data, plan a run, and print what it would do and how long it would take; write nothing.

    Args:
        data: see `train`.
        recipe: see `train`.
        device: see `train`.
        console: see `train`.
        changes: see `train`.

    Returns:
        The recipe of the run, with nothing left to a plan.

    Raises:
        InputError: data, recipe or device can't be used, or the memory does not suffice.
    """
    console = console or Console(stderr=True, highlight=False)
    loaded = load_recipe(recipe, changes)
    listing = find_pairs(data, loaded.data_options)
    return _Training(Path(), loaded, RunRecord(str(data)), listing, find_device(device), None, None, console).dry_run()


def start_run(folder: Path, data: str | Path | None, recipe: Recipe) -> tuple[Recipe, RunRecord]:
    """Return the recipe of a new run, with absolute paths, and its record.

    Raises:
        InputError: there is no data, or the folder contains a run.
    """
    if data is None:
        raise InputError("no data to train on: name a folder of images and masks, or a run to resume", "resume")
    if is_main_process() and ((folder / LAST).exists() or CheckpointFiles(folder).names()):
        raise InputError(f"{folder}: contains a run already: resume it, or choose another folder", "resume", "out")
    # Absolute, so that the run can be resumed, and its recipe be used again, from another folder.
    files = {key: getattr(recipe, key) for key in ("trunk_weights", "start_from", "pairs", "mask_values")}
    recipe = recipe.model_copy(update={k: str(Path(v).absolute()) for k, v in files.items() if v and Path(v).is_file()})
    return recipe, RunRecord(str(Path(data).absolute()))


def resume_run(folder: Path, data: str | Path | None) -> tuple[Recipe, RunRecord]:
    """Return the recipe of an interrupted run and its record, with the new place of its data if that has moved.

    Raises:
        InputError: the folder contains no run, or the run's data is gone.
    """
    if not (folder / "recipe.yaml").is_file():
        raise InputError(f"{folder}: contains no run to resume (no recipe.yaml)")
    record = read_run_record(folder)
    if record is None or (CheckpointFiles(folder).names() and not record.pairs):
        raise InputError(
            f"{folder}: contains no run to resume (no complete resume/run.json): train again in another folder", "out"
        )
    if not data and not Path(record.data).is_dir():
        raise InputError(f"{record.data}: no such folder: if the data has moved, name its new folder too", "data")
    recipe = load_recipe(folder / "recipe.yaml")
    return recipe, dataclasses.replace(record, data=str(Path(data).absolute())) if data else record


@dataclass(frozen=True)
class _Training:
    """The steps of a run in its folder, which is locked. Only the main process writes files."""

    folder: Path
    recipe: Recipe
    record: RunRecord
    """The conditions when the run started; those of this process are determined in `_conditions`."""
    listing: Listing
    device: torch.device
    loss: Loss | None
    augment: Augment | None
    console: Console

    def run(self, resumed: bool) -> Run:
        """Train; from the newest checkpoint if `resumed`."""
        if is_main_process():  # what a resumed run needs, before anything slow
            write_run_record(self.folder, self.record)
            save_recipe(self.recipe, self.folder / "recipe.yaml")
        check = self._check_data()
        if is_main_process():
            write_check(self.folder / "data.json", check)
            write_contact_sheet(self.folder / "data.html", check, self.recipe.data_options)
        training, validation = self._split(check)
        checkpoint = self.files.find_newest(self._warn) if resumed else None
        trunk_file = self.record.trunk_file if checkpoint else find_trunk_weights(self.recipe, self._print)
        planned = dataclasses.replace(self, recipe=self._planned(check, training, validation, bool(trunk_file)))
        return planned._train(check, (training, validation), trunk_file, checkpoint)

    def dry_run(self) -> Recipe:
        """Print what a run would do, and how long it would take; return its recipe."""
        check = self._check_data()
        training, validation = self._split(check)
        trunk_file = find_trunk_weights(self.recipe, self._print)
        recipe = self._planned(check, training, validation, bool(trunk_file))
        planned = dataclasses.replace(self, recipe=recipe)
        length = planned._run_length(len(training))
        model = build_model(recipe, trunk_file, self._print)
        planned._print(planned._describe(len(training), len(validation), length))
        size = median_size(check, validation)
        with retain_freed_memory():
            found = estimate_run(model, recipe, length, len(validation), size, self.device)
        memory = f", {found.bytes / 2**30:.1f} GiB of memory" if found.bytes else ""
        self._print(f"Estimated from {STEPS} steps on this machine: {format_duration(found.seconds)}{memory}")
        return recipe

    def _planned(
        self, check: DataCheck, training: list[Pair], validation: list[Pair], has_trunk_weights: bool
    ) -> Recipe:
        """Decide what the recipe leaves to a plan, and print why."""
        if not self.recipe.plan:
            return self.recipe
        with progress_bar(self.console, "measuring the objects") as progress:
            fingerprint = read_fingerprint(check, training, len(validation), self.recipe, has_trunk_weights, progress)
        given = self.recipe
        if given.start_from:
            given = take_over(given, load_model(given.start_from).card)
        plan = make_plan(fingerprint, given)
        recipe = follow(given, plan)
        self._print(describe_plan(plan, self.recipe, recipe))
        return recipe

    def _train(
        self, check: DataCheck, split: tuple[list[Pair], list[Pair]], trunk_file: Path | str | None,
        checkpoint: Path | None,
    ) -> Run:  # fmt: skip
        """Train by a recipe that leaves nothing open."""
        training, validation = split
        if is_main_process():
            save_recipe(self.recipe, self.folder / "recipe.yaml")
        length = self._run_length(len(training))
        pl.seed_everything(self.recipe.seed, verbose=False)
        model = build_model(self.recipe, trunk_file, self._print)
        model.card = dataclasses.replace(model.card, mask_values=str(check.reading))
        record = self._conditions(model, trunk_file, [*training, *validation])
        if checkpoint:
            for change in changes_since(self.record, record, self.folder):
                self._warn(f"{change}: the weights will not be bit for bit those of an uninterrupted run")
            self._print(f"Resuming after step {step_of(checkpoint)} of {length.steps}")
        if is_main_process():
            write_run_record(self.folder, record)
        images = [pair.image for pair in training]
        module = SegmentationModule(model, self.recipe, images, len(validation), length, self.loss)
        loaders = PairDataModule(training, validation, model.card, self.recipe, self.augment)
        environment = describe_environment(self.device, record.precision, record.processes)
        report = Report(self.folder, self.recipe, check, (len(training), len(validation)), length.epochs, environment)
        models = SaveModels(self.folder, report)
        self._fit(module, loaders, models, record, checkpoint)
        if is_main_process():
            self._finish(models, validation, record, length.steps)
        return Run(self.folder, models.best, models.history)

    @property
    def files(self) -> CheckpointFiles:
        """The checkpoints."""
        return CheckpointFiles(self.folder)

    def _check_data(self) -> DataCheck:
        """Read and check every pair, in each process."""
        with progress_bar(self.console, "checking the data") as progress:
            check = check_pairs(self.listing, self.recipe.data_options, progress)
        print_check(check, self.console)
        return check

    def _split(self, check: DataCheck) -> tuple[list[Pair], list[Pair]]:
        """Return training and validation pairs; warn if scores of those held out would say nothing.

        Raises:
            InputError: the check found errors, or there are too few pairs.
        """
        if check.errors:
            first = check.errors[0]
            raise InputError(f"{self.listing.root}: training would go wrong: {first}", *first.parameters)
        training, validation = training_split(
            self.listing, self.recipe.val_share, self.recipe.seed, self.recipe.val_group
        )
        if len(validation) < world_size():
            raise InputError(
                f"{self.listing.root}: {len(validation)} validation pairs are too few for {world_size()} processes"
            )
        if not self.listing.pairs.get("val"):  # else they are checked already
            held_out = set(validation)
            checks = [found for found in check.pairs if found.pair in held_out]
            where = f"{self.listing.root} (held out for validation)"
            for finding in check_validation(where, checks, self.recipe.data_options):
                self._warn(finding)
        return training, validation

    def _run_length(self, num_training: int) -> RunLength:
        """Return the length of the whole run; warn if images are dropped."""
        batches = training_batches(self.recipe, num_training, 0, world_size())
        if batches.num_dropped:
            self._warn(
                f"the last {batches.num_dropped} of {num_training} shuffled images are dropped in each epoch: "
                "their batch would be too small"
            )
        return run_length(self.recipe, batches)

    def _conditions(self, model: SAM2UNet, trunk_file: Path | str | None, pairs: list[Pair]) -> RunRecord:
        """Return the record of this process."""
        return RunRecord(
            data=self.record.data,
            trunk_file=str(trunk_file) if trunk_file else None,
            frozen=digest_frozen(model),
            processes=world_size(),
            pairs={pair.key: file_sizes(pair) for pair in pairs},
            loss=_name(self.loss),
            augment=_name(self.augment),
            threads=torch.get_num_threads(),
            torch=torch.__version__,
            device=self.device.type,
            precision=precision_of(self.recipe, self.device),
            recipe=self.recipe.model_dump(mode="json"),
        )

    def _fit(
        self, module: SegmentationModule, loaders: PairDataModule, models: SaveModels, record: RunRecord,
        checkpoint: Path | None,
    ) -> None:  # fmt: skip
        """Run Lightning's loop."""
        description = self._describe(len(loaders.training), len(loaders.validation), module.length)
        self._print(f"{description}; run: {self.folder}")
        steps_done = step_of(checkpoint)
        fingerprint = f"{steps_done} {record.frozen}"
        with retain_freed_memory(), out_of_memory_is_input_error(self.recipe), warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")  # advice on settings that are deliberate
            callbacks = [
                models, *([EMA(self.recipe.ema)] if self.recipe.ema else []),
                SaveCheckpoints(self.files, self.recipe.save_minutes, fingerprint, self.console),
                ProgressBar(self.console, models, module.length.steps),
            ]  # fmt: skip
            trainer = build_trainer(
                self.recipe, module.length.epochs, self.folder, self.device, callbacks, self.files, steps_done
            )
            trainer.fit(module, loaders, ckpt_path=checkpoint, weights_only=True)

    def _describe(self, num_training: int, num_validation: int, length: RunLength) -> str:
        height, width = self.recipe.height_width
        shown = f", in tiles of {self.recipe.tile} pixels resized to" if self.recipe.tile else " at"
        return (
            f"Training on {num_training} pairs{shown} {height}x{width}, validating on {num_validation}; "
            f"epochs: {length.epochs}, steps: {length.steps}"
        )

    def _finish(self, models: SaveModels, validation: list[Pair], record: RunRecord, total_steps: int) -> None:
        """Complete the report, remove what only an interrupted run needs, and record the end."""
        with progress_bar(self.console, "drawing the report") as progress:
            best = self.folder / "best.safetensors"
            examples = pick_examples(best, validation, models.best_dice, self.device, progress)
        models.report.write(models.history, models.best, models.best_dice, examples)
        models.report.to_tensorboard(examples, total_steps)
        self.files.keep_newest()
        finished = {"metrics": models.best, "history": models.history}
        write_run_record(self.folder, dataclasses.replace(record, finished=finished))

    def _print(self, text: str) -> None:
        print_line(self.console, text)

    def _warn(self, text: str) -> None:
        print_line(self.console, f"warning: {text}")


def _name(function: Any) -> str | None:
    """Return a function's name, or that of a callable object's class."""
    return function and str(getattr(function, "__qualname__", type(function).__qualname__))


def print_line(console: Console, text: str) -> None:
    """Print plain text, neither wrapped nor parsed as markup, so that file names stay whole."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)
