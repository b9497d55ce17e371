"""Label Studio: its JSON export, a list of tasks."""

from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from .annotation import MAX_PIXELS, AnnotationFile
from .reader import Collector, Coordinate, Point, Side, Source, embedded_image, image_name
from .shapes import Outline, bitmap, box, ellipse, turn

IMAGE_SUFFIXES = {".bmp", ".dcm", ".gif", ".heic", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


class _Value(BaseModel):
    points: list[Point] = []
    x: Coordinate = 0
    y: Coordinate = 0
    width: Coordinate = 0
    height: Coordinate = 0
    radiusX: Coordinate = 0
    radiusY: Coordinate = 0
    rotation: Coordinate = 0
    rle: list[int] | None = None
    imageDataURL: str | None = None


class _Result(BaseModel):
    type: str = ""
    value: dict[str, Any] = {}
    id: Any = None
    original_width: Side | None = None
    original_height: Side | None = None
    image_rotation: Coordinate | None = None


class _Annotation(BaseModel):
    result: list[_Result] = []
    was_cancelled: bool | None = None
    updated_at: str | None = None
    created_at: str | None = None


class _Task(BaseModel):
    data: dict[str, Any]
    annotations: list[_Annotation]


def recognise(content: Any) -> bool:
    """Tell whether parsed JSON is an export of Label Studio's."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(task, dict) and {"data", "annotations"} <= task.keys() for task in content)
    )


def read(source: Source, content: list[Any]) -> AnnotationFile:
    """Read the newest annotation of each task that isn't cancelled.

    Raises:
        InputError: a field is missing or wrong, or boxes have no outline.
    """
    collector = Collector(source)
    for position, task in enumerate(source.parse(list[_Task], content)):
        name = _image_of(source, task, f"[{position}].data")
        done = [annotation for annotation in task.annotations if not annotation.was_cancelled]
        if not done:
            collector.skip(None, "images that nobody has annotated")
            continue
        if len(done) > 1:
            collector.skip(None, "annotations of an image that has a newer one", len(done) - 1)
        newest = max(done, key=lambda annotation: annotation.updated_at or annotation.created_at or "")
        _add_annotation(collector, name, newest, f"[{position}]")
    return collector.finish(of_one_image=False)


def _image_of(source: Source, task: _Task, where: str) -> str:
    texts = [text for text in task.data.values() if isinstance(text, str)]
    names = [image_name(text) for text in [task.data.get("image"), *texts] if isinstance(text, str)]
    names = [name for name in names if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES]
    if not names:
        raise source.error(f"{where} names no image file")
    return names[0]


def _add_annotation(collector: Collector, name: str, annotation: _Annotation, where: str) -> None:
    sizes = {(item.original_width, item.original_height) for item in annotation.result}
    sizes = {size for size in sizes if None not in size}
    collector.image(name, None)
    for size in sizes:
        collector.image(name, size)  # type: ignore[arg-type]
    labels = {str(item.id): _label(item) for item in annotation.result if _label(item)}
    for position, item in enumerate(annotation.result):
        _add(collector, name, item, labels.get(str(item.id), ""), f"{where} ({name}), result[{position}]")


def _label(item: _Result) -> str:
    """Return the label of a result; a shape without one may have a second result of the same id that tells it."""
    chosen = item.value.get(item.type) or item.value.get("labels")
    return ", ".join(str(label) for label in chosen) if isinstance(chosen, list) else ""


def _add(collector: Collector, name: str, item: _Result, label: str, where: str) -> None:
    source, kind = collector.source, item.type.removesuffix("labels")
    if kind not in ("polygon", "rectangle", "ellipse", "brush", "bitmask"):
        if kind not in ("", "choices", "taxonomy", "rating", "textarea", "number"):  # these aren't drawn
            collector.skip(name, "points" if kind == "keypoint" else f"results of the type {item.type}")
        return
    value = source.parse(_Value, item.value, where)
    size = (item.original_width, item.original_height)
    if size[0] is None or size[1] is None:
        raise source.error(f"{where} has no original_width or original_height")
    if item.image_rotation:
        raise source.error(f"{where} was drawn on an image turned by {item.image_rotation:g} degrees", "turn it back")
    if kind == "brush":
        collector.add(name, bitmap(label, _brush(source, value.rle or [], (size[0], size[1]), where)))
    elif kind == "bitmask":
        collector.add(name, bitmap(label, embedded_image(source, value.imageDataURL or "", where)))
    elif kind == "polygon":
        collector.add_ring(name, label, [(x * size[0] / 100, y * size[1] / 100) for x, y in value.points])
    else:
        _add_round_or_box(collector, name, label, value, (size[0] / 100, size[1] / 100))


def _add_round_or_box(collector: Collector, name: str, label: str, value: _Value, scale: tuple[float, float]) -> None:
    x, y = value.x * scale[0], value.y * scale[1]
    if value.radiusX:
        radii = (value.radiusX * scale[0], value.radiusY * scale[1])
        collector.add(name, ellipse(label, (x, y), radii, value.rotation))
    else:
        upright: Outline = box(label, x, y, value.width * scale[0], value.height * scale[1])
        collector.add_box(name, turn(upright, (x, y), value.rotation))


def _brush(source: Source, data: list[int], size: tuple[int, int], where: str) -> NDArray[np.bool_]:
    """Decode a brush's pixels: RGBA values, compressed by runs whose lengths have one of four numbers of bits.

    The format is that of the package @thi.ng/rle-pack.
    """
    width, height = size
    if not data or not all(0 <= value <= 255 for value in data) or width * height > MAX_PIXELS:
        raise source.error(f"{where} holds no pixels")
    bits = np.unpackbits(np.array(data, np.uint8))
    position = 0

    def number(count: int) -> int:
        nonlocal position
        position += count
        if position > bits.size:
            raise source.error(f"{where} is cut off")
        return int("".join(map(str, bits[position - count : position])), 2)

    total, word = number(32), number(5) + 1
    lengths = [number(4) + 1 for _ in range(4)]
    if total != 4 * width * height:
        raise source.error(f"{where} holds {total // 4} pixels, but its image is {width}x{height}")
    values = np.zeros(total, np.uint8)
    start = 0
    while start < total:
        is_run = number(1)
        end = start + 1 + number(lengths[number(2)])
        if is_run:
            values[start:end] = number(word) & 255
        else:
            for place in range(start, min(end, total)):
                values[place] = number(word) & 255
        start = end
    return values.reshape(height, width, 4)[..., 3] > 0
