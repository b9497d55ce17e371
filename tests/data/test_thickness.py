"""Thickness of objects, against shapes of known width."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sam2unet.data import object_thickness


@pytest.mark.parametrize("width", [1, 2, 3, 4, 8, 15, 40])
@pytest.mark.parametrize("angle", [0, 30, 90])
def test_lines_are_as_thick_as_they_are_drawn(width, angle):
    canvas = Image.new("L", (400, 400))
    x, y = 300 * np.cos(np.radians(angle)), 300 * np.sin(np.radians(angle))
    ImageDraw.Draw(canvas).line([(200 - x, 200 - y), (200 + x, 200 + y)], 255, width)
    assert object_thickness(np.asarray(canvas) > 0) == pytest.approx(width, rel=0.2, abs=1.1)


def test_a_disc_counts_two_thirds_of_its_diameter():
    y, x = np.mgrid[:200, :200]
    assert object_thickness(np.hypot(y - 90, x - 110) < 60) == pytest.approx(80, rel=0.05)


def test_the_extremes():
    assert np.isnan(object_thickness(np.zeros((20, 20), bool)))
    assert object_thickness(np.ones((20, 40), bool)) > 20


def test_large_masks_are_measured_in_part():
    mask = np.zeros((3000, 5000), bool)
    mask[:, 4000:4010] = True
    assert object_thickness(mask) == 10
