"""Metrics of several classes against loops over pixels."""

import math

import numpy as np
import pytest

from sam2unet.evaluation import class_dice, class_iou, confusion, image_dice, summarise_classes

from .samples import confusion_by_loop, index_maps, overlaps


@pytest.fixture(params=[(0, 1, 2, 3, 4), (0, 2, 4), (0,), (3,)], ids=str)
def pair(request, rng):
    """A prediction and its truth with some of five classes."""
    return index_maps(rng, 12, 15, request.param)


def test_confusion_equals_a_loop_over_pixels(pair):
    assert confusion(*pair, 5).tolist() == confusion_by_loop([pair[0]], [pair[1]], 5)


def test_class_iou_and_dice_equal_a_loop_over_pixels(pair):
    iou, dice = overlaps(confusion_by_loop([pair[0]], [pair[1]], 5))
    np.testing.assert_allclose(class_iou(confusion(*pair, 5)), iou)
    np.testing.assert_allclose(class_dice(confusion(*pair, 5)), dice)


def test_image_dice_is_the_mean_over_foreground_classes_that_occur(pair):
    dice = [d for d in overlaps(confusion_by_loop([pair[0]], [pair[1]], 5))[1][1:] if not math.isnan(d)]
    assert image_dice(confusion(*pair, 5)) == pytest.approx(sum(dice) / len(dice) if dice else 1)


def test_summarise_classes_leaves_absent_classes_out_of_the_means():
    counts = np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]])
    expected = {
        "mIoU": (6 / 9 + 3 / 6) / 2, "mDice": (12 / 15 + 6 / 9) / 2,
        "mIoU_foreground": 3 / 6, "mDice_foreground": 6 / 9,
        "accuracy": 9 / 12, "images": 7, "IoU/a": 6 / 9, "IoU/b": 3 / 6, "IoU/c": math.nan,
        "Dice/a": 12 / 15, "Dice/b": 6 / 9, "Dice/c": math.nan,
    }  # fmt: skip
    assert summarise_classes(counts, ["a", "b", "c"], 7) == pytest.approx(expected, nan_ok=True)


def test_summarise_classes_of_no_pixels_is_nan():
    values = summarise_classes(np.zeros((2, 2), np.int64), ["a", "b"], 0)
    assert values.pop("images") == 0
    assert all(math.isnan(value) for value in values.values())
