"""The field's metrics of one picture, equal to those of PySODMetrics, and ours at a threshold.

A saved map has at most 256 values, so nearly all of them follow from one count of its pixels: by quadrant around the
object's centre, by object or not, and by value. Only the weighted F-measure and the distances need the pixels' places.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, distance_transform_edt

from .boundary import boundary_metrics

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Binary = NDArray[np.bool_]
EPS = float(np.spacing(1))  # MATLAB's eps, which the published code adds
REACH = 128
"""Pixels from the object beyond which the weighted F-measure counts an error double: exact to 2^(-REACH / 5)."""


@dataclass(frozen=True)
class Scores:
    """What is measured on one picture."""

    values: dict[str, float]
    """By the names that `evaluate` gives; nan where there is nothing to measure."""
    curves: dict[str, Array]
    """256 values each, from the highest threshold to the lowest."""


def score(prediction: NDArray[np.uint8], mask: NDArray[np.uint8], threshold: float = 0.5, beta2: float = 0.3) -> Scores:
    """Compare a map with its mask.

    Args:
        prediction: (H, W) uint8, probabilities in 255ths.
        mask: (H, W) uint8, foreground above 128.
        threshold: in (0, 1]; found is where the map as saved is at least 255 times that.
        beta2: β² of F, how much recall weighs against precision; the field's is 0.3.

    Returns:
        Of the map stretched to its own range, as PySODMetrics computes them: MAE, S, wF, E_adaptive, F_adaptive, the
        curves E, F, Dice, IoU, precision, recall, FPR, and the means of the first four of these. Of the map as
        saved what `at_threshold` and `boundary_metrics` say.
    """
    truth = mask > 128
    centre = centre_of(truth)
    quadrants = count(prediction, truth, centre)
    histogram = quadrants.sum(axis=(0, 1))
    levels = stretched_levels(histogram.sum(axis=0))
    total = histogram.sum(axis=1)
    adaptive = histogram[:, levels >= adaptive_threshold(prediction, histogram, levels)].sum(axis=1)
    cut = (levels * 255).astype(np.uint8)  # what thresholds are held against
    steps = np.array([np.bincount(cut, weights=part, minlength=256) for part in histogram]).astype(np.int64)
    found = steps[:, ::-1].cumsum(axis=1)
    outside, inside = histogram
    curves = {
        "E": enhanced_alignment(found, total),
        "F": f_measure(found, total, beta2),
        "Dice": _ratio(2 * found[1], total[1] + found.sum(axis=0)),
        "IoU": _ratio(found[1], total[1] + found[0]),
        "precision": _ratio(found[1], found.sum(axis=0)),
        "recall": _ratio(found[1], total[1]),
        "FPR": _ratio(found[0], total[0]),
    }
    values = {
        "MAE": float(outside @ levels + inside @ (1 - levels)) / mask.size,
        "S": structure_measure(quadrants, levels, centre, mask.shape),
        "E_adaptive": float(enhanced_alignment(adaptive, total)),
        "E_mean": float(curves["E"].mean()),
        "F_adaptive": float(f_measure(adaptive, total, beta2)),
        "F_mean": float(curves["F"].mean()),
        "wF": weighted_f(prediction, levels, truth),
        "mDice": float(curves["Dice"].mean()),
        "mIoU": float(curves["IoU"].mean()),
        **at_threshold(prediction >= 255 * threshold, truth),
        **boundary_metrics(prediction >= 255 * threshold, truth),
    }
    return Scores(values, curves)


def centre_of(truth: Binary) -> tuple[int, int]:
    """Where (H, W) is cut into quadrants: rows above and columns left of the cut, the object's centre among them."""
    rows, columns = truth.sum(axis=1), truth.sum(axis=0)
    if not rows.any():
        return truth.shape[0], truth.shape[1]
    y, x = (round(float(n @ np.arange(len(n)) / n.sum())) for n in (rows, columns))
    return y + 1, x + 1


def count(prediction: NDArray[np.uint8], truth: Binary, centre: tuple[int, int]) -> Counts:
    """(2, 2, 2, 256): the pixels above and below the centre, left and right of it, outside and inside the object, by
    value."""
    keys = prediction + truth * np.uint16(256)
    y, x = centre
    halves = [[keys[:y, :x], keys[:y, x:]], [keys[y:, :x], keys[y:, x:]]]
    counts = [[np.bincount(part.ravel(), minlength=512).reshape(2, 256) for part in row] for row in halves]
    return np.array(counts, np.int64)


