"""A training run, from a folder of pairs to a model file."""

import shlex
import warnings
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from rich.console import Console

from ..data import DataCheck, Listing, Pair, Polygons, check_pairs, find_pairs, print_check, training_split
from ..errors import InputError
from ..progress import progress_bar
from ..system import find_device, is_main_process, local_rank, retain_freed_memory, world_size
from .augmentation import Augment
from .build import build_model, build_trainer, find_trunk_weights, frozen_digest, precision_of
from .callbacks import EMA, ProgressBar, SaveCheckpoints, SaveModels
from .checkpoints import ResumeFiles, locked, read_run_record, step_of, write_run_record
from .loading import PairDataModule, training_batches
from .module import Loss, SegmentationModule
from .recipe import Recipe, load_recipe, save_recipe
from .report import Report, environment, pick_examples

LAST = "last.safetensors"


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path
    metrics: dict[str, float]
    """Of the best epoch: epoch, loss, val_loss, val_dice, val_iou, threshold, ...; of several classes each one's."""
    history: list[dict[str, float]] = field(default_factory=list)
    """The same of every epoch."""

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
        """The page to look at."""
        return self.folder / "report.html"


def train(
    data: str | Path | None = None,
    recipe: str | Path = "general",
    out: str | Path = "runs/train",
    *,
    resume: str | Path | None = None,
    device: str = "auto",
    loss: Loss | None = None,
    augment: Augment | None = None,
    console: Console | None = None,
    **changes: Any,
) -> Run:
    """Train a SAM2-UNet on a folder of pictures and masks; what `sam2unet train` does.

    The trunk is frozen when its weights are given and trained when it starts from scratch, unless the recipe says
    otherwise. Under torchrun all its processes train together.

    Args:
        data: a folder of pairs, or one with `train`, and perhaps `val` and `test`; see `data.find_pairs`. With `resume`
            only where the data has moved.
        recipe: the name of a recipe, a YAML file, or a model file, whose recipe is repeated.
        out: the run's folder: best.safetensors, last.safetensors, recipe.yaml, metrics.csv, report.html, tensorboard/,
            resume/.
        resume: the folder of a run to go on with; data and recipe come from it. It ends with the weights of a run that
            was never interrupted, on a CPU in float32 bit for bit if threads and versions are the same.
        device: "auto", "cpu", "cuda" or "mps".
        loss: (logits (B, classes, H, W), target) -> scalar, in place of the structure loss; called for each of the
            three outputs. The target is (B, 1, H, W) in [0, 1], or (B, H, W) int64 of several classes; 255 is ignored.
        augment: (image, mask, rng) -> (image, mask), after the recipe's own: image (3, H, W) in [0, 1], mask
            (1, H, W), or (H, W) of several classes, and a NumPy generator seeded for the sample.
        console: where progress is shown; default the standard error stream.
        changes: keys of the recipe to change, such as `epochs=5`.

    Raises:
        InputError: the data, the recipe or the folder can't be used, or the loss is no number any more.
        Stopped: Ctrl-C or SIGTERM; what was done is saved.
    """
    console = console or Console(stderr=True, highlight=False)
    folder = Path(resume or out)
    if resume is None:
        recipe_, run_record = start_run(folder, data, load_recipe(recipe, changes))
    else:
        if changes or recipe != "general":
            raise InputError(f"{folder}: a resumed run keeps its recipe; give no other, and no keys of it", "resume")
        recipe_, run_record = resume_run(folder, data)
        if "finished" in run_record:
            if is_main_process():
                _say(console, f"{folder}: finished. To train on: --set start_from={shlex.quote(str(folder / LAST))}")
            return Run(folder, **run_record["finished"])
    if device in ("auto", "cuda") and torch.cuda.is_available() and local_rank() is not None:
        torch.cuda.set_device(local_rank())  # else all processes begin on the first
    place = find_device(device)
    listing = find_pairs(run_record["data"], recipe_.class_names if recipe_.classes > 1 else ())
    with locked(folder) if is_main_process() else nullcontext():
        return _train(folder, recipe_, run_record, listing, place, loss, augment, console, resume is not None)


