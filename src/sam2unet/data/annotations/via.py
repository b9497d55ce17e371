"""VIA, the VGG Image Annotator: a JSON file of many images, exported or saved as a project, by versions 1 and 2."""

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator

from .annotation import AnnotationFile
from .reader import Collector, Coordinate, Source, image_name
from .shapes import box, ellipse


class _Shape(BaseModel):
    name: str
    all_points_x: list[Coordinate] = []
    all_points_y: list[Coordinate] = []
    x: Coordinate = 0
    y: Coordinate = 0
    width: Coordinate = 0
    height: Coordinate = 0
    cx: Coordinate = 0
    cy: Coordinate = 0
    r: Coordinate = 0
    rx: Coordinate = 0
    ry: Coordinate = 0
    theta: Coordinate = 0
    """Rotation of an ellipse in radians."""


class _Region(BaseModel):
    shape_attributes: _Shape
    region_attributes: dict[str, Any] = {}


class _Image(BaseModel):
    filename: str
    regions: Annotated[
        list[_Region], BeforeValidator(lambda regions: list(regions.values()) if isinstance(regions, dict) else regions)
    ]


def recognise(content: Any) -> bool:
    """Tell whether parsed JSON is an export or a project of VIA's."""
    images = content.get("_via_img_metadata", content) if isinstance(content, dict) else None
    return (
        isinstance(images, dict)
        and bool(images)
        and all(isinstance(image, dict) and {"filename", "regions"} <= image.keys() for image in images.values())
    )


def read(source: Source, content: dict[str, Any]) -> AnnotationFile:
    """Read the regions of all images. VIA doesn't store the sizes of images.

    Raises:
        InputError: a field is missing or wrong.
    """
    images = source.parse(dict[str, _Image], content.get("_via_img_metadata", content))
    collector = Collector(source)
    for key, image in images.items():
        name = image_name(image.filename)
        collector.image(name, None)
        for position, region in enumerate(image.regions):
            _add(collector, name, region, f"{key}.regions[{position}]")
    return collector.finish(of_one_image=False)


def _label(attributes: dict[str, Any]) -> str:
    """Return the value of a region's only attribute; several are written out, since any of them may be the class."""
    values = {
        key: ", ".join(name for name, chosen in value.items() if chosen) if isinstance(value, dict) else str(value)
        for key, value in attributes.items()
        if value not in ("", None, {})
    }
    return next(iter(values.values())) if len(values) == 1 else "; ".join(f"{k}={v}" for k, v in values.items())


def _add(collector: Collector, name: str, region: _Region, where: str) -> None:
    shape, label = region.shape_attributes, _label(region.region_attributes)
    if len(shape.all_points_x) != len(shape.all_points_y):
        raise collector.source.error(f"{where} has {len(shape.all_points_x)} x for {len(shape.all_points_y)} y")
    points = list(zip(shape.all_points_x, shape.all_points_y, strict=True))
    if shape.name == "polygon":
        collector.add_ring(name, label, points)
    elif shape.name == "polyline":
        collector.add_line(name, label, points)
    elif shape.name == "rect":
        collector.add(name, box(label, shape.x, shape.y, shape.width, shape.height))
    elif shape.name == "circle":
        collector.add(name, ellipse(label, (shape.cx, shape.cy), (shape.r, shape.r)))
    elif shape.name == "ellipse":
        angle = math.degrees(shape.theta)
        collector.add(name, ellipse(label, (shape.cx, shape.cy), (shape.rx, shape.ry), angle))
    else:
        collector.skip(name, "points" if shape.name == "point" else f"regions of the shape {shape.name}")
