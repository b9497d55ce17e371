"""The catalogue of sets, and what was found of it, as tables on the terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .catalogue import BenchmarkSet
from .found_sets import CatalogueScan, FoundSet


def print_catalogue(sets: Sequence[BenchmarkSet], console: Console) -> None:
    """A row per set."""
    table = Table("set", "task", "test", "train", "home page", "licence")
    for one in sets:
        test, train = one.images or "?", one.train_images or "–"
        table.add_row(one.name, one.task, str(test), str(train), one.home or "unknown", one.licence or "unknown")
    console.print(table, soft_wrap=not console.is_terminal)
    console.print(
        "test, train: pictures in the published splits; ?: no source confirms a number; –: no training split is known",
        style="dim",
    )


def print_layouts(sets: Sequence[BenchmarkSet], console: Console) -> None:
    """Each set's reference and layouts, names whole."""
    for one in sets:
        console.print(f"\n{one.name}: {one.reference}", markup=False, soft_wrap=True)
        for layout in one.layouts:
            console.print(f"  {layout}", markup=False, soft_wrap=True)


def print_scan(finding: CatalogueScan, console: Console) -> None:
    """A row per set, found or not."""
    table = Table("set", "task", "published", "found", "train", "folder", title=Text(str(finding.root)),
                  title_justify="left")  # fmt: skip
    for one in finding.sets:
        copies = finding.copies.get(one.name)
        copy = copies[0] if copies else FoundSet(Path("missing"))
        published = "?" if one.images is None else str(one.images)
        table.add_row(one.name, one.task, published, str(len(copy.test)), str(len(copy.train)), str(copy.folder))
    console.print(table, soft_wrap=not console.is_terminal)