def start_run(folder: Path, data: str | Path | None, recipe: Recipe) -> tuple[Recipe, dict[str, Any]]:
    """The recipe of a run that begins, and what it will write down."""
    if data is None:
        raise InputError("name a folder of pictures and masks to train on, or a run to --resume")
    if is_main_process() and ((folder / LAST).exists() or ResumeFiles(folder).names()):
        raise InputError(
            f"{folder}: holds a run already; go on with --resume {shlex.quote(str(folder))}, or name another --out"
        )
    # Told whole, so that the run can go on, and the recipe be repeated, from another folder.
    files = {key: getattr(recipe, key) for key in ("trunk_weights", "start_from")}
    recipe = recipe.model_copy(update={k: str(Path(v).absolute()) for k, v in files.items() if v and Path(v).is_file()})
    return recipe, {"data": str(Path(data).absolute())}


def resume_run(folder: Path, data: str | Path | None) -> tuple[Recipe, dict[str, Any]]:
    """The recipe of a run that goes on, and what it wrote down."""
    if not (folder / "recipe.yaml").is_file():
        raise InputError(f"{folder}: holds no run to resume (no recipe.yaml)")
    run_record = read_run_record(folder)
    if "data" not in run_record or (ResumeFiles(folder).names() and "pairs" not in run_record):
        raise InputError(f"{folder}: holds no run to resume (no whole resume/run.json); train anew with another --out")
    if not data and not Path(run_record["data"]).is_dir():
        raise InputError(
            f"{run_record['data']}: no such folder; if the data has moved: train NEW_PLACE --resume {folder}"
        )
    return load_recipe(folder / "recipe.yaml"), run_record | ({"data": str(Path(data).absolute())} if data else {})


