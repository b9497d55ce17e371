"""The field's metrics of one image and one class, equal to those of PySODMetrics, and our own at a threshold.

A saved map has at most 256 values, so nearly all metrics follow from one histogram of its pixels: by quadrant around
the object's centre, by foreground and background, and by value. Only the weighted F-measure and the boundary distances
need the positions of the pixels.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import correlate1d, distance_transform_edt

from .boundary import boundary_metrics

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Binary = NDArray[np.bool_]
EPS = float(np.spacing(1))  # MATLAB's eps, which the published code adds
FAR = 128
"""Distance from the object in pixels from which the weighted F-measure doubles an error: exact to 2^(-FAR / 5)."""


@dataclass(frozen=True)
class Scores:
    """Metrics of one image."""

    values: dict[str, float]
    """By the names of `evaluate`; nan where nothing can be measured."""
    curves: dict[str, Array]
    """256 values each, from the highest threshold to the lowest."""


def score(
    prediction: NDArray[np.uint8], mask: NDArray[np.uint8], threshold: float = 0.5, beta2: float = 0.3,
    known: Binary | None = None,
) -> Scores:  # fmt: skip
    """Compare a probability map with its mask.

    Args:
        prediction: (H, W) uint8, probabilities in 255ths.
        mask: (H, W) uint8, foreground above 128.
        threshold: in (0, 1]; of the map as saved, pixels of at least 255 * threshold are foreground.
        beta2: β² of the F-measure; below 1 precision has more weight than recall. The field uses 0.3.
        known: (H, W), False for pixels without ground truth, such as a void border or what lies outside a field of
            view: they count in no metric. None if all are known; if none is, all values and curves are nan.

    Returns:
        Values of the map stretched to the range 0 to 1: MAE, S, wF, E_adaptive, E_mean, F_adaptive, F_mean, mDice and
        mIoU (means over 256 thresholds); values of the map as saved: those of `threshold_metrics` and
        `boundary_metrics`. Curves of the stretched map: E, F, Dice, IoU, precision, recall, FPR.

    Notes:
        On the stretched map all values equal those of PySODMetrics [1]_, the field's reference, which also stretches
        each map; the source of each metric is given at its function. Where PySODMetrics returns nan for S, because an
        object's centre lies in the last row or column, quadrants without pixels have no weight here. For an empty mask
        wF and the curves F, Dice, IoU, precision and recall are 0, and E and S measure how empty the map is, all as in
        PySODMetrics; of the map as saved, an empty prediction of an empty mask is correct (Dice 1).

        With `known`, the image is first cut to the bounding box of its known pixels, so that a rectangle scores as that
        crop alone. Inside the box, all counts, means and the stretch are those of the known pixels; the quadrants of S
        meet at the centre of the known object, and their weights are their known pixels. In wF, unknown pixels are what
        pixels beyond the image's edge are: they have no error, also where errors are smoothed, and none is the nearest
        object pixel, though distances run across them. Boundaries are described at `boundary`.

    References:
        .. [1] Pang, PySODMetrics: a simple and efficient implementation of SOD metrics, 2020.

    Examples:
        >>> mask = np.array([[0, 0, 255, 255]], np.uint8)
        >>> scores = score(np.array([[0, 200, 255, 255]], np.uint8), mask)
        >>> f"Dice {scores.values['Dice']:.2f}, recall {scores.values['recall']:.2f}, MAE {scores.values['MAE']:.3f}"
        'Dice 0.80, recall 1.00, MAE 0.196'
        >>> sorted(scores.curves)
        ['Dice', 'E', 'F', 'FPR', 'IoU', 'precision', 'recall']
    """
    truth = mask > 128
    if known is not None and not known.all():
        if not known.any():
            return _no_scores()
        prediction, truth, known = _known_box(prediction, truth, known)
    if known is not None and known.all():
        known = None
    centre = object_centre(truth)
    quadrants = quadrant_histograms(prediction, truth, centre, known)
    histogram = quadrants.sum(axis=(0, 1))
    levels = stretched_levels(histogram.sum(axis=0))
    total = histogram.sum(axis=1)
    adaptive = histogram[:, levels >= adaptive_threshold(prediction, histogram, levels, known)].sum(axis=1)
    bins = (levels * 255).astype(np.uint8)  # the values that the reference compares with its thresholds
    binned = np.array([np.bincount(bins, weights=counts, minlength=256) for counts in histogram]).astype(np.int64)
    found = binned[:, ::-1].cumsum(axis=1)
    background, foreground = histogram
    curves = {
        "E": enhanced_alignment(found, total),
        "F": f_measure(found, total, beta2),
        "Dice": ratio(2 * found[1], total[1] + found.sum(axis=0)),
        "IoU": ratio(found[1], total[1] + found[0]),
        "precision": ratio(found[1], found.sum(axis=0)),
        "recall": ratio(found[1], total[1]),
        "FPR": ratio(found[0], total[0]),
    }
    is_found = np.arange(256) >= 255 * threshold
    values = {
        "MAE": float(background @ levels + foreground @ (1 - levels)) / int(total.sum()),
        "S": structure_measure(quadrants, levels, centre, truth.shape),
        "E_adaptive": float(enhanced_alignment(adaptive, total)),
        "E_mean": float(curves["E"].mean()),
        "F_adaptive": float(f_measure(adaptive, total, beta2)),
        "F_mean": float(curves["F"].mean()),
        "wF": weighted_f(prediction, levels, truth, known),
        "mDice": float(curves["Dice"].mean()),
        "mIoU": float(curves["IoU"].mean()),
        **threshold_metrics(histogram[:, is_found].sum(axis=1), total),
        **boundary_metrics(prediction >= 255 * threshold, truth, known),
    }
    return Scores(values, curves)


def _no_scores() -> Scores:
    """Return nan for every value and curve."""
    pixel = np.zeros((1, 1), np.uint8)
    scores = score(pixel, pixel)
    return Scores(dict.fromkeys(scores.values, math.nan), {name: np.full(256, math.nan) for name in scores.curves})


def _known_box(prediction: NDArray[np.uint8], truth: Binary, known: Binary) -> tuple[NDArray[np.uint8], Binary, Binary]:
    """Cut to the bounding box of the known pixels; unknown pixels become background of value 0, whose level is 0."""
    box = _box(known, 0)
    inside = known[box]
    return prediction[box] * inside, truth[box] & inside, inside


def ratio(part: ArrayLike, whole: ArrayLike, empty: float = 0.0) -> Array:
    """Divide elementwise; the result is `empty` where `whole` is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    result: Array = np.divide(part, whole, out=np.full(whole.shape, empty, np.float64), where=whole != 0)
    return result


