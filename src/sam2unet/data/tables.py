"""What data there is, as tables on the terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

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
