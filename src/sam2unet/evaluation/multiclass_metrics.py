"""Metrics of several classes, all from a confusion matrix: rows are the truth, columns the prediction."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..data.mask_file import IGNORED

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


def confusion(found: NDArray[np.uint8], truth: NDArray[np.uint8], classes: int) -> Counts:
    """(classes, classes) int64, pixels of each class of `truth` (row) by the class `found` there (column).

    Both are (H, W) indices below `classes`; 255 in `truth` is ignored.
    """
    known = truth != IGNORED
    pairs = truth[known].astype(np.int64) * classes + found[known]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def class_iou(counts: Counts) -> Array:
    """(classes,) TP / (TP + FP + FN), nan of a class that is in neither prediction nor truth.

    Over the set's pixels at once: Everingham et al., The PASCAL Visual Object Classes (VOC) Challenge, IJCV 2010.
    """
    both, found, truth = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
    return _ratio(both, found + truth - both)


def class_dice(counts: Counts) -> Array:
    """(classes,) 2 TP / (2 TP + FP + FN), nan likewise: Dice, Measures of the amount of ecologic association, 1945."""
    return _ratio(2 * np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1))


def image_dice(counts: Counts) -> float:
    """The mean Dice of one picture, over the classes but 0 that prediction or truth holds; 1 where there are none."""
    dice = class_dice(counts)[1:]
    return 1.0 if np.isnan(dice).all() else float(np.nanmean(dice))


def summarise_classes(counts: Counts, names: Sequence[str], images: int) -> dict[str, float]:
    """The metrics of a set of `images` pictures from their summed confusion matrix.

    Returns:
        mIoU, mDice: means over the classes that have a value, background counted as PASCAL VOC does (see `class_iou`);
        mIoU_foreground, mDice_foreground: without class 0; accuracy: share of the labelled pixels that are right (Long
        et al., Fully convolutional networks for semantic segmentation, CVPR 2015); images; IoU/NAME, Dice/NAME of each
        class. nan where there is nothing to measure.
    """
    iou, dice = class_iou(counts), class_dice(counts)
    return {
        "mIoU": _mean(iou), "mDice": _mean(dice),
        "mIoU_foreground": _mean(iou[1:]), "mDice_foreground": _mean(dice[1:]),
        "accuracy": float(_ratio(np.trace(counts), counts.sum())), "images": images,
        **{f"IoU/{name}": float(value) for name, value in zip(names, iou, strict=True)},
        **{f"Dice/{name}": float(value) for name, value in zip(names, dice, strict=True)},
    }  # fmt: skip


def _ratio(part: Counts, whole: Counts) -> Array:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def _mean(values: Array) -> float:
    return float("nan") if np.isnan(values).all() else float(np.nanmean(values))
