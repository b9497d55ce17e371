"""`score` against PySODMetrics and by hand."""

import doctest
import itertools
import math
import os
import warnings

import numpy as np
import py_sod_metrics as sod
import pytest
from scipy.ndimage import binary_dilation, convolve, distance_transform_edt

from sam2unet.evaluation import metrics, score
from sam2unet.evaluation.metrics import ratio

from .samples import hills

PAIRS = int(os.environ.get("SAM2UNET_PAIRS", 5))
"""Of each kind."""


def one_pixel(rng, shape):
    image = np.zeros(shape)
    image[tuple(rng.integers(shape))] = 1
    return image


def rectangle(rng, shape):
    image = np.zeros(shape)
    y, x = rng.integers(shape)
    image[y : y + rng.integers(1, 40), x : x + rng.integers(1, 40)] = 1
    return image


MAPS = {
    "noise": lambda rng, shape: rng.random(shape),
    "hills": lambda rng, shape: (hills(rng, *shape) + 0.1 * rng.random(shape)).clip(0.2, 0.9),
    "flat": lambda rng, shape: np.full(shape, rng.random()),
    "binary": lambda rng, shape: hills(rng, *shape) > 0.5,
    "one pixel": lambda rng, shape: one_pixel(rng, shape) * rng.random(),
    "empty": lambda rng, shape: np.zeros(shape),
    "full": lambda rng, shape: np.ones(shape),
}
MASKS = {
    "hills": lambda rng, shape: hills(rng, *shape) > 0.55,
    "noise": lambda rng, shape: rng.random(shape) > rng.random(),
    "one pixel": one_pixel,
    "rectangle": rectangle,
    "empty": lambda rng, shape: np.zeros(shape),
    "full": lambda rng, shape: np.ones(shape),
}


