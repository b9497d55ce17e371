"""Thickness of the objects in a mask."""

import numpy as np
from numpy.typing import NDArray

MAX_SIDE = 2048
"""Larger masks are measured inside a square with sides of this many pixels around one pixel of the object."""


def object_thickness(mask: NDArray[np.bool_]) -> float:
    """Return the typical thickness of the objects in a mask, in pixels; nan if it is empty.

    The mean distance from a pixel of a strip of even width w to the background is (w + 2) / 4, which is solved for w.
    A disc counts as two thirds of its diameter.

    Args:
        mask: (H, W), true inside.

    >>> import numpy as np
    >>> strip = np.zeros((50, 50), bool)
    >>> strip[20:26] = True
    >>> object_thickness(strip)
    6.0
    """
    from scipy.ndimage import distance_transform_edt

    pixels = np.flatnonzero(mask)
    if not len(pixels):
        return float("nan")
    if mask.size > MAX_SIDE**2:
        middle = np.divmod(pixels[len(pixels) // 2], mask.shape[1])
        rows, columns = (slice(max(0, int(at) - MAX_SIDE // 2), int(at) + MAX_SIDE // 2) for at in middle)
        mask = mask[rows, columns]
    # What goes on beyond the border is taken to be as thick as far as it can be seen: no background is added there.
    distances = distance_transform_edt(mask)[mask] if not mask.all() else np.full(1, max(mask.shape) / 4)
    return max(1.0, 4 * float(distances.mean()) - 2)
