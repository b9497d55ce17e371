"""What the commands share: options, their parsing, and the terminal."""

import functools
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import InputError
from ..system import Shard

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from rich.console import Console

Trunk = Literal["nano", "tiny", "small", "base_plus", "large"]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Processes = Annotated[int | None, typer.Option(min=1, help="Number of processes. Default: number of cores.")]
Crowds = Literal["object", "ignore"]
Boxes = Literal["ask", "skip", "fill"]
TrunkWeights = Annotated[Path | None, typer.Option(help="File of the frozen trunk, if it is not found.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
Tasks = Annotated[list[str] | None, typer.Option(help="camouflage, salient, marine, mirror, polyp, or all.")]
Seed = Annotated[int, typer.Option(min=0, help="Random seed.")]

DATA_OPTIONS: dict[str, tuple[Any, Any]] = {
    "images": (
        Annotated[str | None, typer.Option(help='Pattern of the images, relative to the folder, such as "*.jpg".')],
        None,
    ),
    "masks": (
        Annotated[str | None, typer.Option(help='Pattern of the masks, such as "1st_manual/*" or "*_1stHO.png".')],
        None,
    ),
    "pairs": (
        Annotated[Path | None, typer.Option(help="CSV file with the columns image and mask, and perhaps split.")],
        None,
    ),
    "mask_values": (
        Annotated[
            str | None,
            typer.Option(
                help="Meaning of the values in masks: foreground=255, foreground=1-254, 0:background,128:1,255:ignore, "
                "#ff0000:1, classes, soft, alpha, or CVAT's labelmap.txt."
            ),
        ],
        None,
    ),
    "instances": (
        Annotated[bool, typer.Option("--instances", help="The values in masks are numbers of objects.")],
        False,
    ),
    "layers": (Annotated[int | None, typer.Option(min=0, help="Axis along which the pages of a volume lie.")], None),
    "crowds": (Annotated[Crowds, typer.Option(help="Take COCO's crowd regions as objects, or ignore them.")], "object"),
    "boxes": (
        Annotated[Boxes, typer.Option(help="Boxes without an outline: refuse them, skip their images, or fill them.")],
        "ask",
    ),
    "line_width": (
        Annotated[float | None, typer.Option(help="Width of annotated lines in pixels; without it they are left out.")],
        None,
    ),
    "ignore_exif": (
        Annotated[bool, typer.Option("--ignore-exif", help="Read images as stored, not turned by EXIF orientation.")],
        False,
    ),
}
"""The fields of `DataOptions` as options, with their defaults."""

OPTIONS = {"flip": "--flip-tta"}
"""Options that are not called like the parameter of the library."""


def with_options(error: object) -> str:
    """Return what an error or finding says, with the options of the running command that its way out would change."""
    from . import app

    command: Any = typer.main.get_command(app)
    for argument in sys.argv[1:]:
        command = getattr(command, "commands", {}).get(argument, command)
    known = {name for parameter in command.params for name in parameter.opts}
    wanted = (OPTIONS.get(name, f"--{name.replace('_', '-')}") for name in getattr(error, "parameters", ()))
    options = ", ".join(name for name in wanted if name in known)
    return f"{error} ({options})" if options else str(error)


def with_data_options(command: "Callable[..., None]") -> "Callable[..., None]":
    """Give a command the options of `DATA_OPTIONS`; it gets their values as the dictionary `data_options`."""

    @functools.wraps(command)
    def run(**values: Any) -> None:
        command(data_options={name: values.pop(name) for name in DATA_OPTIONS}, **values)

    own = [p for name, p in inspect.signature(command).parameters.items() if name != "data_options"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in DATA_OPTIONS.items()
    ]
    run.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in (*own, *added)}
    del run.__wrapped__
    return run


def parse_shard(text: str | None) -> Shard:
    """Parse K/N; None is 1/1."""
    index, _, count = (text or "1/1").partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise InputError(f"--shard is {text!r}: it must be K/N with K from 1 to N, such as 2/3")
    return Shard(int(index), int(count))


def parse_probability(text: str, option: str) -> float:
    """Parse a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise InputError(f"{option} is {text!r}: it must be a number from 0 to 1, or best")
    return value


def parse_numbers(text: str, option: str) -> tuple[float, ...]:
    """Parse numbers separated by commas."""
    try:
        return tuple(map(float, text.split(",")))
    except ValueError as error:
        raise InputError(f"{option} is {text!r}: it must be numbers, such as 0.75,1,1.25") from error


def parse_key_value(text: str) -> tuple[str, Any]:
    """Parse KEY=VALUE, the value as YAML."""
    import yaml

    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: it must be KEY=VALUE")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InputError(f"--set {text}: {value!r} is not a YAML value") from error


def progress_console() -> "Console":
    """Standard error, for progress and messages; lines are not wrapped unless it is a terminal."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 200)


def table_console() -> "Console":
    """Standard output, for tables; as wide as the terminal, or wide enough for a file."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 200)


def progress(description: str) -> "AbstractContextManager[Callable[[int, int], object]]":
    """Show a progress bar on standard error; yields the function of (done, total) that advances it."""
    from ..progress import progress_bar

    return progress_bar(progress_console(), description)
