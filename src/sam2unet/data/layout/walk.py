"""The files below a folder, without those of the operating system."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ...errors import InputError

SYSTEM_FOLDERS = {"@eadir", "__macosx", "$recycle.bin", "system volume information", "lost+found", "__pycache__"}
SYSTEM_FILES = {"thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r"}
NOT_DATA = {
    ".bib", ".cache", ".cff", ".cfg", ".css", ".csv", ".doc", ".docx", ".htm", ".html", ".ini", ".ipynb", ".js", ".log",
    ".m", ".md", ".names", ".ods", ".odt", ".pdf", ".ppt", ".pptx", ".py", ".rst", ".rtf", ".sh", ".toml", ".tsv",
    ".url", ".xls", ".xlsx", ".yaml", ".yml",
}  # fmt: skip
"""Suffixes of documents, tables and programs, which lie beside data."""
_DOCUMENT = re.compile(
    r"(?:read[-_ ]?me|licen[cs]e|copying|citation|changelog|authors|notice|classes|labelmap|requirements)"
    r"(?![a-z]).*",
    re.IGNORECASE,
)


MAX_HEAD = 10_000
"""Bytes of a table's line that are read."""
_OUTLINES = re.compile(r"rle|encoded_?pixels|shape_attributes|polygon|bbox|x_?min", re.IGNORECASE)


def walk(root: Path, problems: list[str] | None = None, without: Path | None = None) -> Iterator[Path]:
    """Iterate over the files below a folder in order, without hidden and system files; links are followed.

    Args:
        root: the folder.
        problems: receives a sentence for each unreadable folder; without it, the first raises InputError.
        without: a folder in it to skip.

    Raises:
        InputError: no such folder, or an unreadable one.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")

    def unreadable(error: OSError) -> None:
        sentence = f"{error.filename}: the folder can't be read ({error.strerror})"
        if problems is None:
            raise InputError(sentence) from error
        problems.append(sentence)

    seen = {(state.st_dev, state.st_ino) for state in [without.stat()]} if without and without.is_dir() else set()
    for folder, folders, files in os.walk(root, onerror=unreadable, followlinks=True):
        state = Path(folder).stat()
        if (state.st_dev, state.st_ino) in seen:  # no folder twice
            folders.clear()
            continue
        seen.add((state.st_dev, state.st_ino))
        folders[:] = sorted(name for name in folders if not _is_system(name, SYSTEM_FOLDERS))
        yield from (Path(folder, name) for name in sorted(files) if not _is_system(name, SYSTEM_FILES))


def _is_system(name: str, names: set[str]) -> bool:
    return name.startswith(".") or name.lower() in names


def is_document(path: Path) -> bool:
    """True if a file's name is that of a text, a table or a program that lies beside data."""
    return path.suffix.lower() in NOT_DATA or _DOCUMENT.fullmatch(path.name) is not None


def holds_table_of_annotations(path: Path) -> bool:
    """True if a CSV file has run lengths, outlines or boxes in its first two lines."""
    if path.suffix.lower() not in (".csv", ".tsv"):
        return False
    try:
        with path.open("rb") as file:
            head = file.readline(MAX_HEAD) + file.readline(MAX_HEAD)
            return _OUTLINES.search(head.decode("latin-1")) is not None
    except OSError:
        return False
