"""The connected parts of a mask: small ones taken out, boxes, COCO's run lengths and polygons."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..system import is_installed

MaskArray = NDArray[np.bool_] | NDArray[np.uint8]


@dataclass(frozen=True)
class Component:
    """Pixels of one class that touch, corners counted as touching."""

    index: int
    """The class; 1 where there is but one."""
    box: tuple[int, int, int, int]
    """(left, top, width, height), as COCO has it."""
    pixels: NDArray[np.bool_]
    """(height, width) of the box."""

    @property
    def area(self) -> int:
        """In pixels."""
        return int(np.count_nonzero(self.pixels))

    def run_lengths(self, height: int, width: int) -> dict[str, Any]:
        """COCO's RLE in a picture of that size, counts as a list: columns top to bottom, background first."""
        left, top, _, tall = self.box
        columns = np.zeros((self.pixels.shape[1], tall + 2), np.int8)
        columns[:, 1:-1] = self.pixels.T
        column, row = np.nonzero(np.diff(columns, axis=1))
        borders = (left + column) * height + top + row
        # A run that ends where a column does may go on at the top of the next.
        same = np.flatnonzero(borders[1:] == borders[:-1])
        borders = np.delete(borders, np.concatenate([same, same + 1]))
        counts = np.diff(np.concatenate([[0], borders, [height * width]]))
        return {"size": [height, width], "counts": (counts if counts[-1] else counts[:-1]).tolist()}

    def polygons(self) -> list[list[float]]:
        """COCO's polygons [x, y, x, y, ...], midway between the pixels' centres inside and outside.

        COCO knows no holes: a slit of no width leads to each.
        """
        from contourpy import FillType, contour_generator
        from scipy.spatial import cKDTree

        left, top, *_ = self.box
        lines = contour_generator(
            z=np.pad(self.pixels, 1).astype(np.float64), fill_type=FillType.OuterOffset, corner_mask=False
        )
        found = []
        for points, offsets in zip(*lines.filled(0.5, 2), strict=True):
            rings = [points[a:b] for a, b in pairwise(offsets)]  # each ends where it began
            outline = rings[0]
            for hole in rings[1:]:
                distances, nearest = cKDTree(outline).query(hole[:-1])
                start = int(distances.argmin())
                end = int(nearest[start])
                turned = np.roll(hole[:-1], -start, axis=0)
                outline = np.concatenate([outline[: end + 1], turned, turned[:1], outline[end:]])
            found.append((outline[:-1] + np.array([left - 0.5, top - 0.5])).ravel().tolist())
        return found


def check_scipy(what: str) -> None:
    """Masks and maps do without it, and without contourpy, where exported files are predicted.

    Raises:
        InputError: one is not installed; says how to.
    """
    for package in ("scipy", "contourpy"):
        if not is_installed(package):
            raise InputError(f"{what}: needs {package}, which is not installed: pip install scipy contourpy")


def components(mask: MaskArray) -> Iterator[Component]:
    """The parts of a mask of one class (bool), or of class indices but 0, class by class."""
    from scipy import ndimage

    for index in np.unique(mask):
        if not index:
            continue
        labels, _ = ndimage.label(mask == index, np.ones((3, 3)))
        for number, place in enumerate(ndimage.find_objects(labels), start=1):
            rows, columns = place
            box = columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start
            yield Component(int(index), box, labels[place] == number)


def remove_small(mask: MaskArray, min_part: int, min_hole: int) -> MaskArray:
    """A mask without parts of fewer pixels than `min_part`, then without holes of fewer than `min_hole`.

    A hole is background that does not reach the picture's border, its corners not counted as touching; it is filled
    with the class around it where that is one.
    """
    from scipy import ndimage

    mask = mask.copy()
    if min_part > 1:
        for part in components(mask):
            if part.area < min_part:
                _fill(mask, part, 0)
    if min_hole > 1:
        height, width = mask.shape
        labels, _ = ndimage.label(mask == 0)
        for number, place in enumerate(ndimage.find_objects(labels), start=1):
            rows, columns = place
            if rows.start == 0 or columns.start == 0 or rows.stop == height or columns.stop == width:
                continue
            around = slice(rows.start - 1, rows.stop + 1), slice(columns.start - 1, columns.stop + 1)
            hole = labels[around] == number
            if np.count_nonzero(hole) < min_hole:
                border = np.unique(mask[around][ndimage.binary_dilation(hole) & ~hole])
                if len(border) == 1:
                    mask[around][hole] = border[0]
    return mask


def _fill(mask: MaskArray, part: Component, value: int) -> None:
    left, top, width, height = part.box
    mask[top : top + height, left : left + width][part.pixels] = value
