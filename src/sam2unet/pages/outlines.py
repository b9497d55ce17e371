"""Outlines of masks over images, and whether they follow the image's edges."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..card import IGNORED

OUTLINE_SIDE = 400
"""Longest side of an outline image, in pixels: twice a thumbnail's, so that lines stay sharp."""
STRIPES = 9, 3
"""Distance and width of the stripes over ignored pixels."""
INSIDE_BAND, OUTSIDE_BAND = 3, 12
"""Distances from the outline between which the surroundings lie, in pixels of a thumbnail."""
MIN_OUTLINE = 16
"""Pixels of outline below which its contrast says nothing."""
MIN_SIDE = 8
"""Height and width in pixels below which the contrast of an outline says nothing."""


def shrink_labels(labels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize labels (H, W) such that no object disappears, however thin.

    Returns:
        (height, width): the highest label of the pixels that fall together; 255 (ignored) only where all else is 0.
    """
    ignored = labels == IGNORED
    if not ignored.any():
        return _highest(labels, height, width)
    small = _highest(np.where(ignored, np.uint8(0), labels), height, width)
    small[(small == 0) & _highest(ignored, height, width)] = IGNORED
    return small


def _highest(values: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    for axis, length in enumerate((height, width)):
        old = values.shape[axis]
        starts = np.arange(length) * old // length
        ends = np.maximum(np.append(starts[1:], old), starts + 1)
        result = values.take(starts, axis)
        for step in range(1, (ends - starts).max()):  # ten times as fast as np.maximum.reduceat
            np.maximum(result, values.take(np.minimum(starts + step, ends - 1), axis), out=result)
        values = result
    return values


def outline_png(labels: NDArray[np.uint8], colours: NDArray[np.uint8], line: int = 2) -> bytes:
    """Return a transparent PNG with the outline of each object, and stripes where pixels are ignored.

    Args:
        labels: (H, W): 0 background, 255 ignored; all others are outlined, along the image's border, too.
        colours: (256, 3), RGB by label.
        line: width of lines in pixels, inside the object.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    near = 2 * line + 1
    edge = minimum_filter(labels, near, mode="constant") != maximum_filter(labels, near, mode="constant")
    period, width = STRIPES
    stripes = np.add.outer(np.arange(labels.shape[0]), np.arange(labels.shape[1])) % period < width
    drawn = np.where(np.where(labels == IGNORED, stripes, edge), labels, np.uint8(0))
    used = np.flatnonzero(np.bincount(drawn.ravel(), minlength=256))
    used = used if used[0] == 0 else np.concatenate([[0], used])
    position = np.zeros(256, np.uint8)
    position[used] = np.arange(len(used))
    image = Image.fromarray(position[drawn])  # few colours make a small file
    image.putpalette(colours[used].tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=bytes([0, *[255] * (len(used) - 1)]))
    return buffer.getvalue()


def edge_contrast(image: Image.Image, labels: NDArray[np.uint8]) -> float:
    """Measure how well outlines follow edges: the image's gradient across them by that in their surroundings.

    Args:
        image: RGB thumbnail.
        labels: (H, W) at the same size; ignored pixels count as background.

    Returns:
        About 1 for an outline that is anywhere, mostly above 1.5 for a right one; nan if there is hardly any outline.
    """
    from scipy.ndimage import distance_transform_cdt, gaussian_filter

    known = np.where(labels == IGNORED, np.uint8(0), labels)
    outline = _changes(known)
    if outline.sum() < MIN_OUTLINE:
        return float("nan")
    near = _box_around(outline, OUTSIDE_BAND + 1)
    known, outline = known[near], outline[near]
    if min(known.shape) < MIN_SIDE:
        return float("nan")
    normal = np.stack(np.gradient(gaussian_filter(known.astype(np.float32), 1.5)))
    normal /= np.linalg.norm(normal, axis=0) + 1e-6
    smooth = gaussian_filter(np.asarray(image)[near].astype(np.float32), (1, 1, 0))
    gradient = np.stack(np.gradient(smooth, axis=(0, 1)))
    distance = distance_transform_cdt(~outline, "chessboard")
    around = (distance > INSIDE_BAND) & (distance <= OUTSIDE_BAND)
    if around.sum() < MIN_OUTLINE:
        return float("nan")
    across = np.abs((gradient[:, outline] * normal[:, outline, None]).sum(axis=0)).max(axis=-1)
    # The mean of |cos| over all directions is 2/pi; a level of noise keeps flat images from dividing by 0.
    anywhere = np.linalg.norm(gradient[:, around], axis=0).max(axis=-1) * (2 / np.pi)
    return float(across.mean() / (anywhere.mean() + 1))


def _changes(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the pixels that have a neighbour of another label."""
    result = np.zeros(labels.shape, bool)
    rows, columns = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    result[1:] |= rows
    result[:-1] |= rows
    result[:, 1:] |= columns
    result[:, :-1] |= columns
    return result


def _box_around(mask: NDArray[np.bool_], margin: int) -> tuple[slice, slice]:
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    top, left = max(0, rows[0] - margin), max(0, columns[0] - margin)
    return slice(top, rows[-1] + margin + 1), slice(left, columns[-1] + margin + 1)
