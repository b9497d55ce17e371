"""The commands: arguments, calls and printing. Heavy imports are inside the functions, so that --help is fast."""

import shlex
import sys

import typer

from ..errors import InputError, Stopped
from . import benchmark, data, evaluate, export, predict, train, weights
from .options import with_options

app = typer.Typer(
    name="sam2unet",
    help="Train, predict and evaluate with SAM2-UNet.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train")(train.train)
app.command("predict")(predict.predict)
app.command("evaluate")(evaluate.evaluate)
app.command("evaluate-merge")(evaluate.evaluate_merge)
app.command("merge", hidden=True)(evaluate.evaluate_merge)  # its name in 0.1
app.command("benchmark")(benchmark.benchmark)
app.command("export")(export.export)
app.add_typer(data.app, name="data")
app.add_typer(weights.app, name="weights")


@app.callback(invoke_without_command=True)
def common_options(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
    debug: bool = typer.Option(False, "--debug", help="Show tracebacks, also of invalid input."),
) -> None:
    """Handle --version; --debug is handled in `main`."""
    if version:
        from .. import __version__

        print(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command in `sys.argv`; invalid input ends in one sentence and exit code 2."""
    debug = "--debug" in sys.argv
    try:
        app(args=[argument for argument in sys.argv[1:] if argument != "--debug"])
    except (InputError, OSError) as error:
        if debug:
            raise
        print(f"sam2unet: {with_options(error)}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as end:
        if end.code == 130:  # typer's code for Ctrl-C
            print("sam2unet: interrupted", file=sys.stderr)
        raise
    except Stopped as stop:
        from ..system import is_main_process

        if is_main_process():
            resume = f"sam2unet train --resume {shlex.quote(str(stop.run))}"
            print(f"sam2unet: {stop}. Continue with: {resume}", file=sys.stderr)
        sys.exit(stop.code)