def reference(found, truth):
    """PySODMetrics' values and curves, by our names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it recommends its newer class, divides by 0 and takes the mean of nothing
        mae, s, e, f, w = sod.MAE(), sod.Smeasure(), sod.Emeasure(), sod.Fmeasure(), sod.WeightedFmeasure()
        overlap = sod.FmeasureV2({
            "Dice": sod.DICEHandler(with_dynamic=True, with_adaptive=False),
            "IoU": sod.IOUHandler(with_dynamic=True, with_adaptive=False),
            "FPR": sod.FPRHandler(with_dynamic=True, with_adaptive=False),
        })  # fmt: skip
        for metric in (mae, s, e, f, w, overlap):
            metric.step(pred=found, gt=truth)
    em, fm = e.get_results()["em"], f.get_results()
    return (
        {"MAE": mae.get_results()["mae"], "S": s.get_results()["sm"], "wF": w.get_results()["wfm"],
         "E_adaptive": em["adp"], "F_adaptive": fm["fm"]["adp"]},
        {"E": em["curve"], "F": fm["fm"]["curve"], "precision": fm["pr"]["p"], "recall": fm["pr"]["r"],
         **{name: result["dynamic"] for name, result in overlap.get_results().items()}},
    )  # fmt: skip


def differences(found, truth):
    """The names in which a pair differs from PySODMetrics by more than 1e-6."""
    ours, (values, curves) = score(found, truth), reference(found, truth)
    if math.isnan(values["S"]):  # of an object at the edge, whose quadrants beyond it are empty
        at_edge = np.argwhere(truth > 128).mean(axis=0).round() + 1 == truth.shape
        assert at_edge.any()
        assert 0 <= ours.values["S"] <= 1
        del values["S"]
    return [name for name in values if not abs(ours.values[name] - values[name]) < 1e-6] + [
        name for name in curves if not np.abs(ours.curves[name] - curves[name]).max() < 1e-6
    ]


@pytest.mark.parametrize(("map_kind", "mask_kind"), list(itertools.product(MAPS, MASKS)))
def test_score_equals_pysodmetrics(map_kind, mask_kind, rng):
    for _ in range(PAIRS):
        shape = tuple(rng.integers(1, 90, 2))
        if shape == (1, 1):
            continue  # the reference divides by eps
        found = (np.asarray(MAPS[map_kind](rng, shape)) * 255).astype(np.uint8)
        truth = np.asarray(MASKS[mask_kind](rng, shape), bool) * np.uint8(255)
        assert not differences(found, truth), (found.shape, map_kind, mask_kind)


def test_score_of_flat_quadrants_equals_pysodmetrics(rng):
    """Their similarity is 1 or 0, depending on how a mean over thousands of pixels is rounded."""
    for i in range(8 * PAIRS):
        shape = tuple(rng.integers(100, 400, 2))
        found = np.full(shape, rng.integers(1, 255), np.uint8)
        truth = (one_pixel(rng, shape) if i % 2 else rectangle(rng, shape)).astype(bool) * np.uint8(255)
        if i % 3 == 0:
            found[:9, :9] = 0
        assert not differences(found, truth), shape


def test_score_equals_pysodmetrics_far_from_the_object(rng):
    """There weighted_f computes no distances."""
    truth = np.zeros((420, 500), np.uint8)
    truth[40:60, 30:44] = 255
    for found in (rng.integers(0, 256, truth.shape), truth // 2 + np.eye(420, 500) * 100):
        assert not differences(found.astype(np.uint8), truth)


@pytest.mark.parametrize(("found", "truth"), [(0, 0), (0, 255), (255, 0), (255, 255), (90, 255)])
def test_score_of_one_pixel_is_in_range(found, truth):
    scores = score(np.array([[found]], np.uint8), np.array([[truth]], np.uint8))
    assert all(0 <= scores.curves[name].min() <= scores.curves[name].max() <= 1 for name in scores.curves)
    assert all(0 <= value <= 1 for name, value in scores.values.items() if not math.isnan(value))


FOUND = np.array([[255, 200, 128, 127, 0]], np.uint8)
TRUTH = np.array([[255, 255, 0, 255, 0]], np.uint8)
EMPTY = np.zeros_like(TRUTH)
AT_THRESHOLD = ("Dice", "IoU", "precision", "recall", "specificity", "BER")


@pytest.mark.parametrize(
    ("found", "truth", "expected"),
    [(FOUND, TRUTH, [4 / 6, 2 / 4, 2 / 3, 2 / 3, 1 / 2, 5 / 12]), (EMPTY, EMPTY, [1, 1, 1, 1, 1, 0]),
     (FOUND, EMPTY, [0, 0, 0, 1, 0.4, 0.3]), (EMPTY, TRUTH, [0, 0, 0, 0, 1, 0.5])],
    ids=["both", "neither", "map only", "mask only"],
)  # fmt: skip
def test_score_at_the_threshold(found, truth, expected):
    values = score(found, truth).values
    assert [values[name] for name in AT_THRESHOLD] == pytest.approx(expected)


def test_score_applies_the_threshold_to_the_map_as_saved():
    assert score(FOUND, TRUTH, threshold=0.6).values["precision"] == 1
    assert score(FOUND // 2, TRUTH, threshold=0.6).values["recall"] == 0  # though stretched it would be 2 / 3


def disk(rng, shape):
    """A field of view that leaves out rows, columns and corners of the image."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.hypot(y - shape[0] / 2, x - shape[1] / 2) < 0.46 * min(shape)


def unlabelled_border(rng, shape):
    """All but a band along the contours of some object."""
    inside = hills(rng, *shape) > 0.55
    return ~(binary_dilation(inside, iterations=2) & binary_dilation(~inside))


KNOWN = {"disk": disk, "unlabelled border": unlabelled_border, "noise": lambda rng, shape: rng.random(shape) > 0.4}


def partly_known(rng, kind):
    """A map, its mask and which pixels are known; the object and its background both have known pixels."""
    shape = tuple(rng.integers(30, 90, 2))
    truth = hills(rng, *shape)
    found = ((0.7 * truth + 0.5 * rng.random(shape)).clip(0.2, 0.95) * 255).astype(np.uint8)
    known = KNOWN[kind](rng, shape)
    return found, (truth > np.median(truth[known])) * np.uint8(255), known


