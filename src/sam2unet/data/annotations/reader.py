"""Shared by the readers of all formats: field validation, embedded images, and the collector of shapes."""

import base64
import io
import json
import math
import zlib
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from ...errors import InputError, name_some
from ..images.bomb_check import without_bomb_check
from ..options import DataOptions
from .annotation import MAX_PIXELS, MAX_SIDE, Annotation, AnnotationFile, check_shapes, check_size
from .shapes import Outline, Points, Shape, line, outline

T = TypeVar("T")
Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Label = Annotated[str, BeforeValidator(lambda value: "" if value is None else str(value))]
Coordinate = Annotated[float, Field(ge=-10_000_000, le=10_000_000, allow_inf_nan=False)]
Position = Annotated[int, Field(ge=-10_000_000, le=10_000_000)]
Point = tuple[Coordinate, Coordinate]
BOXES = "boxes without an outline"
MAX_COMPRESSED = 1 << 27
"""Most bytes that a compressed field may become."""
ALTERNATIVES = {"int", "str", "list[constrained-int]"}
"""Steps in the places that pydantic tells which are no fields, but the types that a field may have."""
WANTED = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "too_long": "a list of {max_length}",
    "model": "an object with named fields",
    "dict": "an object with named fields",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
}
"""Expected kind of value, by the prefix of pydantic's error type."""


class Source(NamedTuple):
    """A file that is being read."""

    path: Path
    options: DataOptions
    format: str

    def error(self, found: str, remedy: str = "correct the file or export it again", *parameters: str) -> InputError:
        """Return the error of what was found in the file."""
        return InputError(f"{self.path}: {found}: {remedy}", *parameters)

    def parse(self, kind: type[T], content: Any, where: str = "") -> T:
        """Check fields, and convert them to the types that a pydantic model or a type names.

        Raises:
            InputError: names the first field that is missing or wrong.
        """
        try:
            checked: T = _adapter(kind).validate_python(content)  # type: ignore[arg-type]  # types are hashable
            return checked
        except ValidationError as error:
            # Where a field may have several types, the innermost error is that of the type that nearly fits.
            first = max(error.errors(include_url=False), key=lambda found: len(found["loc"]))
            steps = [
                f"[{step}]" if isinstance(step, int) else f".{step}"
                for step in first["loc"]
                if step not in ALTERNATIVES
            ]
            place = (where + "".join(steps)).removeprefix(".") or "the content"
            raise self.error(f"{place} {_describe(first)}") from error


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _describe(error: Any) -> str:
    """Return what one of pydantic's errors says, in JSON's words."""
    if error["type"] == "missing":
        return "is missing"
    wanted = next((text for kind, text in WANTED.items() if error["type"].startswith(kind)), "another kind of value")
    wanted = wanted.format(**error.get("ctx", {}))
    return f"is {shown(error['input'])} where there should be {wanted}"


def shown(value: Any) -> str:
    """Return a value as JSON, cut to a few words."""
    text = json.dumps(value, default=str, ensure_ascii=False) if not isinstance(value, (dict, list)) else ""
    text = text or ("a list" if isinstance(value, list) else "an object with named fields")
    return text if len(text) <= 40 else text[:37] + "..."


@dataclass
class _Image:
    size: tuple[int, int] | None
    shapes: list[Shape] = field(default_factory=list)
    boxes: int = 0
    """Number of shapes that are a box around an object whose outline is unknown."""
    skipped: int = 0


