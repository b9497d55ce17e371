"""Connected components of a mask: bounding boxes, COCO's run lengths and polygons, removing small ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..system import is_installed

MaskArray = NDArray[np.bool_] | NDArray[np.uint8]
"""A mask (H, W): bool for one class, class indices for several."""


@dataclass(frozen=True)
class Component:
    """Connected pixels of one class (8-connectivity)."""

    class_index: int
    """1 if the mask has one class."""
    box: tuple[int, int, int, int]
    """(left, top, width, height), as in COCO."""
    pixels: NDArray[np.bool_]
    """(height, width) of the box, true where the component is."""

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.pixels))

    def run_lengths(self, height: int, width: int) -> dict[str, Any]:
        """Encode as COCO's uncompressed RLE: column by column, background first.

        Args:
            height: of the image.
            width: of the image.

        Returns:
            {"size": [height, width], "counts": list of run lengths}.
        """
        left, top, _, box_height = self.box
        columns = np.zeros((self.pixels.shape[1], box_height + 2), np.int8)
        columns[:, 1:-1] = self.pixels.T
        column, row = np.nonzero(np.diff(columns, axis=1))
        borders = (left + column) * height + top + row
        # A run that ends at the bottom of the image may continue at the top of the next column.
        same = np.flatnonzero(borders[1:] == borders[:-1])
        borders = np.delete(borders, np.concatenate([same, same + 1]))
        counts = np.diff(np.concatenate([[0], borders, [height * width]]))
        return {"size": [height, width], "counts": (counts if counts[-1] else counts[:-1]).tolist()}

    def polygons(self) -> list[list[float]]:
        """Trace COCO's polygons [x, y, x, y, ...], midway between the centres of pixels inside and outside.

        COCO's polygons cannot have holes: a cut of zero width connects each hole with the outline.
        """
        from contourpy import FillType, contour_generator
        from scipy.spatial import cKDTree

        left, top, *_ = self.box
        lines = contour_generator(
            z=np.pad(self.pixels, 1).astype(np.float64), fill_type=FillType.OuterOffset, corner_mask=False
        )
        polygons = []
        for points, offsets in zip(*lines.filled(0.5, 2), strict=True):
            rings = [points[a:b] for a, b in pairwise(offsets)]  # closed: the last point is the first
            outline = rings[0]
            for hole in rings[1:]:
                distances, nearest = cKDTree(outline).query(hole[:-1])
                start = int(distances.argmin())
                end = int(nearest[start])
                rotated = np.roll(hole[:-1], -start, axis=0)
                outline = np.concatenate([outline[: end + 1], rotated, rotated[:1], outline[end:]])
            polygons.append((outline[:-1] + np.array([left - 0.5, top - 0.5])).ravel().tolist())
        return polygons


def check_scipy(purpose: str) -> None:
    """Check that scipy and contourpy are installed; masks and maps need neither.

    Args:
        purpose: what needs them; begins the message.

    Raises:
        InputError: one is not installed; the message says how to install both.
    """
    for package in ("scipy", "contourpy"):
        if not is_installed(package):
            raise InputError(f"{purpose}: needs {package}, which is not installed: pip install scipy contourpy")


def find_components(mask: MaskArray) -> Iterator[Component]:
    """Find the connected components of a mask, class by class, background (0) left out."""
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
    """Remove components of fewer than `min_part` pixels, then fill holes of fewer than `min_hole`.

    A hole is background (4-connectivity) that does not reach the border of the image. It is filled with the class
    around it, or kept if several classes are.

    Returns:
        A new mask.
    """
    from scipy import ndimage

    mask = mask.copy()
    if min_part > 1:
        for component in find_components(mask):
            if component.area < min_part:
                left, top, width, height = component.box
                mask[top : top + height, left : left + width][component.pixels] = 0
    if min_hole > 1:
        height, width = mask.shape
        labels, _ = ndimage.label(mask == 0)
        for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
            if rows.start == 0 or columns.start == 0 or rows.stop == height or columns.stop == width:
                continue
            around = slice(rows.start - 1, rows.stop + 1), slice(columns.start - 1, columns.stop + 1)
            hole = labels[around] == number
            if np.count_nonzero(hole) < min_hole:
                border = np.unique(mask[around][ndimage.binary_dilation(hole) & ~hole])
                if len(border) == 1:
                    mask[around][hole] = border[0]
    return mask
