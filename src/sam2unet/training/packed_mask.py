"""Masks in little memory, of which parts can be had quickly: training on tiles needs all of them again and again."""

import zlib

import numpy as np
from numpy.typing import NDArray

from ..card import IGNORED
from ..data import Mask

STRIP = 256
"""Rows that are compressed together."""
PIXELS = 2000
"""Largest number of pixels of a class whose indices are kept."""


class PackedMask:
    """A mask, compressed in strips of rows; and where some pixels of its objects lie.

    Args:
        mask: is not kept.
    """

    def __init__(self, mask: Mask):
        self.shape: tuple[int, int] = (mask.labels.shape[0], mask.labels.shape[1])
        tops = range(0, self.shape[0], STRIP)
        planes = [mask.labels] if mask.grey is None else [mask.labels, mask.grey]
        self._planes = [[zlib.compress(plane[top : top + STRIP].tobytes(), 1) for top in tops] for plane in planes]
        self.pixels = [_some_pixels(mask.labels == label) for label in _object_labels(mask.labels)]
        """For each class in the mask, but not background and ignored: indices of up to `PIXELS` random pixels of it, in
        the flattened mask."""

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        return sum(len(strip) for plane in self._planes for strip in plane) + sum(p.nbytes for p in self.pixels)

    def cut(self, top: int, left: int, side: int) -> Mask:
        """Copy a square out of the mask; what lies outside is ignored."""
        first = max(0, top) // STRIP * STRIP
        labels, *grey = (
            cut(self._rows(plane, first, top + side), top - first, left, side, fill)
            for plane, fill in zip(self._planes, (IGNORED, 0), strict=False)
        )
        return Mask(labels, *grey)

    def labels(self) -> NDArray[np.uint8]:
        """Return the labels of the whole mask, (H, W)."""
        return self._rows(self._planes[0], 0, self.shape[0])

    def _rows(self, plane: list[bytes], first: int, last: int) -> NDArray[np.uint8]:
        """Return the rows from `first`, where a strip begins, to the end of the strip in which `last` lies."""
        data = b"".join(zlib.decompress(strip) for strip in plane[first // STRIP : -(-max(0, last) // STRIP)])
        return np.frombuffer(data, np.uint8).reshape(-1, self.shape[1])


def _object_labels(labels: NDArray[np.uint8]) -> list[int]:
    counts = np.bincount(labels.ravel(), minlength=IGNORED + 1)
    counts[[0, IGNORED]] = 0
    return [int(label) for label in np.flatnonzero(counts)]


def _some_pixels(inside: NDArray[np.bool_]) -> NDArray[np.int64]:
    pixels = np.flatnonzero(inside)
    return pixels if len(pixels) <= PIXELS else np.random.default_rng(0).choice(pixels, PIXELS, replace=False)


def cut(values: NDArray[np.uint8], top: int, left: int, side: int, fill: int | tuple[int, ...]) -> NDArray[np.uint8]:
    """Copy a square of `side` out of (H, W, ...); what lies outside is `fill`."""
    result = np.empty((side, side, *values.shape[2:]), values.dtype)
    result[:] = fill
    rows, columns = (slice(max(0, start), max(0, start + side)) for start in (top, left))
    inside = values[rows, columns]
    y, x = max(0, -top), max(0, -left)
    result[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return result