def stretched_levels(histogram: Counts) -> Array:
    """What each of 256 values becomes where the darkest becomes 0 and the brightest 1; a flat map is not stretched."""
    present = np.flatnonzero(histogram)
    levels = np.arange(256) / 255
    low, high = levels[present[[0, -1]]]
    return levels if low == high else ((levels - low) / (high - low)).clip(0, 1)


def adaptive_threshold(prediction: NDArray[np.uint8], histogram: Counts, levels: Array) -> float:
    """Twice the map's mean, at most 1: Achanta et al., Frequency-tuned salient region detection, CVPR 2009, eq. 8."""
    mean = float(histogram.sum(axis=0) @ levels) / prediction.size
    if np.abs(levels - min(2 * mean, 1)).min() < 1e-9:  # a tie: only the sum in the reference's order tells
        mean = float(levels[prediction].mean())
    return min(2 * mean, 1.0)


def f_measure(found: Counts, total: Counts, beta2: float) -> Array:
    """F of pixels found outside and inside (2, ...) of the object, of `total` (2,) pixels: Achanta et al., eq. 10."""
    precision, recall = _ratio(found[1], found.sum(axis=0)), _ratio(found[1], total[1])
    return _ratio((1 + beta2) * precision * recall, beta2 * precision + recall)


def enhanced_alignment(found: Counts, total: Counts) -> Array:
    """E of pixels found outside and inside (2, ...) of the object, of `total` (2,) pixels.

    Fan et al., Enhanced-alignment measure for binary foreground map evaluation, IJCAI 2018, eq. 2 to 5. All pixels of
    one kind have one alignment, so four kinds are enough.
    """
    size = int(total.sum())
    others = size - 1 + EPS if size > 1 else 1  # the published code divides by nothing for a single pixel
    positive = found.sum(axis=0)
    if total[1] == 0 or total[0] == 0:
        return np.asarray((size - positive if total[1] == 0 else positive) / others)
    share, object_share = positive / size, total[1] / size
    aligned: Array = np.zeros(positive.shape)
    for inside in (0, 1):
        b = inside - object_share
        for value, pixels in ((1 - share, found[inside]), (0 - share, total[inside] - found[inside])):
            aligned += pixels * (2 * value * b / (value**2 + b**2 + EPS) + 1) ** 2 / 4
    return aligned / others


def structure_measure(quadrants: Counts, levels: Array, centre: tuple[int, int], shape: tuple[int, ...]) -> float:
    """S, half of it about the object, half about the quadrants around its centre.

    Fan et al., Structure-measure: a new way to evaluate foreground maps, ICCV 2017, eq. 1 to 9. Unlike PySODMetrics,
    which gives nan for it, a quadrant without pixels counts nothing.
    """
    outside, inside = quadrants.sum(axis=(0, 1))
    size, object_size = int(outside.sum() + inside.sum()), int(inside.sum())
    if object_size in (0, size):
        mean = float((outside + inside) @ levels) / size
        return mean if object_size else 1 - mean
    share = object_size / size
    about_object = share * _likeness(inside, levels) + (1 - share) * _likeness(outside, 1 - levels)
    (y, x), (height, width) = centre, shape
    corners = [[(slice(0, y), slice(0, x)), (slice(0, y), slice(x, width))],
               [(slice(y, height), slice(0, x)), (slice(y, height), slice(x, width))]]  # fmt: skip
    about_quadrants = sum(
        counts.sum() / size * _similarity(counts, levels, corner, shape)
        for row, places in zip(quadrants, corners, strict=True)
        for counts, corner in zip(row, places, strict=True)
    )
    return max(0.0, (about_object + float(about_quadrants)) / 2)


def _likeness(counts: Counts, levels: Array) -> float:
    """Of the values inside the object, or of their complements outside."""
    pixels = int(counts.sum())
    mean = float(counts @ levels) / pixels
    deviation = float(np.sqrt(counts @ (levels - mean) ** 2 / (pixels - 1))) if pixels > 1 else 0.0
    return 2 * mean / (mean**2 + 1 + deviation + EPS)


def _similarity(counts: Counts, levels: Array, corner: tuple[slice, slice], shape: tuple[int, ...]) -> float:
    """SSIM of a quadrant (2, 256) and its truth."""
    pixels, inside = int(counts.sum()), int(counts[1].sum())
    if not pixels:
        return 0.0
    values = counts.sum(axis=0)
    x, y = float(values @ levels) / pixels, inside / pixels
    if inside in (0, pixels) and np.count_nonzero(values) == 1:
        # Flat on flat is 1 or 0 by how the reference's mean is rounded.
        value = levels[values.argmax()]
        return float(x == 0 == y or np.full(shape, value)[corner].mean() == value)
    around_x, around_y = levels - x, np.array([-y, 1 - y])
    variance_x, variance_y, covariance = (
        float(total) / (pixels - 1 + EPS)
        for total in (values @ around_x**2, counts.sum(axis=1) @ around_y**2, around_y @ counts @ around_x)
    )
    above, below = 4 * x * y * covariance, (x**2 + y**2) * (variance_x + variance_y)
    return above / (below + EPS) if above else float(below == 0)


