"""Boundary distances against all pairs of pixels."""

import doctest
import math

import numpy as np
import pytest

from sam2unet.evaluation import boundary
from sam2unet.evaluation.boundary import boundary_metrics

from .samples import hills


def boundary_by_loop(mask):
    """Pixels with a neighbour outside, one by one."""
    height, width = mask.shape
    for y, x in np.argwhere(mask):
        around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        if any(not (0 <= a < height and 0 <= b < width) or not mask[a, b] for a, b in around):
            yield y, x


def test_boundary_metrics_equal_those_of_all_pairs_of_pixels(rng):
    for _ in range(10):
        shape = tuple(rng.integers(20, 60, 2))
        found, truth = hills(rng, *shape) > 0.5, hills(rng, *shape) > 0.5
        a, b = (np.array(list(boundary_by_loop(mask)), float) for mask in (found, truth))
        distances = np.linalg.norm(a[:, None] - b, axis=2)
        there, back = distances.min(axis=1), distances.min(axis=0)
        tolerance = math.ceil(0.008 * math.hypot(*shape))
        p, r = np.mean(there <= tolerance), np.mean(back <= tolerance)
        assert boundary_metrics(found, truth) == pytest.approx(
            {"HD95": np.percentile([*there, *back], 95), "ASD": (there.mean() + back.mean()) / 2,
             "boundary_F": 2 * p * r / (p + r)}
        )  # fmt: skip


def test_boundary_metrics_of_two_empty_masks_are_perfect():
    empty = np.zeros((9, 9), bool)
    assert boundary_metrics(empty, empty) == {"HD95": 0, "ASD": 0, "boundary_F": 1}


def test_boundary_metrics_of_one_empty_mask_have_no_distance():
    empty, diagonal = np.zeros((9, 9), bool), np.eye(9, dtype=bool)
    for found, truth in ((empty, diagonal), (diagonal, empty)):
        values = boundary_metrics(found, truth)
        assert math.isnan(values["HD95"])
        assert math.isnan(values["ASD"])
        assert values["boundary_F"] == 0


def test_examples():
    assert doctest.testmod(boundary).failed == 0
