"""Distances between the boundaries of two binary masks."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

Binary = NDArray[np.bool_]
TOLERANCE = 0.008
"""Largest distance between matching boundary pixels in boundary_F, as a fraction of the image's diagonal."""


def boundary_metrics(found: Binary, truth: Binary, known: Binary | None = None) -> dict[str, float]:
    """Compute the distances between the boundaries of a prediction and its ground truth.

    Args:
        found: (H, W), the prediction.
        truth: (H, W), the ground truth.
        known: (H, W), False for pixels that count in no metric; None if all are known.

    Returns:
        HD95: 95th percentile of the distances of all pixels of either boundary to the other boundary, in pixels [1]_.
        ASD: average symmetric surface distance, the mean of both directions' mean distances, in pixels [2]_.
        boundary_F: F1 of the boundary pixels within `TOLERANCE` of the other boundary, in [0, 1] [3]_.

    Notes:
        If both masks are empty, HD95 and ASD are 0 and boundary_F is 1. If one is empty, HD95 and ASD are nan and
        boundary_F is 0. A mask that has no `boundary` because it fills the known region is treated in the same way.

    References:
        .. [1] Huttenlocher et al., Comparing images using the Hausdorff distance, PAMI 1993; pooled over both
               directions as in MedPy.
        .. [2] Heimann et al., Comparison and evaluation of methods for liver segmentation, TMI 2009.
        .. [3] Perazzi et al., A benchmark dataset and evaluation methodology for video object segmentation (DAVIS),
               CVPR 2016, section 4.

    Examples:
        >>> truth = np.zeros((9, 9), bool)
        >>> truth[2:6, 2:6] = True
        >>> boundary_metrics(np.roll(truth, 1, axis=1), truth)
        {'HD95': 1.0, 'ASD': 0.5, 'boundary_F': 1.0}
    """
    if known is not None:
        found, truth = found & known, truth & known
    a, b = boundary(found, known), boundary(truth, known)
    if not len(a) or not len(b):
        equal = np.array_equal(found, truth)
        distance = 0.0 if equal else math.nan
        return {"HD95": distance, "ASD": distance, "boundary_F": float(equal)}
    to_truth, to_found = KDTree(b).query(a)[0], KDTree(a).query(b)[0]
    tolerance = math.ceil(TOLERANCE * math.hypot(*truth.shape))
    precision, recall = (to_truth <= tolerance).mean(), (to_found <= tolerance).mean()
    return {
        "HD95": float(np.percentile(np.concatenate([to_truth, to_found]), 95)),
        "ASD": float(to_truth.mean() + to_found.mean()) / 2,
        "boundary_F": float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0,
    }


def boundary(mask: Binary, known: Binary | None = None) -> NDArray[np.int64]:
    """Return the row and column of each boundary pixel of a mask (H, W), as (N, 2).

    A boundary consists of the foreground pixels with at least one of their four neighbours in the background or outside
    the image. With `known` (H, W), unknown pixels, where the mask must be False, are skipped: the neighbour is the next
    known pixel of the row or column. So an object keeps its boundary behind a void border, and has none where it is cut
    because the known region ends before the image does.
    """
    if known is None:
        padded = np.pad(mask, 1)
        enclosed = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    else:
        sides = [np.rot90(_left_neighbour(np.rot90(mask, k), np.rot90(known, k)), -k) for k in range(4)]
        enclosed = np.logical_and.reduce(sides)
    return np.argwhere(mask & ~enclosed)


def _left_neighbour(mask: Binary, known: Binary) -> Binary:
    """Return the mask's value at the next known pixel to the left: False outside the image, True if all are unknown."""
    places = 2 * np.arange(1, mask.shape[1] + 1, dtype=np.int32)
    nearest = np.maximum.accumulate(np.where(known, places + mask, 1), axis=1)
    return np.pad((nearest[:, :-1] & 1).astype(bool), ((0, 0), (1, 0)))  # the lowest bit is the value
