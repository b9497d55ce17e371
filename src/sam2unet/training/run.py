"""A training run, from a folder of pairs to a model file."""

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console

from ..data import check_pairs, find_pairs, training_split
from ..data.report import print_check
from ..device import find_device, has_bf16
from ..errors import InputError
from ..network import SAM2UNet
from ..progress import progress_bar
from ..weights import OFFICIAL, Unreachable, cached, fetch, load_trunk
from .callbacks import SaveModels, ShowProgress
from .data_module import PairDataModule
from .module import SegmentationModule
from .recipe import Recipe, load_recipe, save_recipe


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, its model files, and the metrics of the best epoch."""

    folder: Path
    best: Path
    last: Path
    metrics: dict[str, float]


def train(
    data: str | Path,
    recipe: str | Path = "general",
    out: str | Path = "runs/train",
    *,
    device: str = "auto",
    devices: int = 1,
    console: Console | None = None,
    **changes: Any,
) -> Run:
    """Train a SAM2-UNet on a folder of pictures and masks; what `sam2unet train` does.

    The trunk is frozen when its weights are given and trained when it starts from scratch.

    Args:
        data: a folder of pairs, or one with `train`, and perhaps `val` and `test`; see `data.find_pairs`.
        recipe: the name of a recipe or a YAML file.
        out: the run's folder: best.safetensors, last.safetensors, recipe.yaml, metrics.csv, tensorboard/.
        device: "auto", "cpu", "cuda" or "mps".
        devices: how many of them, one process each.
        console: where progress is shown; default the standard error stream.
        changes: keys of the recipe to change, such as `epochs=5`.

    Raises:
        InputError: the data, the recipe or the folder can't be used; nothing has been trained then.
    """
    console = console or Console(stderr=True, highlight=False)
    resolved = load_recipe(recipe, changes)
    folder = Path(out)
    first = getattr(rank_zero_only, "rank", 0) == 0
    if first and (folder / "last.safetensors").exists():
        raise InputError(f"{folder}: holds a run already; name another folder with --out")
    find_device(device)
    listing = find_pairs(data, resolved.class_names if resolved.classes > 1 else ())
    if first:
        save_recipe(resolved, folder / "recipe.yaml")
        with progress_bar(console, "checking the data") as progress:
            check = check_pairs(listing, resolved.classes, progress)
        print_check(check, console)
        if check.errors:
            raise InputError(f"{data}: training would go wrong: {check.errors[0]}")
    training, validation = training_split(listing, resolved.val_share, resolved.seed, resolved.val_group)
    if len(validation) < devices:
        raise InputError(f"{data}: {len(validation)} validation pairs are too few for {devices} processes")
    pl.seed_everything(resolved.seed, verbose=False)
    model = build_model(resolved, console if first else Console(quiet=True))
    model.card.recipe = resolved.model_dump(mode="json")
    if first:
        height, width = model.card.size
        text = f"Training on {len(training)} pairs at {height}x{width}, validating on {len(validation)}; run: {folder}"
        _say(console, text)
    saver = SaveModels(folder)
    trainer = build_trainer(resolved, folder, device, devices, [saver, ShowProgress(console)])
    loaders = PairDataModule(training, validation, model.card, resolved)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")  # hints at settings that are ours to choose
        trainer.fit(SegmentationModule(model, resolved), loaders)
    return Run(folder, folder / "best.safetensors", folder / "last.safetensors", {"val_dice": saver.best})


def build_model(recipe: Recipe, console: Console) -> SAM2UNet:
    """The network that a recipe asks for, its trunk loaded and frozen, or fresh; says which."""
    model = SAM2UNet(recipe.trunk, recipe.classes)
    card = model.card
    card.size, card.stretch, card.class_names = recipe.height_width, recipe.stretch, recipe.class_names
    file = find_trunk_weights(recipe, console)
    if file:
        load_trunk(model, file)
    total = sum(p.numel() for p in model.parameters()) / 1e6
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad) / 1e6
    origin = f"from {file}, frozen" if file else "from scratch, trained with the rest"
    _say(console, f"Trunk: {recipe.trunk}, {origin}. {trained:.1f} of {total:.1f} million parameters are trained.")
    return model


def find_trunk_weights(recipe: Recipe, console: Console) -> Path | None:
    """The file of the trunk's weights; None to start from scratch.

    "auto" takes an official trunk from the hub's cache, else from the hub; if neither has it, it says so.
    """
    if recipe.trunk_weights == "none":
        return None
    if recipe.trunk_weights in OFFICIAL:
        return fetch(recipe.trunk_weights)
    if recipe.trunk_weights != "auto":
        return Path(recipe.trunk_weights)
    names = [name for name, entry in OFFICIAL.items() if entry.trunk == recipe.trunk]
    try:
        return fetch(next((name for name in names if cached(name)), names[0]))
    except Unreachable as error:
        _say(console, f"{error}. Training from scratch instead, which needs more data and time for the same quality.")
        return None


def build_trainer(
    recipe: Recipe, folder: Path, device: str = "auto", devices: int = 1, callbacks: list[pl.Callback] | None = None
) -> pl.Trainer:
    """Lightning's trainer as a recipe wants it."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    place = find_device(device)
    precision: Any = recipe.precision
    if precision == "auto":
        precision = "bf16-mixed" if has_bf16(place) else "32-true"
    return pl.Trainer(
        accelerator=place.type,
        devices=devices if place.index is None else [place.index],
        strategy="ddp" if devices > 1 else "auto",
        sync_batchnorm=place.type == "cuda" and devices > 1,  # torch has it for CUDA only
        precision=precision,
        max_epochs=recipe.epochs,
        gradient_clip_val=recipe.clip_norm,
        callbacks=callbacks,
        logger=[CSVLogger(folder, name="", version=""), TensorBoardLogger(folder, name="tensorboard", version="")],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
    )


def _say(console: Console, text: str) -> None:
    """A line with file names whole: neither wrapped nor taken for markup."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)
