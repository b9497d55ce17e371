"""The commands, one thin function each; heavy imports are inside the functions."""

import os
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .errors import InputError, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from rich.console import Console

    from .evaluation import Evaluation

app = typer.Typer(
    name="sam2unet",
    help="Train, predict and evaluate with SAM2-UNet.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(no_args_is_help=True, help="Look at a folder of pictures and masks; sample scenes; a split.")
weights_app = typer.Typer(no_args_is_help=True, help="Official trunk weights and model files.")
app.add_typer(data_app, name="data")
app.add_typer(weights_app, name="weights")

Trunk = Literal["tiny", "small", "base_plus", "large"]

Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]


def main() -> None:
    """Run a command; bad input ends in one sentence and exit code 2."""
    debug = "--debug" in sys.argv
    try:
        app(args=[argument for argument in sys.argv[1:] if argument != "--debug"])
    except (InputError, OSError) as error:
        if debug:
            raise
        print(f"sam2unet: {error}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as end:
        if end.code == 130:  # what typer makes of Ctrl-C
            print("sam2unet: interrupted", file=sys.stderr)
        raise
    except Stopped as stop:
        if int(os.environ.get("RANK", 0)) == 0:
            print(f"sam2unet: {stop}", file=sys.stderr)
        sys.exit(stop.code)


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of bad input too.")] = False,
) -> None:
    if version:
        from . import __version__

        print(__version__)
        raise typer.Exit


