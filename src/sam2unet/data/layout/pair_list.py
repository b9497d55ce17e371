"""Pairs as a CSV file lists them."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ..annotations.read import decode
from ..images.image_formats import stem_of
from .names import SPLITS

COLUMNS = {
    "image": ("image", "images", "img", "image_path", "img_path", "image_file", "filename", "file_name", "input"),
    "mask": ("mask", "masks", "label", "mask_path", "label_path", "mask_file", "gt", "ground_truth"),
    "split": ("split", "set", "subset"),
}


@dataclass(frozen=True)
class Row:
    """A line of the list."""

    line: int
    image: Path
    mask: Path | None
    """None if the cell is empty."""
    split: str


def read_pair_list(path: Path, root: Path) -> list[Row]:
    """Read a CSV file with the columns image, mask, and perhaps split, separated by commas, semicolons or tabs.

    Args:
        path: the file; a first line with the columns' names is optional, and other columns are ignored.
        root: the folder that its paths are relative to, if they aren't relative to the CSV file.

    Raises:
        InputError: the file can't be read, a line lacks a column, names a file that doesn't exist or an unknown split,
            or an image is listed twice.
    """
    try:
        text = decode(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}): choose a CSV file of pairs", "pairs") from error
    lines = text.splitlines()
    delimiter = max(",;\t", key=(lines or [""])[0].count)
    rows = [
        (n, [cell.strip() for cell in row])
        for n, row in enumerate(csv.reader(lines, delimiter=delimiter, skipinitialspace=True), 1)
    ]
    rows = [(n, row) for n, row in rows if any(row)]
    columns = _columns(rows[0][1]) if rows else None
    listed = [*_read_rows(path, root, rows[1:] if columns else rows, columns or {"image": 0, "mask": 1, "split": 2})]
    if not listed:
        raise InputError(f"{path}: lists no pairs: write a line such as images/a.jpg,masks/a.png for each", "pairs")
    first: dict[Path, int] = {}
    for row in listed:
        if first.setdefault(row.image, row.line) != row.line:
            raise InputError(
                f"{path}, line {row.line}: {row.image} is in line {first[row.image]} too: remove one", "pairs"
            )
    return listed


def row_keys(rows: Sequence[Row], root: Path) -> dict[Path, str]:
    """Return the key of each image in a list: its path in the folder, without suffix."""
    keys = {}
    for row in rows:
        inside = row.image.resolve().is_relative_to(root.resolve())
        parts = row.image.resolve().relative_to(root.resolve()).parts if inside else (row.image.name,)
        keys[row.image] = "/".join((*parts[:-1], stem_of(row.image)))
    return keys


def _columns(head: Sequence[str]) -> dict[str, int] | None:
    """Return the places of the columns if the line names them."""
    names = [name.lower() for name in head]
    found = {c: names.index(word) for c, words in COLUMNS.items() for word in reversed(words) if word in names}
    return found if "image" in found and "mask" in found else None


def _read_rows(path: Path, root: Path, rows: list[tuple[int, list[str]]], columns: dict[str, int]) -> Iterator[Row]:
    for line, row in rows:
        cells = {name: row[at] if at < len(row) else "" for name, at in columns.items()}
        if not cells["image"]:
            raise InputError(f"{path}, line {line}: names no image: write image,mask", "pairs")
        files = [_find(path, line, root, cells[name]) if cells[name] else None for name in ("image", "mask")]
        assert files[0]
        if files[0] == files[1]:
            raise InputError(f"{path}, line {line}: {files[0]} is its own mask: name the mask's file", "pairs")
        yield Row(line, files[0], files[1], _split(path, line, cells.get("split", "")))


def _find(path: Path, line: int, root: Path, name: str) -> Path:
    for folder in (root, path.parent):
        if (file := folder / name.replace("\\", "/")).is_file():
            return file
    remedy = "correct it" if line > 1 or Path(name).suffix else "name the columns image and mask, or correct it"
    raise InputError(f"{path}, line {line}: there is no file {name} in {root} or beside the list: {remedy}", "pairs")


def _split(path: Path, line: int, word: str) -> str:
    found = next((split for split, words in SPLITS.items() if words.fullmatch(word)), "")
    if word and not found:
        raise InputError(f"{path}, line {line}: the split is {word!r}: write train, val or test", "pairs")
    return found