def object_centre(truth: Binary) -> tuple[int, int]:
    """Return how many rows are above and how many columns left of the cut into quadrants at the object's centre.

    The centre's own row and column are included; without an object all pixels are in the first quadrant.
    """
    rows, columns = truth.sum(axis=1), truth.sum(axis=0)
    if not rows.any():
        return truth.shape[0], truth.shape[1]
    y, x = (round(float(n @ np.arange(len(n)) / n.sum())) for n in (rows, columns))
    return y + 1, x + 1


def quadrant_histograms(
    prediction: NDArray[np.uint8], truth: Binary, centre: tuple[int, int], known: Binary | None = None
) -> Counts:
    """Count the known pixels by place, truth and value.

    Returns:
        (2, 2, 2, 256): above/below and left/right of the centre, in background/foreground, by value.
    """
    keys = prediction + truth * np.uint16(256)
    if known is not None:
        keys[~known] = 512
    y, x = centre
    halves = [[keys[:y, :x], keys[:y, x:]], [keys[y:, :x], keys[y:, x:]]]
    counts = [[np.bincount(keys.ravel(), minlength=512)[:512].reshape(2, 256) for keys in row] for row in halves]
    return np.array(counts, np.int64)


def stretched_levels(histogram: Counts) -> Array:
    """Return what each of the 256 values becomes when the map's range is stretched to [0, 1]; a flat map stays."""
    present = np.flatnonzero(histogram)
    levels = np.arange(256) / 255
    low, high = levels[present[[0, -1]]]
    return levels if low == high else ((levels - low) / (high - low)).clip(0, 1)


def adaptive_threshold(
    prediction: NDArray[np.uint8], histogram: Counts, levels: Array, known: Binary | None = None
) -> float:
    """Return twice the map's mean, at most 1: Achanta et al., Frequency-tuned salient region detection, CVPR 2009,
    eq. 8.
    """
    mean = float(histogram.sum(axis=0) @ levels) / int(histogram.sum())
    if np.abs(levels - min(2 * mean, 1)).min() < 1e-9:  # a tie, which rounding decides: sum in the reference's order
        mean = float(levels[prediction if known is None else prediction[known]].mean())
    return min(2 * mean, 1.0)