@app.command()
def train(
    data: Annotated[
        Path | None, typer.Argument(help="A folder of pairs, or one with train/ (and val/).", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder.", show_default=False)] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the run in this folder; data and recipe come from it.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="A recipe's name (default general), a YAML file, or a model to repeat.")
    ] = None,
    trunk: Annotated[Trunk | None, typer.Option(help="Size of the trunk.")] = None,
    trunk_weights: Annotated[str | None, typer.Option(help="auto, none, an official name, or a file.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Pictures per batch.")] = None,
    size: Annotated[
        int | None, typer.Option(help="Side that pictures are resized to; to the nearest multiple of 32.")
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="key=value, any key of the recipe.")] = None,
    device: Device = "auto",
) -> None:
    """Train on a folder of pictures and masks, or go on with a run."""
    if out and resume:
        raise InputError("--out begins a run and --resume goes on with one: name one of them")
    if not out and not resume:
        raise InputError("name a folder for the run with --out, or a run to go on with by --resume")
    from .training import train as run_training
    from .training.recipe import Recipe, unknown_key

    given: dict[str, Any] = {
        "trunk": trunk, "trunk_weights": trunk_weights, "epochs": epochs, "batch_size": batch_size,
        "size": size, "lr": lr, "seed": seed,
    }  # fmt: skip
    changed = {key: value for key, value in given.items() if value is not None} | dict(map(_key_value, changes or []))
    for key in changed.keys() - Recipe.model_fields.keys():
        raise InputError(f"--set {key}: {unknown_key(key)}")
    run = run_training(
        data, recipe or "general", out or Path(), resume=resume, device=device, console=_console(), **changed
    )
    if int(os.environ.get("RANK", 0)) == 0:
        print(f"Best model (val Dice {run.metrics['val_dice']:.4f}): {run.best}")
        print(f"Report: {run.report}")


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A model file, an upstream SAM2-UNet .pth, or an exported file.")],
    inputs: Annotated[list[str], typer.Argument(help="Pictures, folders or globs; - for stdin.", metavar="INPUT...")],
    out: Annotated[Path, typer.Option(help="Where the masks go: OUT/NAME.png; - for stdout.")],
    overlay: Annotated[bool, typer.Option("--overlay", help="Short for --save overlay.")] = False,
    threshold: Annotated[
        str, typer.Option(help="Probability from which a pixel counts; best: what was best in validation.")
    ] = "0.5",
    save: Annotated[
        list[str] | None,
        typer.Option(
            help="What else, once each: overlay, probability, probability16, npy, cutout, table, rle, polygons."
        ),
    ] = None,
    mask_bits: Annotated[int, typer.Option(help="Of masks of one class: 8 (0/255) or 1.")] = 8,
    min_part: Annotated[int, typer.Option(help="Parts of fewer pixels are taken out of the mask.")] = 0,
    min_hole: Annotated[int, typer.Option(help="Holes of fewer pixels are filled.")] = 0,
    tile: Annotated[
        int | None, typer.Option(help="Predict squares of so many pixels one by one: for large pictures, thin things.")
    ] = None,
    overlap: Annotated[float, typer.Option(help="Share of a tile that the next one covers too.")] = 0.25,
    flip_tta: Annotated[bool, typer.Option("--flip-tta", help="The mean with the mirrored picture's.")] = False,
    scales: Annotated[
        str, typer.Option(help="The mean over factors of the network's size, such as 0.75,1,1.25.")
    ] = "1",
    letterbox: Annotated[bool, typer.Option("--letterbox", help="Keep the aspect, with bars.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Predict again what is there.")] = False,
    shard: Annotated[
        str | None, typer.Option(help="K/N: of N machines the K-th; under torchrun each process has its own.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="A line of JSON on stdout for each picture.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but what went wrong.")] = False,
    most_pixels: Annotated[
        int | None, typer.Option(help="A picture with more is refused. Default 400 million.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Pictures or tiles a pass. Default 1 on a CPU, else 8.")
    ] = None,
    trunk_weights: Annotated[Path | None, typer.Option(help="The frozen trunk's file, if it is not found.")] = None,
    backend: Annotated[
        Literal["auto", "torch", "openvino", "onnxruntime"],
        typer.Option(help="What runs the network; auto: the fastest that is installed for the device."),
    ] = "auto",
    precision: Annotated[Literal["auto", "float32", "bf16"], typer.Option(help="Of the arithmetic.")] = "auto",
    device: Device = "auto",
) -> None:
    """Predict masks at each picture's own size."""
    from json import dumps

    from .device import device_of_rank
    from .prediction import MOST_PIXELS, Outputs, Predictor, Views, find_inputs, predict_folder, predict_to

    part = _shards(shard)
    factors = _numbers(scales, "--scales")
    views = Views(tile, overlap, flip_tta, factors, letterbox)
    border = 0.5 if threshold == "best" else _probability(threshold)
    kinds = frozenset([*(save or []), *(["overlay"] if overlay else [])])
    outputs = Outputs(kinds, border, mask_bits, min_part, min_hole)
    found = find_inputs(inputs, out, part)
    with nullcontext() if quiet else _console().status("making the network ready"):  # slow where first compiled
        predictor = Predictor(
            model, device_of_rank(device), backend, precision, trunk_weights=trunk_weights, batch_size=batch_size,
            views=views,
            most_pixels=MOST_PIXELS if most_pixels is None else most_pixels,
        )  # fmt: skip
    if threshold == "best":
        outputs = replace(outputs, threshold=predictor.card.threshold)
    if str(out) == "-":
        if json:
            raise InputError("--json and the picture can't both go to stdout: name a folder with --out")
        return predict_to(predictor, found, outputs, sys.stdout.buffer)
    with nullcontext(lambda *_: None) if quiet else _progress("predicting") as progress:
        result = predict_folder(
            predictor, found, out, outputs, shard=part, overwrite=overwrite, progress=progress,
            told=(lambda line: print(dumps(line), flush=True)) if json else None,
        )  # fmt: skip
    _wait_for_all()
    if not quiet:
        kept = f", {result.kept} were there already (--overwrite predicts them again)" if result.kept else ""
        said = f"{result.done} predicted by {predictor.backend.name}{kept}: {out}"
        print(said, file=sys.stderr if json else sys.stdout)
    for message in result.failed:
        print(f"sam2unet: {message}", file=sys.stderr)
    if result.failed:
        print(f"sam2unet: {len(result.failed)} failed, {result.done + result.kept} done", file=sys.stderr)
        raise typer.Exit(1 if result.done or result.kept else 2)


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="A model file, or an upstream SAM2-UNet .pth.")],
    out: Annotated[Path, typer.Option(help="The folder of OUT/MODEL.onnx, or OUT/MODEL.xml and .bin.")],
    format: Annotated[Literal["onnx", "openvino"], typer.Option(help="Of the file.")] = "onnx",
    size: Annotated[
        int | None, typer.Option(min=32, help="Side of its input; a multiple of 32; default the model's.")
    ] = None,
    input: Annotated[
        Literal["normalised", "pictures"],
        typer.Option(help="normalised: (batch, 3, side, side) float32; pictures: (batch, side, side, 3) uint8."),
    ] = "normalised",
    output: Annotated[Literal["probability", "logits"], typer.Option(help="What it gives.")] = "probability",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    trunk_weights: Annotated[Path | None, typer.Option(help="The frozen trunk's file, if it is not found.")] = None,
) -> None:
    """Write a file that runs without torch; it is compared with the network before it is kept."""
    from .export import export_model, exported_files
    from .weights import load_model

    if any(file.exists() and file.samefile(model) for file in exported_files(out, model.stem, format)):
        raise InputError(f"{model} would be replaced by its own export: name another folder with --out")
    file = export_model(
        load_model(model, trunk_weights), out, model.stem, format, size=None if size is None else (size, size),
        pictures=input == "pictures", probability=output == "probability", overwrite=overwrite,
    )  # fmt: skip
    size_in_bytes = sum(part.stat().st_size for part in exported_files(out, model.stem, format))
    print(f"{file} ({size_in_bytes / 1e6:.0f} MB)")


