"""Where an image or a mask comes from: a file, a page of one, several files, or an annotation."""

from dataclasses import dataclass
from pathlib import Path

from .annotations import Annotation


@dataclass(frozen=True)
class Page:
    """One of several images in a file: a page of a TIFF file, a frame, or a slice of a volume."""

    file: Path
    index: int
    """From 0."""
    axis: int | None = None
    """Axis of a volume along which the pages lie; None: that of the format."""

    def __str__(self) -> str:
        return f"{self.file}, page {self.index}"


@dataclass(frozen=True)
class MaskParts:
    """Several mask files of one image: one of each object, or one of each class."""

    files: tuple[Path, ...]
    labels: tuple[int, ...]
    """Class index of each file's foreground; all 1 if the files are united."""

    def __str__(self) -> str:
        return f"{self.files[0]} and {len(self.files) - 1} more"


ImageSource = Path | Page
MaskSource = Path | Page | MaskParts | Annotation


def files_of(source: ImageSource | MaskSource) -> tuple[Path, ...]:
    """Return the files that a source is read from."""
    if isinstance(source, MaskParts):
        return source.files
    return (source,) if isinstance(source, Path) else (source.file,)