def f_measure(found: Counts, total: Counts, beta2: float) -> Array:
    """Compute the F-measure: Achanta et al., Frequency-tuned salient region detection, CVPR 2009, eq. 10.

    Args:
        found: (2, ...) pixels predicted as foreground, in background and foreground (FP, TP).
        total: (2,) pixels of background and foreground.
        beta2: see `score`.
    """
    precision, recall = ratio(found[1], found.sum(axis=0)), ratio(found[1], total[1])
    return ratio((1 + beta2) * precision * recall, beta2 * precision + recall)


def enhanced_alignment(found: Counts, total: Counts) -> Array:
    """Compute the E-measure; see `f_measure` for the arguments.

    Fan et al., Enhanced-alignment measure for binary foreground map evaluation, IJCAI 2018, eq. 2 to 5. All pixels
    counted in one cell of the 2x2 confusion matrix have the same alignment, so four terms are enough.
    """
    size = int(total.sum())
    denominator = size - 1 + EPS if size > 1 else 1  # the published code divides by eps for a single pixel
    positive = found.sum(axis=0)
    if total[1] == 0 or total[0] == 0:
        return np.asarray((size - positive if total[1] == 0 else positive) / denominator)
    found_fraction, object_fraction = positive / size, total[1] / size
    aligned: Array = np.zeros(positive.shape)
    for is_object in (0, 1):
        b = is_object - object_fraction
        pixels = found[is_object]
        for a, n in ((1 - found_fraction, pixels), (0 - found_fraction, total[is_object] - pixels)):
            aligned += n * (2 * a * b / (a**2 + b**2 + EPS) + 1) ** 2 / 4
    return aligned / denominator


def structure_measure(quadrants: Counts, levels: Array, centre: tuple[int, int], shape: tuple[int, ...]) -> float:
    """Compute the S-measure, the mean of object-aware and region-aware similarity.

    Fan et al., Structure-measure: a new way to evaluate foreground maps, ICCV 2017, eq. 1 to 9. PySODMetrics returns
    nan if a quadrant has no pixels; here such a quadrant has no weight.

    Args:
        quadrants: see `quadrant_histograms`.
        levels: see `stretched_levels`.
        centre: see `object_centre`.
        shape: height and width.
    """
    background, foreground = quadrants.sum(axis=(0, 1))
    size, object_size = int(background.sum() + foreground.sum()), int(foreground.sum())
    if object_size in (0, size):
        mean = float((background + foreground) @ levels) / size
        return mean if object_size else 1 - mean
    fraction = object_size / size
    object_aware = fraction * _object_similarity(foreground, levels)
    object_aware += (1 - fraction) * _object_similarity(background, 1 - levels)
    (y, x), (height, width) = centre, shape
    corners = [[(slice(0, y), slice(0, x)), (slice(0, y), slice(x, width))],
               [(slice(y, height), slice(0, x)), (slice(y, height), slice(x, width))]]  # fmt: skip
    region_aware = sum(
        counts.sum() / size * _region_similarity(counts, levels, corner, shape)
        for row, places in zip(quadrants, corners, strict=True)
        for counts, corner in zip(row, places, strict=True)
    )
    return max(0.0, (object_aware + float(region_aware)) / 2)


def _object_similarity(counts: Counts, levels: Array) -> float:
    """Eq. 4 for the values of the foreground (256,), or for the complements of the background's values."""
    pixels = int(counts.sum())
    mean = float(counts @ levels) / pixels
    deviation = float(np.sqrt(counts @ (levels - mean) ** 2 / (pixels - 1))) if pixels > 1 else 0.0
    return 2 * mean / (mean**2 + 1 + deviation + EPS)


def _region_similarity(counts: Counts, levels: Array, corner: tuple[slice, slice], shape: tuple[int, ...]) -> float:
    """SSIM of a quadrant and its truth, from the quadrant's histograms (2, 256)."""
    pixels, foreground = int(counts.sum()), int(counts[1].sum())
    if not pixels:
        return 0.0
    values = counts.sum(axis=0)
    x, y = float(values @ levels) / pixels, foreground / pixels
    if foreground in (0, pixels) and np.count_nonzero(values) == 1:
        # Both are flat, thus equal in structure: 1. The reference returns 1 or 0, as it happens to round its mean.
        value = levels[values.argmax()]
        flat = np.full(shape, value)[corner]
        return float(x == 0 == y or flat.size != pixels or flat.mean() == value)
    centred_x, centred_y = levels - x, np.array([-y, 1 - y])
    variance_x, variance_y, covariance = (
        float(total) / (pixels - 1 + EPS)
        for total in (values @ centred_x**2, counts.sum(axis=1) @ centred_y**2, centred_y @ counts @ centred_x)
    )
    numerator, denominator = 4 * x * y * covariance, (x**2 + y**2) * (variance_x + variance_y)
    return numerator / (denominator + EPS) if numerator else float(denominator == 0)


