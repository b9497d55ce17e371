"""The metrics of single pictures against PySODMetrics and brute force."""

import itertools
import math
import os
import warnings

import numpy as np
import py_sod_metrics as sod
import pytest
from PIL import Image

from sam2unet.evaluation import score
from sam2unet.evaluation.boundary import boundary_metrics

RNG = np.random.default_rng(0)
PAIRS = int(os.environ.get("SAM2UNET_PAIRS", 5))
"""Of each kind."""


def field(height, width, cells=6):
    """(H, W) in [0, 1], a landscape of hills."""
    coarse = Image.fromarray(RNG.random((cells, cells + 2)).astype(np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)


def one_pixel(shape):
    picture = np.zeros(shape)
    picture[tuple(RNG.integers(shape))] = 1
    return picture


def rectangle(shape):
    picture = np.zeros(shape)
    y, x = RNG.integers(shape)
    picture[y : y + RNG.integers(1, 40), x : x + RNG.integers(1, 40)] = 1
    return picture


MAPS = {
    "noise": lambda shape: RNG.random(shape),
    "hills": lambda shape: (field(*shape) + 0.1 * RNG.random(shape)).clip(0.2, 0.9),
    "flat": lambda shape: np.full(shape, RNG.random()),
    "binary": lambda shape: field(*shape) > 0.5,
    "one pixel": lambda shape: one_pixel(shape) * RNG.random(),
    "empty": np.zeros,
    "full": np.ones,
}
MASKS = {
    "hills": lambda shape: field(*shape) > 0.55,
    "noise": lambda shape: RNG.random(shape) > RNG.random(),
    "one pixel": one_pixel,
    "rectangle": rectangle,
    "empty": np.zeros,
    "full": np.ones,
}


def reference(found, truth):
    """What PySODMetrics gives: values and curves by our names."""
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


def differs(found, truth):
    """The names in which a pair differs from PySODMetrics by more than 1e-6."""
    ours, (values, curves) = score(found, truth), reference(found, truth)
    if math.isnan(values["S"]):  # its quadrants beyond an object at the edge are empty
        on_edge = np.argwhere(truth > 128).mean(axis=0).round() + 1 == truth.shape
        assert on_edge.any()
        assert 0 <= ours.values["S"] <= 1
        del values["S"]
    return [name for name in values if not abs(ours.values[name] - values[name]) < 1e-6] + [
        name for name in curves if not np.abs(ours.curves[name] - curves[name]).max() < 1e-6
    ]


@pytest.mark.parametrize(("map_kind", "mask_kind"), list(itertools.product(MAPS, MASKS)))
def test_equal_to_pysodmetrics(map_kind, mask_kind):
    for _ in range(PAIRS):
        shape = tuple(RNG.integers(1, 90, 2))
        if shape == (1, 1):
            continue  # the reference divides by eps
        found = (np.asarray(MAPS[map_kind](shape)) * 255).astype(np.uint8)
        truth = np.asarray(MASKS[mask_kind](shape), bool) * np.uint8(255)
        assert not differs(found, truth), (found.shape, map_kind, mask_kind)


def test_flat_on_flat_is_judged_as_the_reference_does():
    """It is 1 or 0 by how a mean over thousands of pixels is rounded."""
    for i in range(8 * PAIRS):
        shape = tuple(RNG.integers(100, 400, 2))
        found = np.full(shape, RNG.integers(1, 255), np.uint8)
        truth = (one_pixel(shape) if i % 2 else rectangle(shape)).astype(bool) * np.uint8(255)
        if i % 3 == 0:
            found[:9, :9] = 0
        assert not differs(found, truth), shape


def test_a_picture_of_one_pixel_has_scores_from_0_to_1():
    for found, truth in ((0, 0), (0, 255), (255, 0), (255, 255), (90, 255)):
        scores = score(np.array([[found]], np.uint8), np.array([[truth]], np.uint8))
        assert all(0 <= scores.curves[name].min() <= scores.curves[name].max() <= 1 for name in scores.curves)
        assert all(0 <= value <= 1 for name, value in scores.values.items() if not math.isnan(value))


def test_far_from_the_object():
    """Where distances are not computed."""
    truth = np.zeros((420, 500), np.uint8)
    truth[40:60, 30:44] = 255
    for found in (RNG.integers(0, 256, truth.shape), truth // 2 + np.eye(420, 500) * 100):
        assert not differs(found.astype(np.uint8), truth)


def outline(inside):
    """Pixels with a neighbour outside, one by one."""
    height, width = inside.shape
    for y, x in np.argwhere(inside):
        around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        if any(not (0 <= a < height and 0 <= b < width) or not inside[a, b] for a, b in around):
            yield y, x


def test_distances_are_those_of_all_pairs_of_outline_pixels():
    for _ in range(10):
        shape = tuple(RNG.integers(20, 60, 2))
        found, truth = field(*shape) > 0.5, field(*shape) > 0.5
        a, b = (np.array(list(outline(inside)), float) for inside in (found, truth))
        apart = np.linalg.norm(a[:, None] - b, axis=2)
        there, back = apart.min(axis=1), apart.min(axis=0)
        near = math.ceil(0.008 * math.hypot(*shape))
        p, r = np.mean(there <= near), np.mean(back <= near)
        assert boundary_metrics(found, truth) == pytest.approx(
            {"HD95": np.percentile([*there, *back], 95), "ASD": (there.mean() + back.mean()) / 2,
             "boundary_F": 2 * p * r / (p + r)}
        )  # fmt: skip


def test_distances_where_there_is_no_outline():
    nothing, something = np.zeros((9, 9), bool), np.eye(9, dtype=bool)
    assert boundary_metrics(nothing, nothing) == {"HD95": 0, "ASD": 0, "boundary_F": 1}
    one = boundary_metrics(nothing, something)
    assert math.isnan(one["HD95"])
    assert math.isnan(one["ASD"])
    assert one["boundary_F"] == 0


def test_what_is_counted_at_a_threshold():
    found, truth = np.array([[255, 200, 128, 127, 0]], np.uint8), np.array([[255, 255, 0, 255, 0]], np.uint8)
    values = score(found, truth).values
    expected = {"Dice": 4 / 6, "IoU": 2 / 4, "precision": 2 / 3, "recall": 2 / 3, "specificity": 1 / 2, "BER": 5 / 12}
    assert {name: values[name] for name in expected} == pytest.approx(expected)
    assert score(found, truth, threshold=0.6).values["precision"] == 1
    empty = np.zeros_like(truth)
    assert [score(empty, empty).values[name] for name in expected] == [1, 1, 1, 1, 1, 0]
    assert [score(found, empty).values[name] for name in expected] == pytest.approx([0, 0, 0, 1, 0.4, 0.3])
    assert [score(empty, truth).values[name] for name in expected] == [0, 0, 0, 0, 1, 0.5]
