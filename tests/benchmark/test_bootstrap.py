"""Bootstrap intervals against SciPy's."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import bootstrap

from sam2unet.benchmark import intervals
from sam2unet.evaluation import ImageScores


def test_intervals_equal_scipys(rng):
    values, curves = rng.random((40, 2)), rng.random((40, 256)).astype(np.float32)
    images = [ImageScores("", Path(), Path(), None, None, {"S": a, "MAE": b}, curve)
              for (a, b), curve in zip(values.tolist(), curves, strict=True)]  # fmt: skip
    found = intervals(images, ["S", "F_max", "MAE"])
    for name, column in (("S", values[:, 0]), ("MAE", values[:, 1])):
        theirs = bootstrap((column,), np.mean, n_resamples=4000, method="percentile", random_state=1)
        assert found[name] == pytest.approx(tuple(theirs.confidence_interval), abs=0.01)
    samples = [curves[rng.integers(0, 40, 40)].mean(axis=0).max() for _ in range(4000)]
    assert found["F_max"] == pytest.approx(tuple(np.quantile(samples, [0.025, 0.975])), abs=0.01)
