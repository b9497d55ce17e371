"""What the commands share: options, their parsing, and the terminal."""

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

Trunk = Literal["tiny", "small", "base_plus", "large"]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Processes = Annotated[int | None, typer.Option(min=1, help="Number of processes. Default: number of cores.")]
TrunkWeights = Annotated[Path | None, typer.Option(help="File of the frozen trunk, if it is not found.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
Tasks = Annotated[list[str] | None, typer.Option(help="camouflage, salient, marine, mirror, polyp, or all.")]
Seed = Annotated[int, typer.Option(min=0, help="Random seed.")]

OPTIONS = {"flip": "--flip-tta"}
"""Options that are not called like the parameter of the library."""


def with_options(error: BaseException) -> str:
    """Return an error's message, followed by the options of the running command that its way out would change."""
    from . import app

    command: Any = typer.main.get_command(app)
    for argument in sys.argv[1:]:
        command = getattr(command, "commands", {}).get(argument, command)
    known = {name for parameter in command.params for name in parameter.opts}
    wanted = (OPTIONS.get(name, f"--{name.replace('_', '-')}") for name in getattr(error, "parameters", ()))
    options = ", ".join(name for name in wanted if name in known)
    return f"{error} ({options})" if options else str(error)


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
