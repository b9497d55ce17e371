"""Boundary distances against all pairs of pixels."""

import doctest
import math

import numpy as np
import pytest

from sam2unet.evaluation import boundary
from sam2unet.evaluation.boundary import boundary_metrics

from .samples import hills


def is_outside(mask, known, y, x, dy, dx):
    """Whether the next known pixel is background, or the first one beyond the image; walks one by one."""
    steps = 0
    while 0 <= (y := y + dy) < mask.shape[0] and 0 <= (x := x + dx) < mask.shape[1]:
        if known[y, x]:
            return not mask[y, x]
        steps += 1
    return steps == 0


def boundary_by_loop(mask, known):
    """Known pixels of the foreground with an outer neighbour, one by one."""
    for y, x in np.argwhere(mask & known):
        if any(is_outside(mask, known, y, x, *step) for step in ((-1, 0), (1, 0), (0, -1), (0, 1))):
            yield y, x


@pytest.mark.parametrize("fraction", [1, 0.7, 0.3])
def test_boundary_metrics_equal_those_of_all_pairs_of_pixels(fraction, rng):
    """Of images in which a fraction of the pixels is known, in patches and single ones."""
    for _ in range(10):
        shape = tuple(rng.integers(20, 60, 2))
        found, truth = hills(rng, *shape) > 0.5, hills(rng, *shape) > 0.5
        known = rng.permuted(hills(rng, *shape), axis=rng.integers(2)) + 0.2 * rng.random(shape)
        known = known <= np.quantile(known, fraction)
        a, b = (np.array(list(boundary_by_loop(mask, known)), float) for mask in (found, truth))
        distances = np.linalg.norm(a[:, None] - b, axis=2)
        there, back = distances.min(axis=1), distances.min(axis=0)
        tolerance = math.ceil(0.008 * math.hypot(*shape))
        p, r = np.mean(there <= tolerance), np.mean(back <= tolerance)
        assert boundary_metrics(found, truth, None if known.all() else known) == pytest.approx(
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


def read(*rows):
    """A mask "#", its background "." and unknown pixels " ", as the mask and what is known."""
    pixels = np.array([list(row) for row in rows])
    return pixels == "#", pixels != " "


def test_boundary_of_an_object_behind_an_unlabelled_border_is_its_own():
    mask, known = read(
        ".......",
        ".     .",
        ". ### .",
        ". ### .",
        ". ### .",
        ".     .",
        ".......",
    )
    expected = [[2, 2], [2, 3], [2, 4], [3, 2], [3, 4], [4, 2], [4, 3], [4, 4]]
    assert boundary.boundary(mask, known).tolist() == expected


def test_boundary_has_no_pixel_where_the_known_region_cuts_the_object():
    mask, known = read(
        "...... ",
        "..#### ",
        "..#### ",
        "..#### ",
        "...... ",
    )
    expected = [[1, 2], [1, 3], [1, 4], [1, 5], [2, 2], [3, 2], [3, 3], [3, 4], [3, 5]]
    assert boundary.boundary(mask, known).tolist() == expected


def test_boundary_metrics_of_a_filled_and_an_empty_region_have_no_distance():
    known = np.pad(np.ones((5, 5), bool), 1)
    for found, truth in ((known, ~known), (~known, known)):
        values = boundary_metrics(found, truth, known)
        assert math.isnan(values["HD95"])
        assert values["boundary_F"] == 0
    assert boundary_metrics(known, known, known) == {"HD95": 0, "ASD": 0, "boundary_F": 1}


def test_examples():
    assert doctest.testmod(boundary).failed == 0
