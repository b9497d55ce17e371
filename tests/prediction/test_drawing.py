"""Masks, overlays and cut-outs, with pixels worked out by hand."""

import numpy as np
import pytest
from PIL import Image

from sam2unet.prediction import cutout, mask_image, overlay
from sam2unet.prediction.drawing import edge_alpha

ORANGE = (230, 159, 0)  # the colour of class 1


def square():
    """A mask of 7x9 pixels with a square of 3x3 at row 2, column 3."""
    mask = np.zeros((7, 9), bool)
    mask[2:5, 3:6] = True
    return mask


def test_mask_image_of_one_class_is_0_and_255():
    image = mask_image(np.array([[True, False]]))
    assert image.mode == "L"
    assert np.asarray(image).tolist() == [[255, 0]]


def test_mask_image_of_several_classes_has_indices_and_a_palette():
    image = mask_image(np.array([[0, 1, 2], [2, 2, 0]], np.uint8), classes=3)
    assert image.mode == "P"
    assert np.asarray(image).tolist() == [[0, 1, 2], [2, 2, 0]]
    black, one, two = np.asarray(image.convert("RGB"))[0].tolist()
    assert black == [0, 0, 0]
    assert tuple(one) == ORANGE
    assert one != two


def test_overlay_tints_the_mask_outlines_it_and_leaves_the_rest():
    drawn = np.asarray(overlay(Image.new("RGB", (9, 7), (128, 128, 128)), square()))
    expected = np.full((7, 9, 3), 128)
    expected[1:6, 2:7] = ORANGE  # the outline: a pixel on each side of the border
    expected[3, 4] = (164, 139, 83)  # tinted: 128 + (colour - 128) * 90 / 255
    np.testing.assert_array_equal(drawn, expected)


def test_overlay_outlines_where_two_classes_meet():
    mask = np.repeat(np.array([[1, 1, 1, 2, 2, 2]], np.uint8), 3, axis=0)
    drawn = np.asarray(overlay(Image.new("RGB", (6, 3)), mask, classes=3))
    outlined = (drawn[1] == drawn[1, 2]).all(axis=1)
    assert outlined.tolist() == [False, False, True, True, False, False]


def test_cutout_is_transparent_outside_the_mask():
    image = Image.new("RGB", (9, 7), (10, 20, 30))
    drawn = np.asarray(cutout(image, square()))
    assert (drawn[..., :3] == (10, 20, 30)).all()
    np.testing.assert_array_equal(drawn[..., 3], square() * 255)


def test_cutout_takes_the_alpha_inside_the_mask_only():
    alpha = np.array([[100, 101, 102]], np.uint8)
    drawn = cutout(Image.new("RGB", (3, 1)), np.array([[False, True, True]]), alpha)
    assert np.asarray(drawn)[..., 3].tolist() == [[0, 101, 102]]


@pytest.mark.parametrize(
    ("threshold", "probability", "alpha"),
    [
        (0.5, (0.5, 0.5625, 0.625, 1), (128, 191, 255, 255)),  # half at the threshold, opaque an eighth above
        (0.9, (0.9, 0.925, 0.95, 1), (128, 191, 255, 255)),  # opaque midway between the threshold and 1
        (0, (0, 0.0625, 0.125, 1), (128, 191, 255, 255)),
        (1, (1,), (255,)),
    ],
)
def test_edge_alpha_rises_from_half_to_opaque(threshold, probability, alpha):
    found = edge_alpha(np.array(probability, np.float32), threshold)
    np.testing.assert_allclose(found, alpha, atol=1)  # float32 at a half
