"""sam2unet train"""

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InputError
from .options import DATA_OPTIONS, Device, Trunk, parse_key_value, progress_console, with_data_options


@with_data_options
def train(
    data_options: dict[str, Any],
    data: Annotated[
        Path | None,
        typer.Argument(help="A folder of images and masks, or one with train/ and perhaps val/.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run.", show_default=False)] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Continue the run in this folder; its data and recipe are used.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="Name of a recipe (default: auto), a YAML file, or a model file to repeat its training."),
    ] = None,
    trunk: Annotated[Trunk | None, typer.Option(help="Size of the trunk.")] = None,
    trunk_weights: Annotated[str | None, typer.Option(help="auto, none, an official name, or a file.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Length of the run in passes over the data.")] = None,
    steps: Annotated[int | None, typer.Option(help="Length of the run in optimizer steps.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per batch.")] = None,
    size: Annotated[
        int | None, typer.Option(help="Height and width that images are resized to; rounded to a multiple of 32.")
    ] = None,
    tile: Annotated[
        int | None, typer.Option(help="Train and predict tiles of this many pixels a side: for thin or small objects.")
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change any key of the recipe; repeatable.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan, with estimated time and memory, and write nothing.")
    ] = False,
    device: Device = "auto",
) -> None:
    """Train on a folder of images and masks, or resume a run."""
    if out and resume:
        raise InputError("--out starts a run and --resume continues one: give only one of them")
    if dry_run and (resume or not data):
        raise InputError("--dry-run is about a new run: name its data, and no run to resume")
    if not out and not resume and not dry_run:
        raise InputError("no folder for the run: give --out for a new one, or --resume to continue one")
    from ..system import is_main_process
    from ..training import current_key, unknown_key
    from ..training import dry_run as describe_run
    from ..training import train as run_training

    given: dict[str, Any] = {
        "trunk": trunk, "trunk_weights": trunk_weights, "epochs": epochs, "steps": steps,
        "batch_size": batch_size, "size": size, "tile": tile, "lr": lr, "seed": seed,
    }  # fmt: skip
    keys = {key: value for key, value in given.items() if value is not None}
    keys |= {key: value for key, value in data_options.items() if value != DATA_OPTIONS[key][1]}
    keys |= dict(map(parse_key_value, changes or []))
    for key in keys:
        if current_key(key) is None:
            raise InputError(f"--set {key}: {unknown_key(key)}")
    if dry_run and data:
        describe_run(data, recipe or "auto", device=device, console=progress_console(), **keys)
        return
    run = run_training(
        data, recipe or "auto", out or Path(), resume=resume, device=device, console=progress_console(), **keys
    )
    if is_main_process():
        print(f"Best model (val Dice {run.metrics['val_dice']:.4f}): {run.best}")
        print(f"Report: {run.report}")
