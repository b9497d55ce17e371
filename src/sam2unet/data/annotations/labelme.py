"""LabelMe: a JSON file beside each image."""

from typing import Any

from pydantic import BaseModel

from .annotation import AnnotationFile
from .reader import Collector, Label, Point, Side, Source, embedded_image
from .shapes import bitmap, circle, polygon, rectangle

POLYGONS = {"polygon", "rotation", "quadrilateral", "oriented_rectangle"}
"""Closed outlines; X-AnyLabeling and others who write LabelMe's format have more of them than LabelMe."""


class _Shape(BaseModel):
    label: Label = ""
    points: list[Point]
    shape_type: str | None = None
    mask: str | None = None


class _File(BaseModel):
    shapes: list[_Shape]
    imageHeight: Side | None = None
    imageWidth: Side | None = None


def recognise(content: Any) -> bool:
    """Tell whether parsed JSON is a file of LabelMe's."""
    return (
        isinstance(content, dict)
        and isinstance(content.get("shapes"), list)
        and bool({"imagePath", "imageData", "imageHeight"} & content.keys())
    )


def read(source: Source, content: dict[str, Any]) -> AnnotationFile:
    """Read the shapes of one image; they are drawn as LabelMe draws them.

    Raises:
        InputError: a field is missing or wrong.
    """
    data = source.parse(_File, content)
    name = source.path.stem
    collector = Collector(source)
    collector.image(name, (data.imageWidth, data.imageHeight) if data.imageWidth and data.imageHeight else None)
    for position, shape in enumerate(data.shapes):
        _add(collector, name, shape, f"shapes[{position}]")
    return collector.finish(of_one_image=True)


def _add(collector: Collector, name: str, shape: _Shape, where: str) -> None:
    kind, points = shape.shape_type or "polygon", shape.points
    if kind == "mask":
        collector.add(name, _mask(collector.source, shape, where))
    elif kind in ("line", "linestrip"):
        collector.add_line(name, shape.label, points)
    elif kind in ("point", "points"):
        collector.skip(name, "points")
    elif kind == "rectangle" and len(points) == 2:
        collector.add(name, rectangle(shape.label, points))
    elif kind == "circle" and len(points) == 2:
        collector.add(name, circle(shape.label, points))
    elif kind not in POLYGONS | {"rectangle", "circle"}:
        collector.skip(name, f"shapes of the type {kind}")
    elif kind == "circle" or len(points) < 3:
        collector.skip(name, "outlines of too few points")
    else:
        collector.add(name, polygon(shape.label, points))


def _mask(source: Source, shape: _Shape, where: str) -> Any:
    if not shape.mask or not shape.points:
        raise source.error(f"{where} is a mask without {'points' if shape.mask else 'its image'}")
    mask = embedded_image(source, shape.mask, f"{where}.mask")
    left, top = (int(value) for value in shape.points[0])
    right, bottom = (int(value) for value in shape.points[-1])
    height, width = mask.shape
    if len(shape.points) > 1 and max(abs(right - left + 1 - width), abs(bottom - top + 1 - height)) > 1:
        raise source.error(
            f"{where} is a mask of {width}x{height} in a box of {right - left + 1}x{bottom - top + 1} pixels"
        )
    return bitmap(shape.label, mask, (left, top))
