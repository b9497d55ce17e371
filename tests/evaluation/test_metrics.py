"""`score` against PySODMetrics and by hand."""

import doctest
import itertools
import math
import os
import warnings

import numpy as np
import py_sod_metrics as sod
import pytest

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


def test_ratio_of_nothing_is_empty():
    assert ratio([1, 0], [2, 0]).tolist() == [0.5, 0]
    assert ratio([1, 0], [2, 0], empty=1).tolist() == [0.5, 1]


def test_examples():
    assert doctest.testmod(metrics).failed == 0
