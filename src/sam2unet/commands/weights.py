"""sam2unet weights list, fetch, inspect"""

from pathlib import Path

import typer

app = typer.Typer(no_args_is_help=True, help="Official trunk weights and model files.")


@app.command("list")
def list_() -> None:
    """List the official trunks, and which of them have been downloaded."""
    from ..weights import OFFICIAL, cached_file

    for entry in OFFICIAL.values():
        print(f"{entry.name:24} {entry.trunk:10} {cached_file(entry.name) or f'not downloaded; {entry.repo}'}")


@app.command()
def fetch(name: str) -> None:
    """Download an official trunk from the Hugging Face hub and verify it."""
    from ..weights import fetch as fetch_trunk

    print(fetch_trunk(name))


@app.command()
def inspect(file: Path) -> None:
    """Print what a weights file or model file holds."""
    from ..weights import inspect_file

    for key, value in inspect_file(file).items():
        print(f"{key:14} {value}")