@app.command()
def evaluate(
    predictions: Annotated[Path, typer.Argument(help="A folder of maps or masks.")],
    masks: Annotated[Path, typer.Argument(help="A folder of masks, or of pictures and masks.")],
    json: Annotated[Path | None, typer.Option(help="Write the metrics as JSON.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the scores of each picture as CSV.")] = None,
    latex: Annotated[Path | None, typer.Option(help="Write the metrics as a LaTeX table.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a self-contained report.")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Show the metrics of a task of the paper only; see `data list`.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="The report's title.")] = None,
    classes: Annotated[
        int | None, typer.Option(min=1, max=254, help="Classes, background counted; found out if left out.")
    ] = None,
    threshold: Annotated[float, typer.Option(help="Of the metrics of the map as saved.")] = 0.5,
    beta2: Annotated[float, typer.Option(help="β² of the F-measure.")] = 0.3,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first prediction that is not as it should be.")
    ] = False,
    processes: Annotated[int | None, typer.Option(min=1, help="Default: as many as there are cores.")] = None,
    shard: Annotated[
        str, typer.Option(help="K/N: only the K-th of N shares; `merge` makes one of their --json.")
    ] = "1/1",
) -> None:
    """The field's metrics of a folder of predictions."""
    from . import evaluation
    from .data.catalogue import task_named
    from .evaluation import tables

    title = title or f"Evaluation of {predictions}"
    wanted = task_named(protocol).metrics if protocol else ()
    if evaluation.holds_classes(predictions, classes):
        for option, given in (("--protocol", protocol), ("--latex", latex), ("--strict", strict),
                              ("--shard", shard != "1/1"), ("--threshold", threshold != 0.5),
                              ("--beta2", beta2 != 0.3), ("--processes", processes)):  # fmt: skip
            if given:
                raise InputError(f"{option} is for one class, these are several; --classes 1 makes them one")
        with _progress("evaluating") as progress:
            result = evaluation.evaluate_classes(predictions, masks, classes, progress)
        tables.print_classes(result)
        if json:
            more = {"confusion": result.confusion.tolist(), "class_names": result.names}
            tables.write_json(json, result.metrics, predictions, masks, **more)
        with tables.csv_of_pictures(csv) as write:
            for item in result.items:
                write(item.name, {"mDice": item.dice})
        if html:
            evaluation.write_class_report(html, result, title)
        return

    options = evaluation.Options(threshold, beta2, strict)
    with _progress("evaluating") as progress, tables.csv_of_pictures(csv) as write:
        found = evaluation.evaluate_folder(
            predictions, masks, options, shard=_shard(shard), processes=processes, progress=progress,
            on_picture=lambda item: write(item.name, item.values),
        )  # fmt: skip
    metrics = found.totals.metrics()
    # A share may hold no picture, and then no metric.
    chosen = {name: metrics[name] for name in (*wanted, "images") if name in metrics} if wanted else metrics
    tables.print_metrics(chosen)
    if json:
        tables.write_json(json, metrics, predictions, masks, shard=shard, **found.as_json())
    if latex:
        tables.write_latex(latex, chosen, predictions.name)
    if html:
        evaluation.write_report(html, found, title)
    _remark(found)


@app.command()
def merge(
    parts: Annotated[list[Path], typer.Argument(help="What `evaluate --shard K/N --json` wrote, K from 1 to N.")],
    json: Annotated[Path | None, typer.Option(help="Write the metrics as JSON.")] = None,
) -> None:
    """The metrics of a whole folder from those of its shares: to the last digit what one machine would have found."""
    from .evaluation import tables

    found, predictions, masks = tables.merge_json(parts)
    metrics = found.totals.metrics()
    tables.print_metrics(metrics)
    if json:
        tables.write_json(json, metrics, predictions, masks, shard="1/1", **found.as_json())
    _remark(found)


