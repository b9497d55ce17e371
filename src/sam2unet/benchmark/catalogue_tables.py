"""The catalogue, and which of its sets were found, as tables on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .catalogue import BenchmarkSet
from .found_sets import CatalogueScan


def print_catalogue(sets: Sequence[BenchmarkSet], console: Console) -> None:
    """Print a row per set."""
    table = Table("set", "task", "test", "train", "home page", "licence")
    for dataset in sets:
        test, train = str(dataset.images or "?"), str(dataset.train_images or "–")
        table.add_row(dataset.name, dataset.task, test, train, dataset.home or "unknown", dataset.licence or "unknown")
    console.print(table, soft_wrap=not console.is_terminal)
    console.print(
        "test, train: images in the published splits; ?: no source confirms a number; –: no training split is known",
        style="dim",
    )


def print_layouts(sets: Sequence[BenchmarkSet], console: Console) -> None:
    """Print each set's reference and layouts, without wrapping."""
    for dataset in sets:
        console.print(f"\n{dataset.name}: {dataset.reference}", markup=False, soft_wrap=True)
        for layout in dataset.layouts:
            console.print(f"  {layout}", markup=False, soft_wrap=True)


def print_scan(scan: CatalogueScan, console: Console) -> None:
    """Print a row per set, found or missing."""
    table = Table("set", "task", "published", "found", "train", "folder", title=Text(str(scan.root)),
                  title_justify="left")  # fmt: skip
    found = {dataset.name: copy for dataset, copy in scan.best_copies()}
    for dataset in scan.sets:
        published = "?" if dataset.images is None else str(dataset.images)
        copy = found.get(dataset.name)
        cells = (str(len(copy.test)), str(len(copy.train)), str(copy.folder)) if copy else ("0", "0", "missing")
        table.add_row(dataset.name, dataset.task, published, *cells)
    console.print(table, soft_wrap=not console.is_terminal)
