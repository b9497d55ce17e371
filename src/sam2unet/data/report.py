"""What data there is, as tables on the terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .catalogue import BenchmarkSet, Copy, Finding
from .check import DataCheck, PartCheck


def print_check(check: DataCheck, console: Console) -> None:
    """A row per split, then what is wrong and what deserves a look, file names whole."""
    table = Table(title=Text(str(check.root)), title_justify="left")
    head, *rows = check_rows(check)
    for column in head:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table, soft_wrap=not console.is_terminal)
    for messages, word, style in ((check.warnings, "look", "yellow"), (check.errors, "wrong", "red")):
        for message in messages:
            console.print(f"[{style}]{word}:[/] ", end="")
            console.print(message, highlight=False, markup=False, soft_wrap=True)


def check_rows(check: DataCheck) -> list[list[str]]:
    """A head, and a row per split."""
    rows = [["split", "pairs", "no mask", "no picture", "size", "masks", "foreground"]]
    for split, part in check.parts.items():
        kinds = ", ".join(f"{kind} ({n})" for kind, n in part.kinds.most_common())
        counts = (part.pairs, len(part.lone_images), len(part.lone_masks))
        rows.append([split or "–", *map(str, counts), _sizes(part), kinds, _foreground(part)])
    return rows


def _sizes(part: PartCheck) -> str:
    if not part.sizes:
        return "–"
    if len(part.sizes) == 1:
        return "{}x{}".format(*next(iter(part.sizes)))
    ordered = sorted(part.sizes, key=lambda size: (size[0] * size[1], size))
    return "{} sizes, {}x{} to {}x{}".format(len(ordered), *ordered[0], *ordered[-1])


def _foreground(part: PartCheck) -> str:
    if not part.foreground:
        return "–"
    mean = sum(part.foreground) / len(part.foreground)
    empty = sum(share == 0 for share in part.foreground)
    return f"{mean:.1%} on average" + (f", {empty} without the object" if empty else "")


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


def print_finding(finding: Finding, console: Console) -> None:
    """A row per set, found or not."""
    table = Table("set", "task", "published", "found", "train", "folder", title=Text(str(finding.root)),
                  title_justify="left")  # fmt: skip
    for one in finding.sets:
        copies = finding.copies.get(one.name)
        copy = copies[0] if copies else Copy(Path("missing"))
        published = "?" if one.images is None else str(one.images)
        table.add_row(one.name, one.task, published, str(len(copy.test)), str(len(copy.train)), str(copy.folder))
    console.print(table, soft_wrap=not console.is_terminal)
