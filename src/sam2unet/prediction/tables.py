"""What a run's tables say of each picture's mask: a CSV file, and COCO's JSON."""

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
from .components import Component, MaskArray, components

OUTLINES: dict[str, Callable[[Component, int, int], Any]] = {
    "rle": lambda part, height, width: part.run_lengths(height, width),
    "polygons": lambda part, height, width: part.polygons(),
}
"""COCO's outlines of a part in a picture of (height, width), by kind of output."""


class ComponentRow(NamedTuple):
    """What tables say of a part."""

    category: int
    box: tuple[int, int, int, int]
    area: int
    outlines: dict[str, Any]
    """By kind."""


@dataclass(frozen=True)
class ImageRecord:
    """The parts of a picture's mask."""

    name: str
    picture: Path
    width: int
    height: int
    parts: list[ComponentRow]

    @classmethod
    def from_mask(cls, name: str, picture: Path, mask: MaskArray, kinds: Iterable[str] = ()) -> "ImageRecord":
        """Of a mask of one class (bool), or of class indices, with the outlines of some kinds of output."""
        height, width = mask.shape
        outlines = {kind: OUTLINES[kind] for kind in kinds if kind in OUTLINES}
        entries = [
            ComponentRow(
                part.index, part.box, part.area, {k: outline(part, height, width) for k, outline in outlines.items()}
            )
            for part in components(mask)
        ]
        return cls(name, picture, width, height, entries)

    def rows(self, card: Card) -> Iterator[dict[str, Any]]:
        """One for each class but the background of several: its pixels, their share, its parts and their boxes."""
        for index, label in categories(card).items():
            own = [part for part in self.parts if part.category == index]
            area = sum(part.area for part in own)
            share = round(area / (self.width * self.height), 6)
            boxes = [list(part.box) for part in own]
            yield {"class": label, "area": area, "share": share, "parts": len(own), "boxes": boxes}

    def line(self, card: Card, mask: Path, kept: bool) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "name": self.name, "picture": str(self.picture), "mask": str(mask), "kept": kept, "width": self.width,
            "height": self.height, "classes": list(self.rows(card)),
        }  # fmt: skip


def categories(card: Card) -> dict[int, str]:
    """The names of the classes in tables, by index; of several without the background."""
    names = card.class_names if len(card.class_names) == card.classes > 1 else []
    return {i: names[i] if names else "object" if card.classes == 1 else str(i) for i in range(1, max(2, card.classes))}


SIGNATURES = {
    "summary": "name,picture,width,height,class,area,share,parts,boxes\r\n",
    "coco": '{"info": {"description": "sam2unet"},\n',
}
"""How tables begin, by the first word of their names: what begins so may be replaced."""
Append = Callable[[ImageRecord], None]


@contextmanager
def summary(path: Path, card: Card, shard: Shard) -> Iterator[Append]:
    """A CSV file with a line for each class of a picture; boxes are "left top width height", parted by ";"."""
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        file.write(SIGNATURES["summary"])
        writer = csv.writer(file)

        def add(record: ImageRecord) -> None:
            for row in record.rows(card):
                boxes = ";".join(" ".join(map(str, box)) for box in row.pop("boxes"))
                writer.writerow([record.name, record.picture, record.width, record.height, *row.values(), boxes])

        yield add


@contextmanager
def coco(path: Path, card: Card, shard: Shard, kind: str) -> Iterator[Append]:
    """A COCO file with an annotation for each part; its numbers are those of no other shard."""
    first = shard.index
    images, annotations = count(first, shard.count), count(first, shard.count)
    known = [{"id": index, "name": name} for index, name in categories(card).items()]
    with path.open("w", encoding="utf-8") as file, TemporaryFile("w+", dir=path.parent, encoding="utf-8") as below:

        def write(where: IO[str], entry: dict[str, Any]) -> None:
            where.write((",\n" if entry["id"] != first else "") + json.dumps(entry))

        def add(record: ImageRecord) -> None:
            name = f"{record.name}{record.picture.suffix}"
            image = {"id": next(images), "file_name": name, "width": record.width, "height": record.height}
            write(file, image)
            for part in record.parts:
                entry = {
                    "id": next(annotations), "image_id": image["id"], "category_id": part.category, "bbox": part.box,
                    "area": part.area, "iscrowd": 0, "segmentation": part.outlines[kind],
                }  # fmt: skip
                write(below, entry)

        file.write(f'{SIGNATURES["coco"]}"categories": {json.dumps(known)},\n"images": [')
        yield add
        file.write('],\n"annotations": [')
        below.seek(0)
        shutil.copyfileobj(below, file)
        file.write("]}\n")


TABLES: dict[str, tuple[str, Callable[[Path, Card, Shard], AbstractContextManager[Append]]]] = {
    "table": ("summary.csv", summary),
    "rle": ("coco_rle.json", partial(coco, kind="rle")),
    "polygons": ("coco_polygons.json", partial(coco, kind="polygons")),
}
"""File and writer by kind of output."""


@contextmanager
def tables(out: Path, kinds: Iterable[str], card: Card, shard: Shard, overwrite: bool) -> Iterator[list[Append]]:
    """What takes the records of all pictures; the files appear at the end, a shard's with its number.

    Raises:
        InputError: there is a file of that name that is none of ours, and not to be replaced.
    """
    mark = f"-{shard.index}-of-{shard.count}" if shard.count > 1 else ""
    with ExitStack() as stack:
        opened = []
        for kind in sorted(set(kinds) & TABLES.keys()):
            name, writer = TABLES[kind]
            file = out / f"{Path(name).stem}{mark}{Path(name).suffix}"
            if not overwrite and file.exists():
                own = SIGNATURES[name.partition("_")[0].partition(".")[0]].encode()
                with file.open("rb") as there:
                    if there.read(len(own)) != own:
                        raise InputError(
                            f"{file}: not a table of sam2unet; choose another folder, or overwrite it",
                            "out",
                            "overwrite",
                        )
            hidden = stack.enter_context(atomic_path(file))
            opened.append(stack.enter_context(writer(hidden, card, shard)))
        yield opened