def replace_unknown(rng, array, known):
    """Draw what is unknown anew."""
    return np.where(known, array, rng.integers(0, 256, array.shape)).astype(np.uint8)


def equal(a, b):
    """Whether two scores have the same digits, nan included."""
    return repr(a.values) == repr(b.values) and all(
        np.array_equal(a.curves[name], b.curves[name], equal_nan=True) for name in a.curves
    )


@pytest.mark.parametrize("kind", KNOWN)
def test_score_of_known_pixels_equals_pysodmetrics_of_their_list(kind, rng):
    for i in range(2 * PAIRS):
        found, truth, known = partly_known(rng, kind)
        found = np.full_like(found, rng.integers(1, 120)) if i % 2 else found  # twice the mean is a level, if flat
        ours, (values, curves) = score(found, truth, known=known), reference(found[known][None], truth[known][None])
        for name in ("MAE", "E_adaptive", "F_adaptive"):
            assert ours.values[name] == pytest.approx(values[name], abs=1e-9), name
        for name, curve in curves.items():
            assert ours.curves[name] == pytest.approx(curve, abs=1e-9), name


@pytest.mark.parametrize("kind", KNOWN)
def test_score_at_the_threshold_counts_known_pixels(kind, rng):
    found, truth, known = partly_known(rng, kind)
    pairs = [(p >= 0.6 * 255, t > 128) for p, t in zip(found[known].tolist(), truth[known].tolist(), strict=True)]
    tp, fp, fn, tn = (pairs.count(pair) for pair in [(True, True), (True, False), (False, True), (False, False)])
    values = score(found, truth, 0.6, known=known).values
    assert [values[name] for name in AT_THRESHOLD] == pytest.approx(
        [2 * tp / (2 * tp + fp + fn), tp / (tp + fp + fn), tp / (tp + fp), tp / (tp + fn), tn / (tn + fp),
         (fn / (tp + fn) + fp / (tn + fp)) / 2]
    )  # fmt: skip


def stretched(found, known):
    """The map from 0 to 1 over the known pixels."""
    low, high = float(found[known].min()), float(found[known].max())
    return (found - low) / (high - low)


@pytest.mark.parametrize("kind", KNOWN)
def test_s_measure_of_known_pixels_equals_pysodmetrics_of_their_lists(kind, rng):
    for _ in range(PAIRS):
        found, truth, known = partly_known(rng, kind)
        levels, inside, reference = stretched(found, known), (truth > 128) & known, sod.Smeasure()
        top, left = np.argwhere(known).min(axis=0)  # halves are rounded to even from the known pixels' box
        y, x = np.argwhere(inside).mean(axis=0)
        below = np.arange(known.shape[0])[:, None] > round(y - top) + top
        right = np.arange(known.shape[1]) > round(x - left) + left
        total = reference.object(levels[known], inside[known])
        for part in (known & a & b for a in (below, ~below) for b in (right, ~right)):
            if part.any():
                total += part.sum() / known.sum() * reference.ssim(levels[part][None], inside[part][None])
        assert score(found, truth, known=known).values["S"] == pytest.approx(total / 2, abs=1e-9)


def test_s_measure_of_flat_quadrants_with_unknown_pixels_is_exact():
    """However a mean over thousands of pixels is rounded: a flat quadrant is as similar as can be to a flat truth."""
    truth = np.zeros((100, 130), np.uint8)
    truth[0, 0] = 255
    known = np.ones(truth.shape, bool)
    known[[0, 3, 3], [3, 0, 3]] = False  # one pixel of each quadrant that has several
    for value in range(1, 255, 9):
        level, n = value / 255, known.sum()
        aware = 2 * level / (level**2 + 1) / n + 2 * (1 - level) / ((1 - level) ** 2 + 1) * (n - 1) / n
        assert score(np.full_like(truth, value), truth, known=known).values["S"] == pytest.approx((aware + 1) / 2)


