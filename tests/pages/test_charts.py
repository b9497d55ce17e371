"""Line charts and histograms."""

import doctest
import math
import re

import numpy as np
import pytest

from sam2unet.pages import charts, curves, histogram, twentieths
from sam2unet.pages.charts import nice_ticks


def points(chart):
    """The points of each line, in the chart's coordinates."""
    lines = re.findall(r'<polyline points="(.*?)"', chart)
    return [[tuple(map(float, point.split(","))) for point in line.split()] for line in lines]


def test_curves_draws_values_upwards_and_rightwards():
    (line,) = points(curves("t", [0, 1, 2], {"a": [0.0, 0.5, 1.0]}, "x"))
    assert [x for x, _ in line] == sorted(x for x, _ in line)
    assert [y for _, y in line] == sorted((y for _, y in line), reverse=True)
    assert line[0][1] - line[1][1] == pytest.approx(line[1][1] - line[2][1], abs=0.1)


def test_curves_leaves_out_values_that_are_not_finite():
    (line,) = points(curves("t", [0, 1, 2, 3], {"a": [0.1, math.nan, math.inf, 0.4]}, "x"))
    assert len(line) == 2


def test_curves_of_a_constant_or_nothing_are_charts():
    for xs, values in (([1], [0.5]), ([1, 2], [3.0, 3.0]), ([1, 2], [math.nan, math.nan])):
        assert all(math.isfinite(value) for point in points(curves("t", xs, {"a": values}, "x"))[0] for value in point)


def test_curves_escapes_names_and_marks_a_position():
    chart = curves("<t>", [0, 10], {"a & b": [0.0, 1.0]}, "<x>", (0, 1), (5, "<best>"))
    assert "<t>" not in chart
    assert all(words in chart for words in ("&lt;t&gt;", "a &amp; b", "&lt;x&gt;", "&lt;best&gt;"))
    assert 'stroke-dasharray="3 4"' in chart


def test_curves_draws_as_many_lines_as_colours():
    lines = {str(i): [0.0, 1.0] for i in range(3)}
    assert len(points(curves("t", [0, 1], lines, "x", colours=["red", "rgb(1, 2, 3)"]))) == 2


def test_nice_ticks_cover_the_range_with_round_numbers(rng):
    for _ in range(200):
        low, size = rng.normal(), 10 ** rng.uniform(-3, 4)
        ticks = nice_ticks(low, low + size)
        steps = np.diff(ticks)
        assert 2 <= len(ticks) <= 7
        assert ticks[0] <= low + 1e-6 * size
        assert ticks[-1] >= low + size - 1e-6 * size
        np.testing.assert_allclose(steps, steps[0], rtol=1e-3)


def test_histogram_draws_a_bar_per_count():
    chart = histogram([3, 0, 1] + 16 * [0] + [6], "Dice & more")
    bars = re.findall(r'height="([\d.]+)" rx="2".*?<title>([\d.]+) to ([\d.]+): (\d+)</title>', chart)
    assert bars == [("65.0", "0.00", "0.05", "3"), ("21.7", "0.10", "0.15", "1"), ("130.0", "0.95", "1.00", "6")]
    assert "Histogram of Dice &amp; more" in chart


def test_twentieths_counts_values():
    counts = twentieths([0, 0.04, 0.06, 0.5, 0.99, 1])
    assert counts == [2, 1] + 8 * [0] + [1] + 8 * [0] + [2]


def test_examples():
    assert doctest.testmod(charts).failed == 0