@cache
def _error_weights() -> Array:
    """Weight of an error by its squared distance to the object in pixels: from 1 to 2; 0 inside the object."""
    weights: Array = 2 - np.exp(np.log(0.5) / 5 * np.sqrt(np.arange(FAR**2 + 1)))
    weights[0] = 0
    return weights


@cache
def _gaussian() -> Array:
    """One dimension of MATLAB's fspecial('gaussian', 7, 5)."""
    weights: Array = np.exp(-(np.arange(-3, 4) ** 2) / (2 * 5**2))
    weights /= weights.sum()
    return weights


def weighted_f(prediction: NDArray[np.uint8], levels: Array, truth: Binary, known: Binary | None = None) -> float:
    """Compute the weighted F-measure; 0 for an empty mask.

    Margolin et al., How to evaluate foreground maps?, CVPR 2014. Of several nearest object pixels, the one that SciPy
    chooses is taken, as in PySODMetrics. The nearest pixel itself matters only within the Gaussian's radius of the
    object, and its distance only within `FAR`, so that distances are computed in a crop.

    Args:
        prediction: (H, W) uint8, 0 where unknown.
        levels: see `stretched_levels`.
        truth: (H, W), False where unknown.
        known: (H, W); see the notes of `score`.
    """
    if not truth.any():
        return 0.0
    close, far, claimed = _box(truth, 3), _box(truth, FAR), _box(truth | (levels > 0)[prediction], 0)
    near = tuple(slice(min(c.start, max(f.start, k.start)), max(c.stop, min(f.stop, k.stop)))
                 for c, f, k in zip(close, far, claimed, strict=True))  # fmt: skip
    inner = tuple(slice(c.start - n.start, c.stop - n.start) for c, n in zip(close, near, strict=True))
    inside, values = truth[near], levels[prediction[near]]
    y, x = distance_transform_edt(~inside, return_distances=False, return_indices=True)
    rows, columns = (np.arange(n, dtype=y.dtype) for n in inside.shape)
    squared = (y - rows[:, None]) ** 2 + (x - columns) ** 2
    false = np.vdot(_error_weights().take(squared, mode="clip"), values) + 2 * (levels[prediction].sum() - values.sum())
    error = 1 - values
    of_nearest = error.take(y[inner] * len(columns) + x[inner], mode="clip")  # faster than error[y, x]
    if known is not None:
        of_nearest *= known[close]
    smooth = correlate1d(correlate1d(of_nearest, _gaussian(), 0, mode="constant"), _gaussian(), 1, mode="constant")
    missed = np.minimum(error[inner], smooth).sum(where=inside[inner])
    size = np.count_nonzero(inside)
    precision, recall = (size - missed) / (size - missed + false + EPS), 1 - missed / size
    return float(2 * recall * precision / (recall + precision + EPS))


def _box(mask: Binary, margin: int) -> tuple[slice, ...]:
    """Return the bounding box of a mask's foreground, extended by `margin` pixels but not beyond the image."""
    places = [np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0)]
    return tuple(slice(max(0, int(p[0]) - margin), min(n, int(p[-1]) + 1 + margin))
                 for p, n in zip(places, mask.shape, strict=True))  # fmt: skip


def threshold_metrics(found: Counts, total: Counts) -> dict[str, float]:
    """Compute the metrics of a binary prediction; see `f_measure` for the arguments.

    Returns:
        Dice, IoU, precision, recall, specificity, and BER, the balanced error rate: the mean of the false negative and
        the false positive rate (Vicente et al., Leave-one-out kernel optimization for shadow detection, ICCV 2015).

    Notes:
        If both are empty, all are 1 and BER is 0. If only the prediction is empty, precision is 0; if only the mask is
        empty, recall is 1, as nothing was missed; if the mask is full, specificity is 1.
    """
    (wrong, correct), (background, size) = found.tolist(), total.tolist()
    positive = correct + wrong
    recall, specificity = correct / size if size else 1.0, 1 - wrong / background if background else 1.0
    return {
        "Dice": 2 * correct / (positive + size) if positive + size else 1.0,
        "IoU": correct / (size + wrong) if size + wrong else 1.0,
        "precision": correct / positive if positive else float(not size),
        "recall": recall,
        "specificity": specificity,
        "BER": 1 - (recall + specificity) / 2,
    }