class Collector:
    """The shapes found in a file so far, by image."""

    def __init__(self, source: Source):
        self.source = source
        self.images: dict[str, _Image] = {}
        self.skipped: Counter[str] = Counter()

    def image(self, name: str, size: tuple[int, int] | None) -> None:
        """Add an image; the same name again must have the same size."""
        if size is not None:
            check_size(self.source.path, size)
        known = self.images.setdefault(name, _Image(size))
        if None not in (size, known.size) and size != known.size:
            raise self.source.error(f"{name} is listed twice, as {times(known.size)} and as {times(size)}")
        known.size = known.size or size

    def add(self, name: str, *shapes: Shape) -> None:
        """Add shapes of an image."""
        self.images[name].shapes += shapes

    def add_ring(self, name: str, label: str, points: Points, relative: bool = False) -> None:
        """Add a ring by COCO's rule, if it has three points: a stray click leaves fewer."""
        ring = list(points)
        if len(ring) < 3:
            self.skip(name, "outlines of fewer than 3 points")
        else:
            self.add(name, outline(label, ring, relative=relative))

    def add_line(self, name: str, label: str, points: Points) -> None:
        """Add an open line, if the options say how wide it is."""
        width, ends = self.source.options.line_width, list(points)
        if width is None:
            self.skip(name, "lines: set line_width to draw them")
        elif len(ends) < 2:
            self.skip(name, "lines of one point")
        else:
            self.add(name, line(label, ends, width))

    def add_box(self, name: str, box: Outline) -> None:
        """Add a box around an object whose outline is unknown."""
        self.images[name].boxes += 1
        self.add(name, box)

    def skip(self, name: str | None, reason: str, count: int = 1) -> None:
        """Count what isn't drawn."""
        self.skipped[reason] += count
        if name is not None:
            self.images[name].skipped += count

    def finish(
        self, of_one_image: bool, labels: tuple[str, ...] | None = None, known_labels: tuple[str, ...] = ()
    ) -> AnnotationFile:
        """Apply the rule of `boxes`, leave out the images of which nothing can be drawn, and return the rest.

        Raises:
            InputError: boxes have no outline, and the options don't say what becomes of them.
        """
        left_out = dict.fromkeys(self._apply_boxes())
        left_out |= dict.fromkeys(name for name, image in self.images.items() if image.skipped and not image.shapes)
        kept = {name: image for name, image in self.images.items() if name not in left_out}
        path = self.source.path
        for image in kept.values():
            check_shapes(path, image.size, image.shapes)
        used = sorted({shape.label for image in kept.values() for shape in image.shapes})
        return AnnotationFile(
            path, self.source.format,
            {name: Annotation(path, image.size, tuple(image.shapes)) for name, image in kept.items()},
            of_one_image, dict(self.skipped), tuple(left_out),
            tuple(used) if labels is None else labels, known_labels,
        )  # fmt: skip

    def _apply_boxes(self) -> list[str]:
        """Return the images that are left out because of a box; a file of nothing but boxes annotates no image."""
        boxed = {name: image.boxes for name, image in self.images.items() if image.boxes}
        rule, number = self.source.options.boxes, sum(boxed.values())
        if not boxed or rule == "fill":
            return []
        if rule == "ask" and number < sum(len(image.shapes) for image in self.images.values()):
            raise self.source.error(
                f"{number} {'annotation has' if number == 1 else 'annotations have'} a box but no outline "
                f"({name_some(list(boxed))})",
                "draw their outlines, or leave these images out with skip, or take the boxes as masks with fill",
                "boxes",
            )
        self.skipped[BOXES] += number
        if rule == "ask":
            self.images.clear()
        return list(boxed) if rule == "skip" else []


def times(size: tuple[int, int] | None) -> str:
    """Return a size as text, such as 32x24."""
    return f"{size[0]}x{size[1]}" if size else "unknown"


def image_name(text: str) -> str:
    """Reduce a path, a URL, or Label Studio's address of a local file, to a path with slashes."""
    if "/data/local-files/" in text:
        text = parse_qs(urlsplit(text).query).get("d", [text])[0]
    elif "://" in text:
        text = unquote(urlsplit(text).path)
    elif text.startswith("/data/upload/"):
        text = unquote(text)
    return text.replace("\\", "/").removeprefix("./").lstrip("/")


def embedded_image(source: Source, text: str, where: str, compressed: bool = False) -> NDArray[np.bool_]:
    """Decode a mask that a file embeds as an image in base64: (H, W) bool.

    True where it isn't transparent, or, if the image has no transparency, where it isn't black.

    Raises:
        InputError: it is broken or too large.
    """
    try:
        data = base64.b64decode(text.partition("base64,")[2] or text)
        if compressed:
            stream = zlib.decompressobj()
            data = stream.decompress(data, MAX_COMPRESSED)
            if not stream.eof:
                raise ValueError("cut off, or too large")
        with without_bomb_check():
            image = Image.open(io.BytesIO(data), formats=["PNG"])
            if math.prod(image.size) > MAX_PIXELS:
                raise ValueError("too large")
            if "A" in image.getbands() or "transparency" in image.info:
                return np.asarray(image.convert("RGBA").getchannel("A")) > 0
            return np.asarray(image.convert("L")) > 0
    except (OSError, ValueError, SyntaxError, zlib.error) as error:
        raise source.error(f"{where} holds no PNG image that can be read") from error
