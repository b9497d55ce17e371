"""The shapes that annotations consist of, and how they become pixels."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

from . import run_lengths

MAX_OUTLINE = 10_000_000
"""Longest outline in pixels: drawing takes memory in proportion."""

Points = Iterable[Sequence[float]]
"""Pairs (x, y), in pixels."""
Array = NDArray[Any]


@dataclass(frozen=True)
class Outline:
    """The union of closed rings, drawn by COCO's rule: coordinates are those of the corners of pixels."""

    label: str
    rings: tuple[bytes, ...]
    """The coordinates x, y, x, y, ... of each ring, as float64."""
    relative: bool = False
    """Whether coordinates are fractions of the image's width and height, not pixels."""

    def coordinates(self, size: tuple[int, int]) -> list[Array]:
        """Return each ring's (points, 2) coordinates in pixels of an image of this (width, height)."""
        return [np.frombuffer(ring).reshape(-1, 2) * (size if self.relative else 1) for ring in self.rings]

    def paint(self, canvas: Array, value: int) -> None:
        """Set the pixels inside to a value; the canvas is (H, W) in Fortran order."""
        from pycocotools import mask

        height, width = canvas.shape
        rings = [ring.ravel().tolist() for ring in self.coordinates((width, height))]
        for rle in mask.frPyObjects(rings, height, width):
            run_lengths.paint(canvas, run_lengths.parse(rle["counts"]), value)


@dataclass(frozen=True)
class Figure:
    """A figure drawn by Pillow's rule, which LabelMe follows: coordinates are those of pixels, the border included."""

    label: str
    kind: Literal["polygon", "rectangle", "ellipse", "line"]
    points: bytes
    """x, y, x, y, ... as float64; of a rectangle and an ellipse the upper left and lower right corners."""
    width: float = 0
    """Width of a line in pixels; 0 for other figures."""

    def coordinates(self, size: tuple[int, int]) -> list[Array]:
        """Return the (points, 2) coordinates in pixels, as a list of one."""
        return [np.frombuffer(self.points).reshape(-1, 2)]

    def draw(self, pen: ImageDraw.ImageDraw, value: int) -> None:
        """Draw with a pen of Pillow's."""
        points: list[float] = np.frombuffer(self.points).tolist()
        if self.kind == "line":
            pen.line(points, fill=value, width=max(1, round(self.width)))
        elif self.kind == "polygon":
            pen.polygon(points, outline=value, fill=value)
        else:
            (pen.rectangle if self.kind == "rectangle" else pen.ellipse)(points, outline=value, fill=value)


@dataclass(frozen=True)
class Bitmap:
    """A mask of single pixels, of the whole image or of a part of it."""

    label: str
    counts: bytes
    """Run lengths, packed by `run_lengths.pack`."""
    size: tuple[int, int]
    """Width and height of the mask."""
    origin: tuple[int, int] = (0, 0)
    """Column and row of its upper left corner in the image."""

    def coordinates(self, size: tuple[int, int]) -> list[Array]:
        """Return the corners of its box, as a list of one (2, 2) array."""
        return [np.array([self.origin, np.add(self.origin, self.size)], float)]

    def paint(self, canvas: Array, value: int) -> None:
        """Set the pixels inside to a value; the canvas is (H, W) in Fortran order."""
        (width, height), (left, top) = self.size, self.origin
        counts = run_lengths.unpack(self.counts)
        if (height, width) == canvas.shape and (left, top) == (0, 0):
            run_lengths.paint(canvas, counts, value)
            return
        part = np.zeros((height, width), np.uint8, order="F")
        run_lengths.paint(part, counts, 1)
        part = part[max(0, -top) :, max(0, -left) :]
        target = canvas[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)]
        target[part[: target.shape[0], : target.shape[1]] > 0] = value


Shape = Outline | Figure | Bitmap


def outline(label: str, *rings: Points, relative: bool = False) -> Outline:
    """Return the union of rings of (x, y)."""
    return Outline(label, tuple(_pack(ring) for ring in rings), relative)


def polygon(label: str, points: Points) -> Figure:
    """Return a polygon by Pillow's rule."""
    return Figure(label, "polygon", _pack(points))


def rectangle(label: str, points: Points) -> Figure:
    """Return the rectangle around points, by Pillow's rule: both border pixels belong to it."""
    corners = np.array(list(points), float)
    return Figure(label, "rectangle", _pack([corners.min(axis=0), corners.max(axis=0)]))


def circle(label: str, points: Points) -> Figure:
    """Return a circle of its centre and a point on it, by Pillow's rule."""
    (x, y), other = points
    radius = math.dist((x, y), other)
    return Figure(label, "ellipse", _pack([(x - radius, y - radius), (x + radius, y + radius)]))


def line(label: str, points: Points, width: float) -> Figure:
    """Return an open line of a width in pixels."""
    return Figure(label, "line", _pack(points), width)


def ellipse(label: str, centre: Sequence[float], radii: Sequence[float], degrees: float = 0) -> Outline:
    """Return an ellipse, turned clockwise around its centre, as an outline of 360 corners."""
    angles = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    return outline(label, _turned(np.stack([np.cos(angles), np.sin(angles)], 1) * radii + centre, centre, degrees))


def box(label: str, left: float, top: float, width: float, height: float, degrees: float = 0) -> Outline:
    """Return a box whose coordinates are those of the corners of pixels, turned clockwise around its centre."""
    right, bottom = left + width, top + height
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)
    return outline(label, _turned(corners, corners.mean(axis=0), degrees))


def turn(shape: Outline, pivot: Sequence[float], degrees: float) -> Outline:
    """Turn an outline clockwise around a point."""
    rings = (np.frombuffer(ring).reshape(-1, 2) for ring in shape.rings)
    return outline(shape.label, *(_turned(ring, pivot, degrees) for ring in rings))


def bitmap(label: str, mask: Array, origin: tuple[int, int] = (0, 0)) -> Bitmap:
    """Return an (H, W) mask whose upper left corner lies at (column, row) `origin`."""
    return Bitmap(label, run_lengths.pack(run_lengths.of_mask(mask)), (mask.shape[1], mask.shape[0]), origin)


def _turned(points: Array, pivot: Sequence[float] | Array, degrees: float) -> Array:
    angle = math.radians(degrees)
    turned = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return (points - pivot) @ turned + pivot if degrees else points


def _pack(points: Points) -> bytes:
    return np.array(points if isinstance(points, np.ndarray) else list(points), float).tobytes()
