"""A mask that is drawn from an annotation, and what an annotation file holds."""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ...card import IGNORED
from ...errors import InputError
from .shapes import MAX_OUTLINE, Figure, Shape

MAX_SIDE = 100_000
"""Largest width or height of an annotated image."""
MAX_PIXELS = 400_000_000
"""Largest number of pixels of an annotated image."""
RESERVED = {"__ignore__": IGNORED, "_background_": 0, "background": 0}
"""Labels whose class index needs no question."""
MARGIN = 0.1
"""Shapes that lie farther outside an image, as a fraction of its size, belong to an image of another size."""


@dataclass(frozen=True)
class Annotation:
    """The shapes that outline the objects of one image; small, so that it can travel to worker processes."""

    file: Path
    size: tuple[int, int] | None
    """Width and height of the annotated image; None if the file doesn't say: call `with_size`."""
    shapes: tuple[Shape, ...]
    """In the order in which they are drawn, one over the other."""
    indices: tuple[tuple[str, int], ...] = ()
    """Class index of each label; a label that isn't there is class 1, or reserved."""

    def __str__(self) -> str:
        return str(self.file)

    def with_size(self, size: tuple[int, int]) -> "Annotation":
        """Return the annotation of an image of this width and height, if the file doesn't say it.

        Raises:
            InputError: shapes reach far outside such an image: they were drawn on one of another size.
        """
        if self.size is not None:
            return self
        check_size(self.file, size)
        check_shapes(self.file, size, self.shapes, MARGIN)
        return dataclasses.replace(self, size=size)

    def with_indices(self, indices: Mapping[str, int]) -> "Annotation":
        """Return the annotation with the class indices of its labels."""
        labels = dict.fromkeys(shape.label for shape in self.shapes)
        return dataclasses.replace(self, indices=tuple((name, indices[name]) for name in labels if name in indices))

    def draw(self) -> NDArray[np.uint8]:
        """Return (H, W) uint8: 0 background, class indices, 255 ignored.

        Raises:
            InputError: the size is unknown.
        """
        if self.size is None:
            raise InputError(f"{self.file}: does not say how wide and high its image is: put the image beside it")
        indices = RESERVED | dict(self.indices)
        # Shapes paint in Fortran order, figures in C order, and transposing takes longer than drawing.
        order: Literal["C", "F"] = "F" if self.shapes and not isinstance(self.shapes[0], Figure) else "C"
        canvas = np.zeros(self.size[::-1], np.uint8, order=order)
        for are_figures, run in itertools.groupby(self.shapes, key=lambda shape: isinstance(shape, Figure)):
            if are_figures:
                image = Image.fromarray(np.ascontiguousarray(canvas))
                pen = ImageDraw.Draw(image)
            canvas = canvas if are_figures else np.asfortranarray(canvas)
            for shape in run:
                index = indices.get(shape.label, 1)
                if isinstance(shape, Figure):
                    shape.draw(pen, index)
                else:
                    shape.paint(canvas, index)
            canvas = np.array(image) if are_figures else canvas
        return np.ascontiguousarray(canvas)


@dataclass(frozen=True)
class AnnotationFile:
    """The annotations in a file, by image."""

    file: Path
    format: str
    """Name of the format, such as "COCO"."""
    annotations: dict[str, Annotation]
    """By the name of the image: as the file gives it, folders and suffix included, or, for a file of one image, the
    file's own name without its suffix."""
    of_one_image: bool
    """Whether the file lies beside its image, or in a folder that mirrors the image's."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Number of things that are not drawn, by reason."""
    skipped_images: tuple[str, ...] = ()
    """Images that are left out, because of `boxes`, or because nothing that was drawn on them outlines an object."""
    labels: tuple[str, ...] = ()
    """Labels in the file's own order, those that are used (YOLO: all)."""
    known_labels: tuple[str, ...] = ()
    """Labels in the file's own order, those that are not used too; empty if the file has no list of labels."""


def check_size(file: Path, size: tuple[int, int]) -> None:
    """Raise an InputError unless a (width, height) can be that of an image."""
    width, height = size
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE and width * height <= MAX_PIXELS):
        raise InputError(
            f"{file}: gives an image the size {width}x{height}; the sides must be whole numbers from 1 to "
            f"{MAX_SIDE:,}, and the pixels {MAX_PIXELS:,} at most: correct it"
        )


def check_shapes(
    file: Path, size: tuple[int, int] | None, shapes: Iterable[Shape], margin: float | None = None
) -> None:
    """Check that shapes can be drawn on an image.

    Args:
        file: for the message.
        size: width and height, if known.
        shapes: those of the image.
        margin: largest reach outside the image, as a fraction of its size; by default a part must lie inside.

    Raises:
        InputError: a shape lies outside, or its outline is too long.
    """
    for shape in shapes:
        for points in shape.coordinates(size or (1, 1)):
            low, high = points.min(axis=0), points.max(axis=0)
            extent = max(high - low)
            is_long = extent * len(points) > MAX_OUTLINE and abs(np.diff(points, axis=0)).sum() > MAX_OUTLINE
            if extent > 2 * MAX_SIDE or is_long:
                raise InputError(
                    f"{file}: an outline from ({low[0]:.6g}, {low[1]:.6g}) to ({high[0]:.6g}, {high[1]:.6g}) "
                    "is too long to be drawn: correct its coordinates"
                )
            if size is None:
                continue
            reach = np.maximum(np.multiply(size, margin), 2) if margin is not None else high - low
            if (low < -reach).any() or (high > size + reach).any():
                raise InputError(
                    f"{file}: an outline reaches from ({low[0]:.6g}, {low[1]:.6g}) to ({high[0]:.6g}, {high[1]:.6g}), "
                    f"but its image is {size[0]}x{size[1]}: annotate this image, or use the one that was annotated"
                )
