"""Supervisely: a JSON file of each image, named after it (a.jpg.json)."""

from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from pydantic import BaseModel

from .annotation import AnnotationFile, check_size
from .reader import Collector, Label, Point, Position, Side, Source, embedded_image
from .shapes import Bitmap, bitmap, polygon, rectangle


class _Size(BaseModel):
    height: Side
    width: Side


class _Points(BaseModel):
    exterior: list[Point] = []
    interior: list[list[Point]] = []


class _Bitmap(BaseModel):
    data: str
    origin: tuple[Position, Position]


class _Object(BaseModel):
    geometryType: str
    classTitle: Label = ""
    points: _Points | None = None
    bitmap: _Bitmap | None = None


class _File(BaseModel):
    size: _Size
    objects: list[_Object]


def recognise(content: Any) -> bool:
    """Tell whether parsed JSON is a file of Supervisely's."""
    return (
        isinstance(content, dict) and isinstance(content.get("objects"), list) and isinstance(content.get("size"), dict)
    )


def read(source: Source, content: dict[str, Any]) -> AnnotationFile:
    """Read the objects of one image; they are drawn as Supervisely draws them.

    Raises:
        InputError: a field is missing or wrong.
    """
    data = source.parse(_File, content)
    name = source.path.stem
    collector = Collector(source)
    collector.image(name, (data.size.width, data.size.height))
    for position, item in enumerate(data.objects):
        _add(collector, name, item, f"objects[{position}]")
    return collector.finish(of_one_image=True)


def _add(collector: Collector, name: str, item: _Object, where: str) -> None:
    source, label = collector.source, item.classTitle
    exterior = item.points.exterior if item.points else []
    if item.geometryType == "bitmap" and item.bitmap:
        mask = embedded_image(source, item.bitmap.data, f"{where}.bitmap", compressed=True)
        collector.add(name, bitmap(label, mask, item.bitmap.origin))
    elif item.geometryType in ("line", "polyline"):
        collector.add_line(name, label, exterior)
    elif item.geometryType not in ("polygon", "rectangle"):
        collector.skip(name, "points" if item.geometryType == "point" else f"objects of the type {item.geometryType}")
    elif len(exterior) < (2 if item.geometryType == "rectangle" else 3):
        collector.skip(name, "outlines of too few points")
    elif item.geometryType == "rectangle":
        collector.add(name, rectangle(label, exterior))
    elif item.points and item.points.interior:
        collector.add(name, _with_holes(source, label, exterior, item.points.interior))
    else:
        collector.add(name, polygon(label, exterior))


def _with_holes(source: Source, label: str, exterior: list[Point], holes: list[list[Point]]) -> Bitmap:
    """Draw a polygon, then its holes: a hole's border isn't the object's."""
    corners = np.array(exterior)
    left, top = (int(value) for value in np.floor(corners.min(axis=0)))
    right, bottom = (int(value) for value in np.ceil(corners.max(axis=0)))
    size = (right - left + 1, bottom - top + 1)
    check_size(source.path, size)
    image = Image.new("L", size)
    pen = ImageDraw.Draw(image)
    for ring, value in [(exterior, 1), *((hole, 0) for hole in holes if len(hole) >= 3)]:
        pen.polygon([(x - left, y - top) for x, y in ring], outline=value, fill=value)
    return bitmap(label, np.asarray(image), (left, top))
