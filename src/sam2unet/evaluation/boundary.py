"""How far apart two outlines are."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

Binary = NDArray[np.bool_]
TOLERANCE = 0.008
"""Of the picture's diagonal: how far outlines may be apart for boundary_F."""


def boundary_metrics(found: Binary, truth: Binary) -> dict[str, float]:
    """HD95 and ASD in pixels and boundary_F in [0, 1] of two binary maps (H, W).

    An outline is the object's pixels of which one of the four neighbours is not in it, or outside the picture.

    Returns:
        HD95: the 95th percentile of the distances of all pixels of either outline to the other one (Huttenlocher et
        al., Comparing images using the Hausdorff distance, PAMI 1993; as MedPy pools them). ASD: their mean, taken of
        each outline and then of both (Heimann et al., Comparison and evaluation of methods for liver segmentation, TMI
        2009). Both are 0 where both maps are empty, nan where one is. boundary_F: F1 of the outlines within
        `TOLERANCE` (Perazzi et al., DAVIS, CVPR 2016, section 4); 1 where both are empty, 0 where one is.
    """
    a, b = outline(found), outline(truth)
    if not len(a) or not len(b):
        both = not len(a) and not len(b)
        distance = 0.0 if both else math.nan
        return {"HD95": distance, "ASD": distance, "boundary_F": float(both)}
    to_truth, to_found = KDTree(b).query(a)[0], KDTree(a).query(b)[0]
    within = math.ceil(TOLERANCE * math.hypot(*truth.shape))
    precision, recall = (to_truth <= within).mean(), (to_found <= within).mean()
    return {
        "HD95": float(np.percentile(np.concatenate([to_truth, to_found]), 95)),
        "ASD": float(to_truth.mean() + to_found.mean()) / 2,
        "boundary_F": float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0,
    }


def outline(inside: Binary) -> NDArray[np.int64]:
    """(N, 2): row and column of the pixels of the outline."""
    padded = np.pad(inside, 1)
    enclosed = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.argwhere(inside & ~enclosed)