def _train(
    folder: Path, recipe: Recipe, run_record: dict[str, Any], listing: Listing, device: torch.device,
    loss: Loss | None, augment: Augment | None, console: Console, resumed: bool,
) -> Run:  # fmt: skip
    """The run in its folder, which no other process touches."""
    first, world = is_main_process(), world_size()
    say = partial(_say, console if first else Console(quiet=True))
    check = DataCheck(listing.root)
    if first:
        write_run_record(folder, run_record)
        save_recipe(recipe, folder / "recipe.yaml")
        with progress_bar(console, "checking the data") as progress:
            check = check_pairs(listing, recipe.classes, progress)
        print_check(check, console)
        if check.errors:
            raise InputError(f"{listing.root}: training would go wrong: {check.errors[0]}")
    training, validation = training_split(listing, recipe.val_share, recipe.seed, recipe.val_group)
    if len(validation) < world:
        raise InputError(f"{listing.root}: {len(validation)} validation pairs are too few for {world} processes")
    batches = training_batches(recipe, len(training), 0, world)
    if batches.left_out:
        say(f"look: the last {batches.left_out} of {len(training)} shuffled pictures are left out of each epoch: "
            "their batch would be too small")  # fmt: skip
    steps = -(-len(batches) // recipe.accumulate) * recipe.epochs
    files = ResumeFiles(folder)
    checkpoint = files.newest(lambda message: say(f"look: {message}")) if resumed else None
    done = step_of(checkpoint)
    pl.seed_everything(recipe.seed, verbose=False)
    trunk = run_record["trunk_file"] if checkpoint else find_trunk_weights(recipe, say)
    model = build_model(recipe, trunk, say)
    now = run_record | {
        "trunk_file": trunk and str(trunk), "frozen": frozen_digest(model), "processes": world,
        "pairs": {pair.key: _sizes(pair) for pair in (*training, *validation)},
        "loss": _name(loss), "augment": _name(augment),
        "threads": torch.get_num_threads(), "torch": torch.__version__, "device": device.type,
        "precision": precision_of(recipe, device), "recipe": recipe.model_dump(mode="json"),
    }  # fmt: skip
    if checkpoint:
        for change in changes_since(run_record, now, folder):
            say(f"look: {change}, so the weights will not be bit for bit those of an unbroken run")
    if first:
        write_run_record(folder, now)
    module = SegmentationModule(model, recipe, [pair.image for pair in training], len(validation), steps, loss)
    if recipe.precision == "64-true":
        module.double()  # Lightning does so only after loading a checkpoint, which would be rounded
    loaders = PairDataModule(training, validation, model.card, recipe, augment)
    height, width = model.card.size
    if checkpoint:
        say(f"Going on after step {done} of {steps}")
    say(f"Training on {len(training)} pairs at {height}x{width}, validating on {len(validation)}; run: {folder}")
    about = environment(device, now["precision"], world)
    report = Report(folder, recipe, check, (len(training), len(validation)), about)
    models = SaveModels(folder, report)
    with retain_freed_memory(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")  # hints at settings that are ours to choose
        callbacks = [
            models, *([EMA(recipe.ema)] if recipe.ema else []),
            SaveCheckpoints(files, recipe.save_minutes, f"{done} {now['frozen']}"), ProgressBar(console, models, steps),
        ]  # fmt: skip
        trainer = build_trainer(recipe, folder, device, callbacks, files, done)
        trainer.fit(module, loaders, ckpt_path=checkpoint, weights_only=True)
    run = Run(folder, models.best, models.history)
    if first:
        with progress_bar(console, "drawing the report") as progress:
            shown = pick_examples(run.best, validation, models.best_dice, device, progress)
        report.write(models.history, models.best, models.best_dice, shown)
        report.to_tensorboard(shown, steps)
        files.keep(1)
        write_run_record(folder, now | {"finished": {"metrics": run.metrics, "history": run.history}})
    return run


def changes_since(run_record: dict[str, Any], now: dict[str, Any], folder: Path) -> list[str]:
    """What is another than when the run began, in words, where it can go on all the same.

    Raises:
        InputError: it can't: other pairs, another frozen trunk, more or fewer processes, another loss or augmentation.
    """
    edited = [key for key, value in now["recipe"].items() if run_record["recipe"].get(key) != value]
    if edited:
        raise InputError(f"{folder / 'recipe.yaml'}: {edited[0]} is another than when the run began; set it back")
    if list(run_record["pairs"].items()) != list(now["pairs"].items()):
        others = {key for key, _ in run_record["pairs"].items() ^ now["pairs"].items()}
        differing = ", ".join(sorted(others)[:3]) or "another split"
        raise InputError(
            f"{now['data']}: holds other pairs than when {folder} began ({differing}); put them back, or train anew"
        )
    if run_record["frozen"] != now["frozen"]:
        raise InputError(f"{folder}: the frozen trunk is another than when the run began; put its file back")
    for key, what in (("processes", "processes"), ("loss", "loss"), ("augment", "augmentation of your own")):
        if run_record[key] != now[key]:
            raise InputError(f"{folder}: began with {what} {run_record[key]}, not {now[key]}; go on as it began")
    kept = "threads", "torch", "device", "precision"
    return [f"{key} {now[key]} in place of {run_record[key]}" for key in kept if now[key] != run_record[key]]


def _sizes(pair: Pair) -> str:
    """Bytes of a pair's files: other pictures often have the same names, hardly the same sizes."""
    mask = pair.mask.file if isinstance(pair.mask, Polygons) else pair.mask
    return f"{pair.image.stat().st_size}+{mask.stat().st_size}"


def _name(part: Any) -> str | None:
    return part and str(getattr(part, "__qualname__", type(part).__qualname__))


def _say(console: Console, text: str) -> None:
    """A line with file names whole: neither wrapped nor taken for markup."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)
