"""Confidence intervals of a set's scores over the choice of its images."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..evaluation import ImageScores

LEVEL = 0.95
"""Fraction of the samples inside an interval."""
SAMPLES = 2000
CHUNK = 100
"""Samples drawn at a time, which bounds memory."""


def intervals(images: Sequence[ImageScores], metrics: Iterable[str]) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval (low, high) of each metric by the percentile bootstrap.

    Images are drawn with replacement, `SAMPLES` times, with a fixed seed; F_max is that of each sample's mean curve.
    Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 1979.

    Args:
        images: at least one.
        metrics: F_max, or names of values that each image has.
    """
    names = list(metrics)
    rng, count = np.random.default_rng(0), len(images)
    columns = [[image.values[name] for image in images] for name in names if name != "F_max"]
    values, curves = np.array(columns).reshape(-1, count).T, np.stack([image.f_curve for image in images])
    samples: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
    for _ in range(SAMPLES // CHUNK):
        weights = rng.multinomial(count, np.full(count, 1 / count), size=CHUNK) / count
        means = iter((weights @ values).T)
        for name in names:
            samples[name].append((weights @ curves).max(axis=1) if name == "F_max" else next(means))
    ends = (1 - LEVEL) / 2, (1 + LEVEL) / 2
    return {name: (float(low), float(high)) for name in names
            for low, high in [np.quantile(np.concatenate(samples[name]), ends)]}  # fmt: skip