def _remark(result: "Evaluation") -> None:
    """Say what the scores hide; exit code 1 if pictures were left out."""
    for remark in result.remarks():
        print(f"sam2unet: {remark}", file=sys.stderr)
    if result.left_out:
        raise typer.Exit(1)


def _shards(text: str | None) -> tuple[int, int]:
    """What `--shard` says, shared by the processes that torchrun started."""
    number, of = _shard(text) if text else (1, 1)
    if "RANK" not in os.environ:
        return number, of
    processes = int(os.environ.get("WORLD_SIZE", 1))
    return (number - 1) * processes + int(os.environ["RANK"]) + 1, of * processes


def _wait_for_all() -> None:
    """torchrun ends all processes as soon as one ends with an error."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        from torch.distributed import rendezvous

        store, _, processes = next(iter(rendezvous("env://", timeout=timedelta(days=99))))
        store.add("sam2unet/done", 1)
        while store.add("sam2unet/done", 0) < processes:
            time.sleep(0.2)


def _shard(text: str) -> tuple[int, int]:
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise InputError(f"--shard is {text!r}: it must be K/N with K from 1 to N, such as 2/3")
    return int(number), int(of)


@app.command()
def benchmark(
    data: Annotated[Path, typer.Option(help="A folder that holds the sets, in whatever layout; see `data check`.")],
    model: Annotated[Path | None, typer.Argument(help="A model file or a checkpoint of the authors.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="camouflage, salient, marine, mirror, polyp, or all.")] = None,
    maps: Annotated[
        list[str] | None, typer.Option(help="FOLDER or NAME=FOLDER: maps of another method, a folder for each set.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Maps, and the tables in all forms.")] = Path("runs/benchmark"),
    strict: Annotated[
        bool, typer.Option("--strict", help="Give no score to a set with a map that is not as it should be.")
    ] = False,
    trunk_weights: Annotated[Path | None, typer.Option(help="Where the frozen trunk of the model is.")] = None,
    device: Device = "auto",
    processes: Annotated[int | None, typer.Option(min=1, help="Default: as many as there are cores.")] = None,
) -> None:
    """The paper's tables: a model and other methods on the paper's test sets, beside what the paper reports.

    The model predicts under the published protocol. Its maps are kept: what was done is not done again.
    """
    from . import benchmark as room
    from .data.catalogue import chosen_sets, find_sets

    if not model and not maps:
        raise InputError("nothing to measure: give a model, or --maps FOLDER")
    methods = {}
    for given in maps or []:
        name, named, folder = given.partition("=")
        if not named or Path(given).is_dir():
            name, folder = Path(given).resolve().name, given
        if name in methods:
            raise InputError(f"--maps names {name} twice; call one of them otherwise, as NAME=FOLDER")
        methods[name] = Path(folder)
    finding = find_sets(data, chosen_sets(task or []))
    result = room.benchmark(
        finding, out, model, methods, device=device, trunk_weights=trunk_weights, strict=strict,
        processes=processes, progress=_progress,
    )  # fmt: skip
    room.print_tables(result, _table_console())
    for remark in result.remarks:
        print(f"sam2unet: {remark}", file=sys.stderr)
    room.write_json(out / "benchmark.json", result)
    room.write_csv(out / "benchmark.csv", result)
    room.write_latex(out / "benchmark.tex", result)
    room.write_markdown(out / "benchmark.md", result)
    room.write_page(out / "benchmark.html", result, "SAM2-UNet on the paper's test sets")
    if result.failed or any(row.evaluation.left_out for row in result.rows):
        raise typer.Exit(1)


@data_app.command("check")
def data_check(
    folder: Path,
    classes: Annotated[int, typer.Option(min=1, max=254, help="Classes, background counted; 1: foreground.")] = 1,
    catalogue: Annotated[bool, typer.Option("--catalogue", help="Look for the paper's eighteen test sets.")] = False,
    task: Annotated[list[str] | None, typer.Option(help="With --catalogue: only these tasks; see `data list`.")] = None,
) -> None:
    """Table of pairs, orphans, sizes, foreground share, broken files; exit code 2 if training would go wrong.

    With --catalogue which of the paper's test sets are there, in any of the layouts they are handed out in, and which
    pictures they share with training sets; exit code 1 if something is missing or differs.
    """
    from .data import check_pairs, find_pairs
    from .data.report import print_check

    if catalogue:
        _check_catalogue(folder, task or [])
        return
    if task:
        raise InputError("--task goes with --catalogue")
    listing = find_pairs(folder)
    with _progress("reading") as progress:
        check = check_pairs(listing, classes, progress)
    print_check(check, _table_console())
    if check.errors:
        raise InputError(f"{folder}: training would go wrong, see above ({len(check.errors)} errors)")


def _check_catalogue(root: Path, tasks: list[str]) -> None:
    from .data.catalogue import chosen_sets, find_sets, shared_pictures
    from .data.report import print_finding

    finding = find_sets(root, chosen_sets(tasks))
    with _progress("comparing pictures") as progress:
        shared = shared_pictures(finding, progress)
    print_finding(finding, _table_console())
    remarks = finding.remarks()
    for (train, test), pairs in shared.items():
        one, other = pairs[0]
        remarks.append(f"{test}: {len(pairs)} pictures look like one of {train}, such as {other} like {one}")
    for remark in remarks:
        print(remark)
    if remarks:
        raise typer.Exit(1)


@data_app.command("list")
def data_list(
    task: Annotated[
        list[str] | None, typer.Option(help="camouflage, salient, marine, mirror, polyp; default all.")
    ] = None,
    long: Annotated[
        bool, typer.Option("--long", help="Also who made each set, and folders of pictures and masks it comes in.")
    ] = False,
) -> None:
    """The paper's eighteen test sets: how many pictures, where they come from, and under which licence."""
    from .data.catalogue import chosen_sets
    from .data.report import print_catalogue, print_layouts

    print_catalogue(chosen_sets(task or []), _table_console())
    if long:
        print_layouts(chosen_sets(task or []), _table_console())


