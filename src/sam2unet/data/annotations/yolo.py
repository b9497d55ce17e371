"""YOLO: a text file of each image, one object a line: its class, then x y x y ... as fractions of the image's size."""

import math
from functools import lru_cache
from typing import Any

from .annotation import AnnotationFile
from .reader import Collector, Source
from .shapes import outline

NAME_FILES = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names", "_darknet.labels")
"""Files beside the labels, or up to two folders above, that name the classes."""
MAX_CLASSES = 10_000


def recognise(text: str) -> bool:
    """Tell whether all lines are a whole number and four or more numbers; an empty file is an image without objects."""
    return all(_is_row(line.split()) for line in text.splitlines() if line.strip())


def _is_row(words: list[str]) -> bool:
    try:
        values = [float(word) for word in words]
        return len(words) >= 5 and values[0] >= 0 and values[0].is_integer() and all(map(math.isfinite, values))
    except ValueError:
        return False


def read(source: Source, text: str) -> AnnotationFile:
    """Read the objects of one image. The image's size isn't stored.

    Raises:
        InputError: a line is no outline, or coordinates are pixels.
    """
    name = source.path.stem
    collector = Collector(source)
    collector.image(name, None)
    names = _names(source)
    highest = -1
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            index, *values = (float(word) for word in line.split())
            if index >= MAX_CLASSES:
                raise source.error(f"line {number} has class {index:g}; which is too high")
            highest = max(highest, int(index))
            label = names[int(index)] if index < len(names) else f"{index:g}"
            _add(collector, name, label, values, f"line {number}")
    labels = names + tuple(str(index) for index in range(len(names), highest + 1))
    return collector.finish(of_one_image=True, labels=labels, known_labels=labels)


def _add(collector: Collector, name: str, label: str, values: list[float], where: str) -> None:
    source = collector.source
    if not all(-1 <= value <= 2 for value in values):
        raise source.error(
            f"{where} has the coordinate {next(v for v in values if not -1 <= v <= 2):g}; YOLO's are fractions of the "
            "image's size, from 0 to 1",
            "divide them by width and height",
        )
    if len(values) % 2:
        raise source.error(
            f"{where} has {len(values) + 1} numbers, which are not a class and pairs of x and y",
            "remove confidences and keypoints",
        )
    if len(values) == 4:
        x, y, width, height = values
        corners = [(x + i * width / 2, y + j * height / 2) for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        collector.add_box(name, outline(label, _clipped(corners), relative=True))
    else:
        collector.add_ring(name, label, _clipped(list(zip(values[::2], values[1::2], strict=True))), relative=True)


def _clipped(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)) for x, y in points]


def _names(source: Source) -> tuple[str, ...]:
    """Return the names of the classes, if a file tells them."""
    for folder in (source.path.parent, *list(source.path.parent.parents)[:2]):
        for file in (folder / name for name in NAME_FILES):
            try:
                changed = file.stat().st_mtime_ns
            except OSError:
                continue
            return _read_names(source._replace(path=file), changed)
    return ()


@lru_cache(maxsize=16)
def _read_names(source: Source, changed: int) -> tuple[str, ...]:
    """Read a file of names; the time of its last change makes the cache forget an older state."""
    import yaml

    text = source.path.read_text(encoding="utf-8-sig", errors="replace")
    if source.path.suffix not in (".yaml", ".yml"):
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    try:
        content: Any = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise source.error("is not YAML that can be read", "correct it") from error
    content = content if isinstance(content, dict) else {}
    if "kpt_shape" in content:
        raise source.error("describes keypoints (kpt_shape), which are no outlines", "export outlines")
    names = content.get("names") or []
    if isinstance(names, dict):
        numbered = {int(key): value for key, value in names.items() if str(key).isdecimal() and len(str(key)) <= 4}
        names = [numbered.get(index, str(index)) for index in range(max(numbered, default=-1) + 1)]
    return tuple(str(name) for name in names) if isinstance(names, list) else ()