@pytest.mark.parametrize("kind", KNOWN)
def test_weighted_f_of_known_pixels_follows_the_paper(kind, rng):
    """Margolin et al., on the whole image, where unknown pixels have no error and aren't the object's."""
    y, x = np.mgrid[-3:4, -3:4]
    gaussian = np.exp(-(x**2 + y**2) / 50)
    for _ in range(PAIRS):
        found, truth, known = partly_known(rng, kind)
        inside = (truth > 128) & known
        error = np.abs(stretched(found, known) - inside)
        distance, nearest = distance_transform_edt(~inside, return_indices=True)
        smooth = convolve(np.where(known, error[tuple(nearest)], 0), gaussian / gaussian.sum(), mode="constant")
        missed = np.minimum(error, smooth)[inside].sum()
        false = (error * (2 - 0.5 ** (distance / 5)))[known & ~inside].sum()
        recall, precision = 1 - missed / inside.sum(), (inside.sum() - missed) / (inside.sum() - missed + false)
        expected = 2 * recall * precision / (recall + precision)
        assert score(found, truth, known=known).values["wF"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("map_kind", "mask_kind"), list(itertools.product(["hills", "flat", "empty"], MASKS)))
def test_score_of_a_known_rectangle_is_that_of_the_crop(map_kind, mask_kind, rng):
    for _ in range(PAIRS):
        shape = tuple(rng.integers(2, 60, 2))
        found = (np.asarray(MAPS[map_kind](rng, shape)) * 255).astype(np.uint8)
        truth = np.asarray(MASKS[mask_kind](rng, shape), bool) * np.uint8(255)
        margins = [tuple(pair) for pair in rng.integers(0, 9, (2, 2))]
        known = np.pad(np.ones(shape, bool), margins)
        around = (replace_unknown(rng, np.pad(image, margins), known) for image in (found, truth))
        assert equal(score(*around, known=known), score(found, truth))
        assert not differences(found, truth)


@pytest.mark.parametrize("kind", KNOWN)
def test_score_ignores_unknown_pixels(kind, rng):
    found, truth, known = partly_known(rng, kind)
    expected = score(found, truth, known=known)
    assert not equal(expected, score(found, truth))
    for _ in range(PAIRS):
        assert equal(
            score(replace_unknown(rng, found, known), replace_unknown(rng, truth, known), known=known), expected
        )


@pytest.mark.parametrize("kind", KNOWN)
def test_score_of_a_prediction_that_equals_the_known_truth_is_perfect(kind, rng):
    _, truth, known = partly_known(rng, kind)
    values = score(replace_unknown(rng, truth, known), truth, known=known).values
    for name in ("S", "wF", "F_adaptive", "Dice", "IoU", "precision", "recall", "specificity", "boundary_F"):
        assert values[name] == pytest.approx(1, abs=1e-9), name
    assert [values[name] for name in ("MAE", "BER", "HD95", "ASD")] == [0, 0, 0, 0]


def test_score_of_an_object_in_unknown_pixels_only_is_that_of_an_empty_mask(rng):
    found, truth, known = partly_known(rng, "disk")
    known &= truth == 0
    scores = score(found, truth, known=known)
    assert equal(scores, score(found, np.zeros_like(truth), known=known))
    assert scores.values["S"] == pytest.approx(1 - stretched(found, known)[known].mean())
    assert scores.values["wF"] == scores.values["Dice"] == scores.values["F_mean"] == 0


def test_score_of_an_image_without_known_pixels_is_nan():
    scores = score(FOUND, TRUTH, known=np.zeros(TRUTH.shape, bool))
    assert list(scores.values) == list(score(FOUND, TRUTH).values)
    assert all(math.isnan(value) for value in scores.values.values())
    assert all(curve.shape == (256,) and np.isnan(curve).all() for curve in scores.curves.values())


def test_score_of_an_image_that_is_known_everywhere_is_the_same(rng):
    found, truth, known = partly_known(rng, "disk")
    assert equal(score(found, truth, known=np.ones_like(known)), score(found, truth))


def test_ratio_of_nothing_is_empty():
    assert ratio([1, 0], [2, 0]).tolist() == [0.5, 0]
    assert ratio([1, 0], [2, 0], empty=1).tolist() == [0.5, 1]


def test_examples():
    assert doctest.testmod(metrics).failed == 0
