"""The check of a folder as a table on the terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .check import DataCheck, SplitCheck


def print_check(check: DataCheck, console: Console) -> None:
    """Print a row per split, then warnings and errors; file names are never wrapped."""
    table = Table(title=Text(str(check.root)), title_justify="left")
    head, *rows = check_rows(check)
    for column in head:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table, soft_wrap=not console.is_terminal)
    for messages, word, style in ((check.warnings, "warning", "yellow"), (check.errors, "error", "red")):
        for message in messages:
            console.print(f"[{style}]{word}:[/] ", end="")
            console.print(message, highlight=False, markup=False, soft_wrap=True)


def check_rows(check: DataCheck) -> list[list[str]]:
    """Return the head of a table and a row per split."""
    rows = [["split", "pairs", "no mask", "no image", "size", "masks", "foreground"]]
    for split, found in check.splits.items():
        kinds = ", ".join(f"{kind} ({n})" for kind, n in found.kinds.most_common())
        counts = (found.pairs, len(found.unpaired_images), len(found.unpaired_masks))
        rows.append([split or "–", *map(str, counts), _sizes(found), kinds, _foreground(found)])
    return rows


def _sizes(found: SplitCheck) -> str:
    """Summarise the sizes, as (width)x(height)."""
    if not found.sizes:
        return "–"
    if len(found.sizes) == 1:
        return "{}x{}".format(*next(iter(found.sizes)))
    ordered = sorted(found.sizes, key=lambda size: (size[0] * size[1], size))
    return "{} sizes, {}x{} to {}x{}".format(len(ordered), *ordered[0], *ordered[-1])


def _foreground(found: SplitCheck) -> str:
    if not found.foreground:
        return "–"
    mean = sum(found.foreground) / len(found.foreground)
    empty = sum(fraction == 0 for fraction in found.foreground)
    return f"{mean:.1%} on average" + (f", {empty} without the object" if empty else "")
