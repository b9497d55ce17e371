"""The field's metrics of one picture, by PySODMetrics, and our Dice and IoU at 0.5."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from py_sod_metrics import (
    MAE,
    DICEHandler,
    Emeasure,
    FmeasureHandler,
    FmeasureV2,
    IOUHandler,
    Smeasure,
    WeightedFmeasure,
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """What is measured on one picture, all in [0, 1]; arrays hold a value for each of 256 thresholds."""

    mae: float
    s_measure: float
    e_adaptive: float
    e_curve: Array
    f_adaptive: float
    f_curve: Array
    weighted_f: float
    dice_curve: Array
    iou_curve: Array
    dice: float
    """At 0.5 of the map as saved (value >= 128); 1 where map and mask are both empty."""
    iou: float
    """Likewise."""


def score(prediction: NDArray[np.uint8], mask: NDArray[np.uint8]) -> Scores:
    """Compare a map (H, W) uint8 with its mask (H, W) uint8, foreground above 128.

    All but `dice` and `iou` are computed on the map stretched to its own range, as PySODMetrics does.
    """
    mae, s, e, w = MAE(), Smeasure(), Emeasure(), WeightedFmeasure()
    counts = FmeasureV2({
        "fm": FmeasureHandler(beta=0.3, with_adaptive=True, with_dynamic=True),
        "dice": DICEHandler(with_adaptive=False, with_dynamic=True),
        "iou": IOUHandler(with_adaptive=False, with_dynamic=True),
    })  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        for metric in (mae, s, e, w, counts):
            metric.step(pred=prediction, gt=mask)
    em, counted = e.get_results()["em"], counts.get_results()
    dice, iou = overlap_at_half(prediction >= 128, mask > 128)
    return Scores(
        mae=float(mae.get_results()["mae"]),
        s_measure=float(s.get_results()["sm"]),
        e_adaptive=float(em["adp"]),
        e_curve=np.asarray(em["curve"]),
        f_adaptive=float(counted["fm"]["adaptive"]),
        f_curve=np.asarray(counted["fm"]["dynamic"]),
        weighted_f=float(w.get_results()["wfm"]),
        dice_curve=np.asarray(counted["dice"]["dynamic"]),
        iou_curve=np.asarray(counted["iou"]["dynamic"]),
        dice=dice,
        iou=iou,
    )


def overlap_at_half(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Dice and IoU of two binary maps, 1 where both are empty."""
    both, either = int((found & truth).sum()), int((found | truth).sum())
    return (2 * both / (both + either), both / either) if either else (1.0, 1.0)


def summarise(scores: list[Scores]) -> dict[str, float]:
    """The means over the pictures; "max" and "mean" of E and F are of the mean curve, as the field does."""

    def mean(name: str) -> Array:
        return np.asarray(np.mean([getattr(s, name) for s in scores], axis=0))

    e_curve, f_curve = mean("e_curve"), mean("f_curve")
    summary = {
        "MAE": mean("mae"), "S": mean("s_measure"),
        "E_adaptive": mean("e_adaptive"), "E_mean": e_curve.mean(), "E_max": e_curve.max(),
        "F_adaptive": mean("f_adaptive"), "F_mean": f_curve.mean(), "F_max": f_curve.max(),
        "wF": mean("weighted_f"), "mDice": mean("dice_curve").mean(), "mIoU": mean("iou_curve").mean(),
        "Dice": mean("dice"), "IoU": mean("iou"),
    }  # fmt: skip
    return {name: float(value) for name, value in summary.items()} | {"images": len(scores)}
