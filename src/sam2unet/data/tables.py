"""The check of a folder as a table on the terminal, and as JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..files import atomic_path
from .data_check import DataCheck, Finding, PairCheck, SplitCheck
from .masks.mask_reading import describe_reading
from .sources import files_of


def print_check(check: DataCheck, console: Console, describe: Callable[[Finding], str] = str) -> None:
    """Print a row per split, how masks are read, then warnings and errors; file names are never wrapped.

    Args:
        check: what `check_pairs` returned.
        console: where to print.
        describe: turns a finding into the printed sentence; the commands append options.
    """
    table = Table(title=Text(str(check.root)), title_justify="left")
    head, *rows = check_rows(check)
    for column in head:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table, soft_wrap=not console.is_terminal)
    if check.reading:
        sentence = describe_reading(check.reading, [pair.mask for pair in check.pairs if pair.mask])
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)
    for messages, word, style in ((check.warnings, "worth a look", "yellow"), (check.errors, "error", "red")):
        for message in messages:
            console.print(f"[{style}]{word}:[/] ", end="")
            console.print(describe(message), highlight=False, markup=False, soft_wrap=True)


def check_rows(check: DataCheck) -> list[list[str]]:
    """Return the head of a table and a row per split."""
    rows = [["split", "pairs", "no mask", "no image", "size", "values in masks", "foreground"]]
    for split, found in check.splits.items():
        counts = (len(found.pairs), len(found.unpaired_images), len(found.unpaired_masks))
        rows.append([split or "–", *map(str, counts), _sizes(found), found.values or "–", _foreground(found)])
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


def write_check(path: Path, check: DataCheck) -> None:
    """Write the check as JSON: the reading, the splits with their pairs, warnings and errors."""
    content = {
        "folder": str(check.root),
        "reading": check.reading and str(check.reading),
        "splits": {name: _split_as_json(found) for name, found in check.splits.items()},
        "duplicates": [[str(one.pair.image), str(other.pair.image)] for one, other in check.duplicates],
        "warnings": check.warnings,
        "errors": check.errors,
    }
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _split_as_json(found: SplitCheck) -> dict[str, Any]:
    return {
        "pairs": [_pair_as_json(pair) for pair in found.pairs],
        "unpaired_images": list(map(str, found.unpaired_images)),
        "unpaired_masks": list(map(str, found.unpaired_masks)),
    }


def _pair_as_json(found: PairCheck) -> dict[str, Any]:
    values = zip(found.mask.values.tolist(), found.mask.counts.tolist(), strict=True) if found.mask else ()
    return {
        "name": found.pair.key,
        "image": str(found.pair.image),
        "masks": list(map(str, files_of(found.pair.mask))),
        "width": found.size[0],
        "height": found.size[1],
        "mask_values": {str(value): pixels for value, pixels in values},
        "foreground": found.foreground,
        "error": found.error,
    }