@data_app.command("scenes")
def data_scenes(
    folder: Path,
    train: Annotated[int, typer.Option(min=2, help="Scenes in train/.")] = 320,
    test: Annotated[int, typer.Option(min=1, help="Scenes in test/.")] = 40,
    side: Annotated[int, typer.Option(min=32, help="Height and width.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Other scenes.")] = 0,
    kinds: Annotated[int, typer.Option(min=1, max=2, help="2: masks of three classes, background counted.")] = 1,
) -> None:
    """Draw sample scenes into FOLDER/train and FOLDER/test, so that everything can be tried with no download."""
    from .data import write_scenes

    with _progress("drawing") as progress:
        write_scenes(folder, train, test, side, seed, kinds, progress)
    print(f"{train} + {test} scenes: {folder}")


@data_app.command("split")
def data_split(
    folder: Path,
    out: Annotated[Path, typer.Option(help="A new folder that gets train/ and test/.")],
    share: Annotated[float, typer.Option(min=0.01, max=0.99, help="Share of the pairs that goes to test/.")] = 0.2,
    group: Annotated[str | None, typer.Option(help='"folder", or a regular expression on names.')] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another split.")] = 0,
) -> None:
    """Copy a folder of pairs into OUT/train and OUT/test; no group is on both sides."""
    from .data import find_pairs, write_split

    kept, held = write_split(find_pairs(folder), out, share, seed, group)
    print(f"{kept} + {held} pairs: {out}")


@weights_app.command("list")
def weights_list() -> None:
    """The official trunks, and which of them are here."""
    from .weights import OFFICIAL, cached

    for entry in OFFICIAL.values():
        print(f"{entry.name:24} {entry.trunk:10} {cached(entry.name) or f'not here; {entry.repo}'}")


@weights_app.command("fetch")
def weights_fetch(name: str) -> None:
    """Download an official trunk from the Hugging Face hub and verify it."""
    from .weights import fetch

    print(fetch(name))


@weights_app.command("inspect")
def weights_inspect(file: Path) -> None:
    """What a weights or model file holds."""
    from .weights import inspect_file

    for key, value in inspect_file(file).items():
        print(f"{key:14} {value}")


def _probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise InputError(f"--threshold {text}: give a number from 0 to 1, or best")
    return value


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        return tuple(map(float, text.split(",")))
    except ValueError as error:
        raise InputError(f"{option} {text}: give numbers, such as 0.75,1,1.25") from error


def _key_value(text: str) -> tuple[str, Any]:
    import yaml

    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: write key=value")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InputError(f"--set {text}: {value!r} is no YAML value") from error


def _console() -> "Console":
    from rich.console import Console

    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 200)


def _progress(what: str) -> "AbstractContextManager[Callable[[int, int], object]]":
    from .progress import progress_bar

    return progress_bar(_console(), what)


def _table_console() -> "Console":
    """Of tables: as wide as the terminal, or wide enough for a file."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 200)
