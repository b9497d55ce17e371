"""How far a set's score may be off by the pictures that happen to be in it."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..evaluation import ImageScores

SAMPLES = 2000
CHUNK = 100


def intervals(
    pictures: Sequence[ImageScores], metrics: Iterable[str], share: float = 0.95
) -> dict[str, tuple[float, float]]:
    """The percentile bootstrap's interval of each metric, by name.

    Pictures are drawn with replacement, `SAMPLES` times, from a fixed seed; F_max is that of each sample's mean curve.
    Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 1979.

    Args:
        pictures: at least one.
        metrics: names of values that each picture has, or F_max.
        share: of the samples that lie inside.
    """
    names = list(metrics)
    random, number = np.random.default_rng(0), len(pictures)
    columns = [[p.values[name] for p in pictures] for name in names if name != "F_max"]
    values, curves = np.array(columns).reshape(-1, number).T, np.stack([p.f_curve for p in pictures])
    drawn: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
    for _ in range(SAMPLES // CHUNK):
        weights = random.multinomial(number, np.full(number, 1 / number), size=CHUNK) / number
        means = iter((weights @ values).T)
        for name in names:
            drawn[name].append((weights @ curves).max(axis=1) if name == "F_max" else next(means))
    ends = (1 - share) / 2, (1 + share) / 2
    return {name: (float(low), float(high)) for name in names
            for low, high in [np.quantile(np.concatenate(drawn[name]), ends)]}  # fmt: skip
