"""COCO: the annotations of a whole data set in one JSON file."""

from typing import Any

from pydantic import BaseModel, NonNegativeInt

from . import run_lengths
from .annotation import AnnotationFile
from .reader import Collector, Coordinate, Label, Side, Source, image_name, shown, times
from .shapes import Bitmap, box, outline

CROWD_LABEL = "__ignore__"
Id = int | str


class _Image(BaseModel):
    id: Id
    file_name: str
    width: Side | None = None
    height: Side | None = None


class _Category(BaseModel):
    id: Id
    name: Label = ""
    supercategory: Label = ""


class _Annotation(BaseModel):
    image_id: Id
    id: Any = None
    category_id: Id | None = None
    segmentation: Any = None
    bbox: list[Coordinate] | None = None
    iscrowd: int | None = None
    segments_info: Any = None


class _Set(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category] | None = None


class _RunLengths(BaseModel):
    size: tuple[Side, Side]
    """Height and width."""
    counts: str | list[NonNegativeInt]


def recognise(content: Any) -> bool:
    """Tell whether parsed JSON is a data set of COCO's."""
    return isinstance(content, dict) and all(isinstance(content.get(key), list) for key in ("images", "annotations"))


def recognise_results(content: Any) -> bool:
    """Tell whether parsed JSON is a list of detections, which says nothing of its images."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(item, dict) and "image_id" in item for item in content)
    )


def read_results(source: Source, content: list[Any]) -> AnnotationFile:
    """Count the detections in a list of results."""
    skipped = {"results: a list of detections that names no image files": len(content)}
    return AnnotationFile(source.path, "COCO", {}, of_one_image=False, skipped=skipped)


def read(source: Source, content: dict[str, Any]) -> AnnotationFile:
    """Read a data set.

    Raises:
        InputError: a field is missing or wrong, or boxes have no outline.
    """
    data = source.parse(_Set, content)
    collector = Collector(source)
    names = _add_images(collector, data.images)
    labels = {str(category.id): category.name for category in data.categories or []}
    for position, annotation in enumerate(data.annotations):
        name = names.get(str(annotation.image_id))
        if name is None:
            raise source.error(
                f"annotations[{position}] belongs to image {shown(annotation.image_id)}, which is not listed in images"
            )
        _add(collector, name, annotation, _label(annotation, labels), f"annotations[{position}]")
    if source.options.crowds == "ignore":
        for image in collector.images.values():
            image.shapes.sort(key=lambda shape: shape.label != CROWD_LABEL)
    if data.annotations and not any(image.shapes for image in collector.images.values()):
        collector.images.clear()  # captions, say, which do not tell where there is nothing
    used, known = _ordered_labels(data, labels)
    return collector.finish(of_one_image=False, labels=used, known_labels=known)


def _add_images(collector: Collector, images: list[_Image]) -> dict[str, str]:
    """Return the names of images by their ids."""
    names: dict[str, str] = {}
    for image in images:
        name, key = image_name(image.file_name), str(image.id)
        if names.setdefault(key, name) != name:
            raise collector.source.error(f"image id {key} is given to {names[key]} and to {name}")
        size = (image.width, image.height) if image.width and image.height else None
        collector.image(name, size)
    return names


def _label(annotation: _Annotation, labels: dict[str, str]) -> str:
    """Return the name of a category; the id stands for one that isn't listed."""
    key = annotation.category_id
    return "" if key is None else labels.get(str(key), str(key))


def _ordered_labels(data: _Set, labels: dict[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels of the categories that are used, and of all, in the order of their ids."""
    used = {str(item.category_id) for item in data.annotations if item.category_id is not None}
    # Roboflow lists the set itself as a category, which is above the others and never used.
    above = {item.supercategory for item in data.categories or [] if item.supercategory != item.name}
    known = used | {key for key, name in labels.items() if name not in above}
    order = sorted(known, key=lambda key: (not key.isdecimal(), int(key) if key.isdecimal() else 0, key))
    names = [(key, labels.get(key, key)) for key in order]
    return (
        tuple(dict.fromkeys(name for key, name in names if key in used)),
        tuple(dict.fromkeys(name for _, name in names)),
    )


def _add(collector: Collector, name: str, annotation: _Annotation, label: str, where: str) -> None:
    source, segmentation = collector.source, annotation.segmentation
    if annotation.iscrowd and source.options.crowds == "ignore":
        label = CROWD_LABEL
    if isinstance(segmentation, dict):
        shape = _bitmap(source, segmentation, label, f"{where}.segmentation")
        known = collector.images[name].size
        if known not in (None, shape.size):
            raise source.error(f"{where} is a mask of {times(shape.size)}, but {name} is {times(known)}")
        collector.image(name, shape.size)
        collector.add(name, shape)
    elif segmentation:
        _add_rings(collector, name, segmentation, label, f"{where}.segmentation")
    elif annotation.bbox:
        left, top, width, height = source.parse(tuple[float, float, float, float], annotation.bbox, f"{where}.bbox")
        collector.add_box(name, box(label, left, top, width, height))
    elif annotation.segments_info is not None:
        collector.skip(None, "panoptic segments: their masks are PNG files")
    else:
        collector.skip(name, "annotations without a box or an outline")


def _add_rings(collector: Collector, name: str, segmentation: Any, label: str, where: str) -> None:
    source = collector.source
    if isinstance(segmentation, list) and all(isinstance(value, (int, float)) for value in segmentation):
        segmentation = [segmentation]
    rings = source.parse(list[list[Coordinate]], segmentation, where)
    for position, ring in enumerate(rings):
        if len(ring) % 2:
            raise source.error(f"{where}[{position}] has {len(ring)} numbers, which are no pairs of x and y")
    closed = [list(zip(ring[::2], ring[1::2], strict=True)) for ring in rings if len(ring) >= 6]
    if closed:
        collector.add(name, outline(label, *closed))
    dropped = len(rings) - len(closed)
    if dropped:
        collector.skip(name, "outlines of fewer than 3 points", dropped)


def _bitmap(source: Source, segmentation: dict[str, Any], label: str, where: str) -> Bitmap:
    rle = source.parse(_RunLengths, segmentation, where)
    height, width = rle.size
    try:
        counts = run_lengths.parse(rle.counts).tolist() if isinstance(rle.counts, str) else rle.counts
        checked = run_lengths.check(counts, height * width)
    except ValueError as error:
        raise source.error(f"{where} of {width}x{height} has {error}") from error
    return Bitmap(label, run_lengths.pack(checked), (width, height))