@cache
def _importance() -> Array:
    """What an error outside the object weighs, by its squared distance to it in pixels: from 1 to 2; inside nothing."""
    weights = 2 - np.exp(np.log(0.5) / 5 * np.sqrt(np.arange(REACH**2 + 1)))
    weights[0] = 0
    return weights


@cache
def _gaussian() -> Array:
    """One dimension of MATLAB's fspecial('gaussian', 7, 5)."""
    weights = np.exp(-(np.arange(-3, 4) ** 2) / (2 * 5**2))
    return weights / weights.sum()


def weighted_f(prediction: NDArray[np.uint8], levels: Array, truth: Binary) -> float:
    """wF of a map (H, W) of 255ths that stand for `levels`, and its object; 0 where there is none.

    Margolin et al., How to evaluate foreground maps?, CVPR 2014. Where several pixels of the object are the nearest,
    SciPy's choice is taken. It matters only close to the object which is the nearest, and within `REACH` how far it is.
    """
    if not truth.any():
        return 0.0
    # Far away, and where nothing is claimed, no distance is asked for.
    close, far, claimed = _box(truth, 3), _box(truth, REACH), _box(truth | (levels > 0)[prediction], 0)
    near = tuple(slice(min(c.start, max(f.start, k.start)), max(c.stop, min(f.stop, k.stop)))
                 for c, f, k in zip(close, far, claimed, strict=True))  # fmt: skip
    inner = tuple(slice(c.start - n.start, c.stop - n.start) for c, n in zip(close, near, strict=True))
    inside, values = truth[near], levels[prediction[near]]
    y, x = distance_transform_edt(~inside, return_distances=False, return_indices=True)
    height, width = (np.arange(n, dtype=y.dtype) for n in inside.shape)
    squared = (y - height[:, None]) ** 2 + (x - width) ** 2
    wrong = np.vdot(_importance().take(squared, mode="clip"), values) + 2 * (levels[prediction].sum() - values.sum())
    error = 1 - values
    of_nearest = error.take(y[inner] * len(width) + x[inner], mode="clip")  # as fast a way to take as any
    smooth = correlate1d(correlate1d(of_nearest, _gaussian(), 0, mode="constant"), _gaussian(), 1, mode="constant")
    missed = np.minimum(error[inner], smooth).sum(where=inside[inner])
    size = np.count_nonzero(inside)
    precision, recall = (size - missed) / (size - missed + wrong + EPS), 1 - missed / size
    return float(2 * recall * precision / (recall + precision + EPS))


def _box(inside: Binary, margin: int) -> tuple[slice, ...]:
    """The rows and columns that hold what is inside, and so many more to each side."""
    places = [np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0)]
    return tuple(slice(max(0, int(p[0]) - margin), min(n, int(p[-1]) + 1 + margin))
                 for p, n in zip(places, inside.shape, strict=True))  # fmt: skip


def at_threshold(found: Binary, truth: Binary) -> dict[str, float]:
    """Of two binary maps: Dice, IoU, precision, recall, specificity and BER.

    BER, the balanced error rate, is the mean of the shares missed inside and found outside the object (Vicente et al.,
    Leave-one-out kernel optimization for shadow detection, ICCV 2015). Where map and mask are both empty all are 1, and
    BER 0; where only one is, precision or recall of nothing is 0 and what nothing can go wrong in is 1.
    """
    both, positive, inside = int((found & truth).sum()), int(found.sum()), int(truth.sum())
    outside, wrong = truth.size - inside, positive - both
    recall, specificity = both / inside if inside else 1.0, 1 - wrong / outside if outside else 1.0
    return {
        "Dice": 2 * both / (positive + inside) if positive + inside else 1.0,
        "IoU": both / (inside + wrong) if inside + wrong else 1.0,
        "precision": both / positive if positive else float(not inside),
        "recall": recall,
        "specificity": specificity,
        "BER": 1 - (recall + specificity) / 2,
    }


def _ratio(part: NDArray[np.number], whole: NDArray[np.number]) -> Array:
    """0 where the whole is."""
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    return np.divide(part, whole, out=np.zeros(whole.shape), where=whole != 0)
