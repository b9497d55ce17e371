"""Sums of scores."""

import json
import math

import numpy as np
import pytest

from sam2unet.evaluation import Scores, Totals
from sam2unet.evaluation.totals import ONE


def random_scores(rng, number):
    return [Scores({"E_mean": rng.random(), "HD95": math.nan if i % 3 else 40 * rng.random()}, {"E": rng.random(256)})
            for i in range(number)]  # fmt: skip


def totals_of(scores):
    totals = Totals()
    for one in scores:
        totals.add(one, brightest=255)
    return totals


def test_totals_are_means_over_the_images_that_have_the_value(rng):
    scores = random_scores(rng, 10)
    metrics = totals_of(scores).metrics()
    assert metrics["E_mean"] == pytest.approx(np.mean([one.values["E_mean"] for one in scores]), abs=1 / ONE)
    assert metrics["HD95"] == pytest.approx(np.nanmean([one.values["HD95"] for one in scores]), abs=1 / ONE)
    assert metrics["images"] == 10


def test_totals_take_the_maximum_of_the_mean_curve(rng):
    scores = random_scores(rng, 5)
    mean = np.mean([one.curves["E"] for one in scores], axis=0)
    totals = totals_of(scores)
    assert totals.metrics()["E_max"] == pytest.approx(mean.max(), abs=1 / ONE)
    np.testing.assert_allclose(totals.curve("E"), mean, atol=1 / ONE)


def test_totals_of_a_value_that_no_image_has_are_nan():
    assert math.isnan(totals_of([Scores({"HD95": math.nan}, {})]).metrics()["HD95"])


def test_totals_are_exact_in_any_order_and_partition(rng):
    """Sums of floats are not: 0.1 + 0.2 + 0.3 isn't 0.3 + 0.2 + 0.1."""
    scores = random_scores(rng, 30)
    merged = Totals()
    for part in (scores[20:], [], scores[:7], scores[7:20]):
        merged.merge(totals_of(part))
    assert merged.as_json() == totals_of(scores).as_json()
    assert merged.metrics() == totals_of(scores).metrics()


def test_totals_are_restored_from_json(rng):
    totals = totals_of(random_scores(rng, 4))
    restored = Totals.from_json(json.loads(json.dumps(totals.as_json())))
    assert restored.as_json() == totals.as_json()
    assert restored.metrics() == totals.metrics()
