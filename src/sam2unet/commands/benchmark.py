"""sam2unet benchmark"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from .options import Device, Processes, Tasks, TrunkWeights, progress, table_console


def benchmark(
    data: Annotated[Path, typer.Option(help="A folder that holds the test sets, in any layout; see `data check`.")],
    model: Annotated[Path | None, typer.Argument(help="A model file, or an upstream SAM2-UNet .pth.")] = None,
    task: Tasks = None,
    maps: Annotated[
        list[str] | None,
        typer.Option(help="FOLDER or NAME=FOLDER: maps of another method, one folder per set; repeatable."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the maps, tables and report.")] = Path("runs/benchmark"),
    strict: Annotated[
        bool, typer.Option("--strict", help="Give no score to a set with a missing, broken or unusual map.")
    ] = False,
    trunk_weights: TrunkWeights = None,
    device: Device = "auto",
    processes: Processes = None,
) -> None:
    """Measure a model and other methods on the paper's test sets, beside the figures that the paper reports.

    The model predicts under the published protocol. Its maps are kept, and are not predicted again.
    """
    from .. import benchmark as room

    if not model and not maps:
        raise InputError("nothing to measure: give a model, or --maps FOLDER")
    scan = room.find_sets(data, room.chosen_sets(task or []))
    result = room.benchmark(
        scan, out, room.ModelFile(model, device, trunk_weights) if model else None, _methods(maps or []),
        strict=strict, processes=processes, progress=progress,
    )  # fmt: skip
    room.print_tables(result, table_console())
    for remark in result.remarks:
        print(f"sam2unet: {remark}", file=sys.stderr)
    room.write_json(out / "benchmark.json", result)
    room.write_csv(out / "benchmark.csv", result)
    room.write_latex(out / "benchmark.tex", result)
    room.write_markdown(out / "benchmark.md", result)
    room.write_page(out / "benchmark.html", result, "SAM2-UNet on the paper's test sets")
    if result.failed or any(row.evaluation.skipped for row in result.rows):
        raise typer.Exit(1)


def _methods(maps: list[str]) -> dict[str, Path]:
    """Parse FOLDER and NAME=FOLDER."""
    methods: dict[str, Path] = {}
    for given in maps:
        name, named, folder = given.partition("=")
        if not named or Path(given).is_dir():
            name, folder = Path(given).resolve().name, given
        if name in methods:
            raise InputError(f"--maps names {name} twice: rename one of them, as NAME=FOLDER")
        methods[name] = Path(folder)
    return methods
