"""Metrics of several classes, all computed from a confusion matrix: rows are the truth, columns the prediction."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..card import IGNORED
from .metrics import ratio

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


def confusion(found: NDArray[np.uint8], truth: NDArray[np.uint8], classes: int) -> Counts:
    """Count the pixels of each true class (row) by predicted class (column).

    Args:
        found: (H, W) class indices below `classes`.
        truth: (H, W) class indices below `classes`; pixels of 255 are ignored.
        classes: number of classes, including background.

    Returns:
        (classes, classes) int64.
    """
    known = truth != IGNORED
    pairs = truth[known].astype(np.int64) * classes + found[known]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def class_iou(counts: Counts) -> Array:
    """Compute each class's IoU, TP / (TP + FP + FN); nan for a class in neither prediction nor truth.

    Everingham et al., The PASCAL Visual Object Classes (VOC) challenge, IJCV 2010.

    Args:
        counts: (classes, classes) confusion matrix, usually of all images of a set.

    Returns:
        (classes,) in [0, 1].
    """
    correct, found, truth = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
    return ratio(correct, found + truth - correct, empty=np.nan)


def class_dice(counts: Counts) -> Array:
    """Compute each class's Dice, 2 TP / (2 TP + FP + FN); nan for a class in neither prediction nor truth.

    Dice, Measures of the amount of ecologic association between species, Ecology 1945. See `class_iou` for the shapes.
    """
    return ratio(2 * np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1), empty=np.nan)


def image_dice(counts: Counts) -> float:
    """Return one image's mean Dice over the foreground classes in prediction or truth; 1 if there are none."""
    dice = class_dice(counts)[1:]
    return 1.0 if np.isnan(dice).all() else float(np.nanmean(dice))


def summarise_classes(counts: Counts, names: Sequence[str], images: int) -> dict[str, float]:
    """Compute the metrics of a set of images.

    Args:
        counts: (classes, classes) confusion matrix, summed over the images.
        names: one per class, background first.
        images: number of images.

    Returns:
        mIoU, mDice: means over the classes with a value, including background as in PASCAL VOC; mIoU_foreground,
        mDice_foreground: the same without class 0; accuracy: fraction of the labelled pixels that are correct (Long et
        al., Fully convolutional networks for semantic segmentation, CVPR 2015); images; IoU/NAME and Dice/NAME of each
        class. nan where nothing can be measured.
    """
    iou, dice = class_iou(counts), class_dice(counts)
    return {
        "mIoU": _mean(iou), "mDice": _mean(dice),
        "mIoU_foreground": _mean(iou[1:]), "mDice_foreground": _mean(dice[1:]),
        "accuracy": float(ratio(np.trace(counts), counts.sum(), empty=np.nan)), "images": images,
        **{f"IoU/{name}": float(value) for name, value in zip(names, iou, strict=True)},
        **{f"Dice/{name}": float(value) for name, value in zip(names, dice, strict=True)},
    }  # fmt: skip


def _mean(values: Array) -> float:
    return float("nan") if np.isnan(values).all() else float(np.nanmean(values))
