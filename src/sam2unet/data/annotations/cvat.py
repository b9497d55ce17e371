"""CVAT for images 1.1: an XML file of many images; and Pascal VOC's XML files, most of which hold boxes only."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
from pydantic import BaseModel

from . import run_lengths
from .annotation import AnnotationFile
from .reader import Collector, Coordinate, Label, Point, Position, Side, Source, image_name
from .shapes import Bitmap, bitmap, box, ellipse


class _Image(BaseModel):
    name: str
    width: Side
    height: Side


class _Attributes(BaseModel):
    label: Label = ""
    rotation: Coordinate = 0


class _Box(_Attributes):
    xtl: Coordinate
    ytl: Coordinate
    xbr: Coordinate
    ybr: Coordinate


class _Ellipse(_Attributes):
    cx: Coordinate
    cy: Coordinate
    rx: Coordinate
    ry: Coordinate


class _Mask(_Attributes):
    left: Position
    top: Position
    width: Side
    height: Side
    rle: str


class _BoundingBox(BaseModel):
    xmin: Coordinate
    ymin: Coordinate
    xmax: Coordinate
    ymax: Coordinate


def read(source: Source, text: str) -> AnnotationFile | None:
    """Read an XML file.

    Returns:
        Its annotations, or None if it is neither CVAT's nor Pascal VOC's.

    Raises:
        InputError: broken XML, a field that is missing or wrong, or boxes have no outline.
    """
    if "<!ENTITY" in text:
        raise source.error("defines entities, which annotations do not need and which can fill the memory")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise source.error(f"broken XML ({error})", "export it again") from error
    if root.tag == "annotations":
        return _read_cvat(source, root)
    if root.tag == "annotation":
        return _read_voc(source._replace(format="Pascal VOC"), root)
    return None


def _read_cvat(source: Source, root: Element) -> AnnotationFile:
    collector = Collector(source)
    tracks = root.findall("track")
    if tracks:
        collector.skip(None, "tracks of a video: export as CVAT for images", len(tracks))
    for position, element in enumerate(root.iter("image")):
        image = source.parse(_Image, element.attrib, f"image {position}")
        name = image_name(image.name)
        collector.image(name, (image.width, image.height))
        for shape in sorted(element, key=lambda child: _layer(source, child, name)):
            _add(collector, name, shape, f"{shape.tag} of {name}")
    return collector.finish(of_one_image=False)


def _layer(source: Source, element: Element, name: str) -> int:
    return source.parse(int, element.get("z_order", "0"), f"z_order of {name}")


def _add(collector: Collector, name: str, element: Element, where: str) -> None:
    source, label = collector.source, element.get("label", "")
    if element.tag == "polygon":
        collector.add_ring(name, label, _points(source, element, where))
    elif element.tag == "polyline":
        collector.add_line(name, label, _points(source, element, where))
    elif element.tag == "mask":
        collector.add(name, _mask(source, element, where))
    elif element.tag == "ellipse":
        item = source.parse(_Ellipse, element.attrib, where)
        collector.add(name, ellipse(label, (item.cx, item.cy), (item.rx, item.ry), item.rotation))
    elif element.tag == "box":
        corners = source.parse(_Box, element.attrib, where)
        size = (corners.xbr - corners.xtl, corners.ybr - corners.ytl)
        collector.add_box(name, box(label, corners.xtl, corners.ytl, *size, corners.rotation))
    elif element.tag != "tag":
        collector.skip(name, "points" if element.tag == "points" else f"shapes of the type {element.tag}")


def _points(source: Source, element: Element, where: str) -> list[tuple[float, float]]:
    pairs = [pair.split(",") for pair in element.get("points", "").split(";") if pair.strip()]
    return source.parse(list[Point], pairs, f"{where}, points")


def _mask(source: Source, element: Element, where: str) -> Bitmap:
    """Decode run lengths that go along the rows of the mask's box."""
    mask = source.parse(_Mask, element.attrib, where)
    lengths = source.parse(list[int], mask.rle.split(","), f"{where}, rle")
    try:
        counts = run_lengths.check(lengths, mask.width * mask.height)
    except ValueError as error:
        raise source.error(f"{where} of {mask.width}x{mask.height} has {error}") from error
    flat = np.repeat(np.arange(len(counts)) % 2 > 0, counts)
    return bitmap(mask.label, flat.reshape(mask.height, mask.width), (mask.left, mask.top))


def _read_voc(source: Source, root: Element) -> AnnotationFile:
    name = source.path.stem
    collector = Collector(source)
    size = {key: root.findtext(f"size/{key}", "0") for key in ("width", "height")}
    known = all(value.isdecimal() and int(value) > 0 for value in size.values())
    collector.image(name, (int(size["width"]), int(size["height"])) if known else None)
    for position, item in enumerate(root.findall("object")):
        if item.findtext("deleted", "0").strip() == "1":
            continue
        if (ring := item.find("polygon")) is not None:
            collector.add_ring(name, item.findtext("name", ""), _corners(source, ring, f"polygon of object {position}"))
            continue
        fields = {child.tag: child.text for child in item.iterfind("bndbox/*")}
        corners = source.parse(_BoundingBox, fields, f"bndbox of object {position}")
        # Pascal VOC counts pixels from 1, and its boxes include their last pixels.
        left, top = corners.xmin - 1, corners.ymin - 1
        collector.add_box(name, box(item.findtext("name", ""), left, top, corners.xmax - left, corners.ymax - top))
    if source.options.boxes == "ask":
        collector.images = {key: image for key, image in collector.images.items() if image.shapes}
    return collector.finish(of_one_image=True)


def _corners(source: Source, ring: Element, where: str) -> list[tuple[float, float]]:
    """Return an outline's corners: <x1>, <y1>, ... as Roboflow writes them, or <pt>s as LabelMe's website does."""
    texts = {axis: [e.text for e in ring.iter() if e.tag.rstrip("0123456789") == axis] for axis in "xy"}
    if len(texts["x"]) != len(texts["y"]):
        raise source.error(f"{where} has {len(texts['x'])} x for {len(texts['y'])} y")
    return source.parse(list[Point], list(zip(texts["x"], texts["y"], strict=True)), where)
