"""Polygon annotations: LabelMe (one JSON file per image) and COCO (one per data set)."""

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import InputError
from .mask_file import Polygons, Ring


def read_polygons(path: Path, class_names: Sequence[str] = ()) -> dict[str, Polygons]:
    """Read the annotations of a JSON file.

    Args:
        path: a file of LabelMe or COCO, or any other JSON.
        class_names: labels in the order of their class indices, background first. Without them LabelMe's labels are
            class 1 (a label that is a number: that class), and COCO's categories 1, 2, ... in the order of their ids.

    Returns:
        Polygons by the name of their image without suffix: the file's own name for LabelMe; the name in the file for
        COCO, which may start with folders. Empty if the file is neither.

    Raises:
        InputError: broken JSON, a label that `class_names` lacks, or a COCO segmentation that is run-length encoded.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":
            return {}  # JSON Lines, such as a log
        raise InputError(f"{path}: broken JSON ({error})") from error
    try:
        if isinstance(content, dict) and "shapes" in content and "imageHeight" in content:
            return {path.stem: _labelme(path, content, class_names)}
        if isinstance(content, dict) and "annotations" in content and "images" in content:
            return _coco(path, content, class_names)
    except InputError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not in the format of LabelMe or COCO ({type(error).__name__}: {error})") from error
    return {}


def _class_index(path: Path, label: Any, class_names: Sequence[str]) -> int:
    if label not in class_names:
        raise InputError(
            f"{path}: label {label!r} is not among the class names ({', '.join(class_names)}): correct it or "
            "add it to class_names"
        )
    return class_names.index(label)


def _closed_rings(rings: list[list[tuple[float, float]]]) -> tuple[Ring, ...]:
    """Keep the rings that enclose an area: a stray click leaves one or two points."""
    return tuple(tuple(ring) for ring in rings if len(ring) >= 3)


def _labelme(path: Path, content: dict[str, Any], class_names: Sequence[str]) -> Polygons:
    shapes = []
    for shape in content["shapes"]:
        points = [(float(x), float(y)) for x, y in shape["points"]]
        kind = shape.get("shape_type", "polygon")
        if kind == "rectangle":
            (x0, y0), (x1, y1) = points
            points = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        elif kind != "polygon":
            raise InputError(f"{path}: a shape is a {kind}: only polygons and rectangles outline an object; remove it")
        label = shape["label"]
        number = int(label) if str(label).isdigit() and 0 < int(label) < 255 else 1
        shapes.append((_class_index(path, label, class_names) if class_names else number, _closed_rings([points])))
    return Polygons(path, (int(content["imageWidth"]), int(content["imageHeight"])), tuple(shapes))


def _coco(path: Path, content: dict[str, Any], class_names: Sequence[str]) -> dict[str, Polygons]:
    categories = sorted(content.get("categories", []), key=lambda category: category["id"])
    index = {
        category["id"]: _class_index(path, category["name"], class_names) if class_names else position
        for position, category in enumerate(categories, start=1)
    }
    if len(index) > 254:
        raise InputError(f"{path}: {len(index)} categories, but a mask holds 254 at most: merge some")
    shapes: dict[Any, list[tuple[int, tuple[Ring, ...]]]] = {image["id"]: [] for image in content["images"]}
    outlined = [a for a in content["annotations"] if "segmentation" in a and not a.get("iscrowd")]
    if content["annotations"] and not outlined:
        return {}  # captions, or boxes only
    for annotation in outlined:
        rings = annotation["segmentation"]
        if isinstance(rings, dict):
            raise InputError(f"{path}: annotation {annotation.get('id')} is run-length encoded: export polygons")
        points = [list(zip(map(float, r[::2]), map(float, r[1::2]), strict=True)) for r in rings]
        shapes[annotation["image_id"]].append((index.get(annotation.get("category_id"), 1), _closed_rings(points)))
    return {
        PurePosixPath(image["file_name"].replace("\\", "/")).with_suffix("").as_posix(): Polygons(
            path, (int(image["width"]), int(image["height"])), tuple(shapes[image["id"]])
        )
        for image in content["images"]
    }
