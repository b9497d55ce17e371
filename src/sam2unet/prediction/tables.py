"""Tables of a run's masks: a CSV file, and COCO's JSON."""

import csv
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple

from ..card import Card
from ..errors import InputError
from ..files import atomic_path
from ..system import Shard
from .components import Component, MaskArray, find_components

OUTLINES: dict[str, Callable[[Component, int, int], Any]] = {
    "rle": lambda component, height, width: component.run_lengths(height, width),
    "polygons": lambda component, height, width: component.polygons(),
}
"""Kind of output -> COCO's segmentation of a component in an image of (height, width)."""


class ComponentRow(NamedTuple):
    """A connected component in tables."""

    class_index: int
    box: tuple[int, int, int, int]
    """(left, top, width, height), as in COCO."""
    area: int
    """Number of pixels."""
    outlines: dict[str, Any]
    """Kind of output -> COCO's segmentation."""


@dataclass(frozen=True)
class ImageRecord:
    """What tables say about an image's mask."""

    name: str
    path: Path
    width: int
    height: int
    components: list[ComponentRow]

    @classmethod
    def from_mask(cls, name: str, path: Path, mask: MaskArray, kinds: Iterable[str] = ()) -> "ImageRecord":
        """Find the components of a mask.

        Args:
            name: of the image's outputs.
            path: of the image.
            mask: (H, W).
            kinds: kinds of output; "rle" and "polygons" need outlines.
        """
        height, width = mask.shape
        outlines = {kind: OUTLINES[kind] for kind in kinds if kind in OUTLINES}
        rows = [
            ComponentRow(
                component.class_index, component.box, component.area,
                {kind: outline(component, height, width) for kind, outline in outlines.items()},
            )
            for component in find_components(mask)
        ]  # fmt: skip
        return cls(name, path, width, height, rows)

    def rows(self, card: Card) -> Iterator[dict[str, Any]]:
        """Yield for each class but the background its name, area, fraction of the image, components and boxes."""
        for index, label in class_labels(card).items():
            own = [component for component in self.components if component.class_index == index]
            area = sum(component.area for component in own)
            share = round(area / (self.width * self.height), 6)
            boxes = [list(component.box) for component in own]
            yield {"class": label, "area": area, "share": share, "components": len(own), "boxes": boxes}

    def to_dict(self, card: Card, mask: Path, kept: bool) -> dict[str, Any]:
        """Return what is printed as a line of JSON.

        Args:
            card: of the network.
            mask: the mask's file.
            kept: True if the mask existed already.
        """
        return {
            "name": self.name, "image": str(self.path), "mask": str(mask), "kept": kept, "width": self.width,
            "height": self.height, "classes": list(self.rows(card)),
        }  # fmt: skip


def class_labels(card: Card) -> dict[int, str]:
    """The classes' names in tables by index, background left out."""
    names = card.class_names if len(card.class_names) == card.classes > 1 else []
    return {i: names[i] if names else "object" if card.classes == 1 else str(i) for i in range(1, max(2, card.classes))}


COCO_START = '{"info": {"description": "sam2unet"},\n'
SIGNATURES = {
    "table": (
        "name,image,width,height,class,area,share,components,boxes\r\n",
        "name,picture,width,height,class,area,share,parts,boxes\r\n",  # 0.1
    ),
    "rle": (COCO_START,),
    "polygons": (COCO_START,),
}
"""Kind of table -> how its files begin, today's version first. Only files that begin so are replaced."""
Append = Callable[[ImageRecord], None]
"""Adds an image to a table."""


@contextmanager
def write_summary(path: Path, card: Card, shard: Shard) -> Iterator[Append]:
    """Write a CSV file with a line per image and class; boxes are "left top width height", separated by ";"."""
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        file.write(SIGNATURES["table"][0])
        writer = csv.writer(file)

        def append(record: ImageRecord) -> None:
            for row in record.rows(card):
                boxes = ";".join(" ".join(map(str, box)) for box in row.pop("boxes"))
                writer.writerow([record.name, record.path, record.width, record.height, *row.values(), boxes])

        yield append


@contextmanager
def write_coco(path: Path, card: Card, shard: Shard, kind: str) -> Iterator[Append]:
    """Write a COCO file with an annotation per component; no other shard has the same ids.

    Images come before annotations in the file; these wait in a temporary file, so that memory stays bounded.
    """
    first_id = shard.index
    image_ids, annotation_ids = count(first_id, shard.count), count(first_id, shard.count)
    categories = [{"id": index, "name": name} for index, name in class_labels(card).items()]
    with path.open("w", encoding="utf-8") as file, TemporaryFile("w+", dir=path.parent, encoding="utf-8") as later:

        def write(stream: IO[str], entry: dict[str, Any]) -> None:
            stream.write((",\n" if entry["id"] != first_id else "") + json.dumps(entry))

        def append(record: ImageRecord) -> None:
            name = f"{record.name}{record.path.suffix}"
            image = {"id": next(image_ids), "file_name": name, "width": record.width, "height": record.height}
            write(file, image)
            for row in record.components:
                annotation = {
                    "id": next(annotation_ids), "image_id": image["id"], "category_id": row.class_index,
                    "bbox": row.box, "area": row.area, "iscrowd": 0, "segmentation": row.outlines[kind],
                }  # fmt: skip
                write(later, annotation)

        file.write(f'{COCO_START}"categories": {json.dumps(categories)},\n"images": [')
        yield append
        file.write('],\n"annotations": [')
        later.seek(0)
        shutil.copyfileobj(later, file)
        file.write("]}\n")


TABLES: dict[str, tuple[str, Callable[[Path, Card, Shard], AbstractContextManager[Append]]]] = {
    "table": ("summary.csv", write_summary),
    "rle": ("coco_rle.json", partial(write_coco, kind="rle")),
    "polygons": ("coco_polygons.json", partial(write_coco, kind="polygons")),
}
"""Kind of table -> file and writer."""


@contextmanager
def open_tables(out: Path, kinds: Iterable[str], card: Card, shard: Shard, overwrite: bool) -> Iterator[list[Append]]:
    """Open a run's tables; their files appear when the block ends without an exception.

    Args:
        out: folder of the files.
        kinds: kinds of output; those that are no tables are ignored.
        card: of the network.
        shard: if there are several, its number is part of the files' names.
        overwrite: replace any file.

    Yields:
        For each table the function that adds an image.

    Raises:
        InputError: a file exists, is no table of ours, and `overwrite` is false.
    """
    mark = f"-{shard.index}-of-{shard.count}" if shard.count > 1 else ""
    with ExitStack() as stack:
        appends = []
        for kind in sorted(set(kinds) & TABLES.keys()):
            name, writer = TABLES[kind]
            file = out / f"{Path(name).stem}{mark}{Path(name).suffix}"
            if not overwrite and file.exists() and not _is_own_table(file, kind):
                raise InputError(
                    f"{file}: not a table of sam2unet; choose another folder, or overwrite it", "out", "overwrite"
                )
            hidden = stack.enter_context(atomic_path(file))
            appends.append(stack.enter_context(writer(hidden, card, shard)))
        yield appends


def _is_own_table(file: Path, kind: str) -> bool:
    signatures = [text.encode() for text in SIGNATURES[kind]]
    with file.open("rb") as stream:
        return stream.read(max(map(len, signatures))).startswith(tuple(signatures))
