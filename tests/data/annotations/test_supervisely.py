"""Supervisely's files."""

import zlib

import numpy as np
import pytest

from sam2unet.errors import InputError

from .files import HEIGHT, WIDTH, box_mask, corners, drawn, png_base64, read, text_base64

SQUARE = corners(6, 4, 5, 5)  # the last pixels belong to the shape
MASK = box_mask(6, 4, 6, 6)


def supervisely(*objects):
    objects = [{"classTitle": "polyp", "geometryType": "polygon", **item} for item in objects]
    return {"description": "", "tags": [], "size": {"height": HEIGHT, "width": WIDTH}, "objects": objects}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.jpg.json"


def test_read_draws_polygons_without_their_holes(path):
    points = {"exterior": SQUARE, "interior": [corners(8, 6, 1, 1)]}
    under = {"points": {"exterior": corners(8, 6, 0, 1), "interior": []}, "classTitle": "tool"}
    file = read(path, supervisely(under, {"points": points}))
    assert file.of_one_image
    expected = MASK - box_mask(8, 6, 2, 2) + 2 * box_mask(8, 6, 1, 2)
    np.testing.assert_array_equal(drawn(file, "a.jpg", {"tool": 2, "polyp": 1}), expected)


def test_read_draws_rectangles(path):
    item = {"geometryType": "rectangle", "points": {"exterior": [[6, 4], [11, 9]], "interior": []}}
    np.testing.assert_array_equal(drawn(read(path, supervisely(item)), "a.jpg"), MASK)


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_read_puts_bitmaps_at_their_origin(mode, path):
    mask = (np.random.default_rng(0).random((5, 7)) > 0.5).astype(np.uint8)
    data = text_base64(zlib.compress(png_base64(mask, mode)))
    file = read(path, supervisely({"geometryType": "bitmap", "bitmap": {"data": data, "origin": [3, 2]}}))
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[2:7, 3:10] = mask
    np.testing.assert_array_equal(drawn(file, "a.jpg"), expected)


def test_read_refuses_a_bitmap_that_is_cut_off(path):
    data = text_base64(zlib.compress(png_base64(MASK))[:-6])
    with pytest.raises(InputError, match=r"objects\[0\]\.bitmap holds no PNG"):
        read(path, supervisely({"geometryType": "bitmap", "bitmap": {"data": data, "origin": [0, 0]}}))


def test_read_skips_and_counts_points_and_others(path):
    file = read(
        path, supervisely({"points": {"exterior": SQUARE}}, {"geometryType": "point"}, {"geometryType": "cuboid"})
    )
    assert file.skipped == {"points": 1, "objects of the type cuboid": 1}
