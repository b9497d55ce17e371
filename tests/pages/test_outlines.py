"""Outlines of masks, and whether they follow edges."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from sam2unet.data import class_colours
from sam2unet.pages.outlines import edge_contrast, outline_png, shrink_labels


@pytest.mark.parametrize(("height", "width"), [(7, 5), (20, 30), (3, 31), (45, 64), (1, 1)])
def test_shrink_labels_takes_the_highest_label_of_each_cell(height, width, rng):
    labels = rng.choice([0, 0, 0, 0, 1, 2, 255], (20, 30)).astype(np.uint8)
    small = shrink_labels(labels, height, width)
    assert small.shape == (height, width)
    for i in range(height):
        for j in range(width):
            top, left = i * 20 // height, j * 30 // width
            bottom, right = max(top + 1, (i + 1) * 20 // height), max(left + 1, (j + 1) * 30 // width)
            cell = set(labels[top:bottom, left:right].ravel().tolist())
            assert small[i, j] == max(cell - {255}, default=0) or (small[i, j] == 255 and cell <= {0, 255})
            assert (small[i, j] == 0) == (cell == {0})


def decode(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def test_outline_png_draws_two_pixels_inside_each_object():
    labels = np.zeros((20, 20), np.uint8)
    labels[5:15, 4:11] = 1
    labels[5:15, 11:18] = 2
    expected = np.zeros((20, 20), int)
    expected[5:15, 4:11], expected[7:13, 6:9] = 1, 0
    expected[5:15, 11:18], expected[7:13, 13:16] = 2, 0
    colours = class_colours(256)
    drawn = decode(outline_png(labels, colours))
    assert ((drawn[..., 3] == 255) == (expected > 0)).all()
    assert (drawn[expected > 0][:, :3] == colours[expected[expected > 0]]).all()


def test_outline_png_frames_a_full_mask_and_leaves_an_empty_one_transparent():
    colours = class_colours(256)
    full = decode(outline_png(np.ones((12, 12), np.uint8), colours))[..., 3] > 0
    assert full.sum() == 144 - 64
    assert not full[2:-2, 2:-2].any()
    assert not decode(outline_png(np.zeros((12, 12), np.uint8), colours))[..., 3].any()


def scene(rng, shift=0):
    """A bright rectangle on noise, and labels shifted by some pixels."""
    labels = np.zeros((120, 160), np.uint8)
    labels[40:80, 50:90] = 1
    grey = rng.normal(80, 15, labels.shape) + 60 * labels
    image = Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
    return image, np.roll(labels, (shift, shift), (0, 1))


def test_edge_contrast_falls_as_a_mask_is_shifted(rng):
    right, little, far = (edge_contrast(*scene(rng, shift)) for shift in (0, 5, 25))
    assert right > 1.5 > little
    assert right > 1.8 * far
    assert far < 1.1


def test_edge_contrast_does_not_depend_on_the_sides_brightness_or_the_labels_number(rng):
    image, labels = scene(rng)
    inverted = Image.fromarray(255 - np.asarray(image))
    assert edge_contrast(inverted, labels) == pytest.approx(edge_contrast(image, labels), rel=0.01)
    assert edge_contrast(image, 7 * labels) == pytest.approx(edge_contrast(image, labels), rel=0.01)


@pytest.mark.parametrize("shape", [(1, 1), (1, 60), (3, 60), (60, 60)])
@pytest.mark.parametrize("label", [0, 1, 255])
def test_edge_contrast_of_hardly_any_outline_is_nan(shape, label):
    labels = np.full(shape, label, np.uint8)
    labels[0, 0] = 1
    assert math.isnan(edge_contrast(Image.new("RGB", shape[::-1]), labels))


def test_edge_contrast_of_a_flat_image_is_low(rng):
    _, labels = scene(rng)
    assert edge_contrast(Image.new("RGB", (160, 120), "grey"), labels) == 0
