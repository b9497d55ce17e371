"""LabelMe's files are drawn as LabelMe draws them."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sam2unet.errors import InputError

from .files import HEIGHT, WIDTH, box_mask, corners, drawn, png_base64, read, text_base64

SQUARE = corners(6, 4, 13, 7)  # LabelMe's corners are pixels, and the last ones belong to the shape
MASK = box_mask(6, 4, 14, 8)


def labelme(*shapes, size=(WIDTH, HEIGHT)):
    shapes = [{"label": "polyp", "shape_type": "polygon", **shape} for shape in shapes]
    return {"shapes": shapes, "imagePath": "a.jpg", "imageWidth": size[0], "imageHeight": size[1]}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.json"


@pytest.mark.parametrize(
    ("kind", "points"),
    [("polygon", SQUARE), (None, SQUARE), ("rectangle", [[6, 4], [19, 11]]), ("rectangle", [[19, 4], [6, 11]]),
     ("rectangle", SQUARE), ("rotation", SQUARE)],
)  # fmt: skip
def test_read_draws_polygons_and_rectangles_with_their_last_pixels(kind, points, path):
    file = read(path, labelme({"shape_type": kind, "points": points}))
    assert file.of_one_image
    np.testing.assert_array_equal(drawn(file, "a"), MASK)


def test_read_draws_a_circle_by_its_centre_and_a_point_on_it(path):
    file = read(path, labelme({"shape_type": "circle", "points": [[12, 12], [15, 16]]}))
    image = Image.new("L", (WIDTH, HEIGHT))
    ImageDraw.Draw(image).ellipse([7, 7, 17, 17], outline=1, fill=1)
    np.testing.assert_array_equal(drawn(file, "a"), np.asarray(image))


@pytest.mark.parametrize("left", [6, -3, 28])
def test_read_puts_a_mask_at_its_box(left, path):
    mask = (np.random.default_rng(0).random((8, 7)) > 0.5).astype(np.uint8)
    shape = {"shape_type": "mask", "points": [[left, 4], [left + 6, 11]], "mask": text_base64(png_base64(mask))}
    expected = np.zeros((HEIGHT, WIDTH + 20), np.uint8)
    expected[4:12, left + 10 : left + 17] = mask
    np.testing.assert_array_equal(drawn(read(path, labelme(shape)), "a"), expected[:, 10:-10])


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"mask": text_base64(png_base64(MASK))}, "a mask of 32x24 in a box of 7x8"),
     ({"mask": "bm90IGEgcGljdHVyZQ=="}, "no PNG"),
     ({"mask": "§"}, "no PNG"), ({}, "without its image")],
)  # fmt: skip
def test_read_names_a_wrong_mask(fields, message, path):
    with pytest.raises(InputError, match=message):
        read(path, labelme({"shape_type": "mask", "points": [[6, 4], [12, 11]], **fields}))


def test_read_skips_lines_without_a_width_and_leaves_out_the_image(path):
    file = read(path, labelme({"shape_type": "linestrip", "points": [[5, 5], [20, 5]]}))
    assert (file.annotations, file.skipped_images) == ({}, ("a",))
    assert file.skipped == {"lines: set line_width to draw them": 1}


@pytest.mark.parametrize("kind", ["line", "linestrip"])
def test_read_draws_lines_of_a_width(kind, path):
    found = drawn(read(path, labelme({"shape_type": kind, "points": [[5, 5], [20, 5]]}), line_width=3), "a")
    np.testing.assert_array_equal(found[:, 8:18], box_mask(0, 4, WIDTH, 3)[:, 8:18])


def test_read_skips_and_counts_points_and_unknown_shapes(path):
    shapes = [{"points": SQUARE}, {"shape_type": "point", "points": [[5, 5]]},
              {"shape_type": "cuboid", "points": SQUARE},
              {"points": [[5, 5], [6, 6]]}]  # fmt: skip
    file = read(path, labelme(*shapes))
    assert file.skipped == {"points": 1, "shapes of the type cuboid": 1, "outlines of too few points": 1}
    np.testing.assert_array_equal(drawn(file, "a"), MASK)


def test_read_leaves_the_size_open_if_the_file_does_not_say_it(path):
    file = read(path, labelme({"points": SQUARE}, size=(None, None)))
    with pytest.raises(InputError, match="how wide"):
        file.annotations["a"].draw()
    np.testing.assert_array_equal(drawn(file, "a"), MASK)


def test_read_draws_reserved_labels_as_ignored_and_background(path):
    shapes = [{"points": SQUARE}, {"points": corners(20, 15, 3, 3), "label": "__ignore__"},
              {"points": corners(8, 6, 1, 1), "label": "_background_"}]  # fmt: skip
    expected = MASK - box_mask(8, 6, 2, 2) + box_mask(20, 15, 4, 4, 255)
    np.testing.assert_array_equal(drawn(read(path, labelme(*shapes)), "a"), expected)


@pytest.mark.parametrize("label", [1, None, "息肉"])
def test_read_takes_any_label(label, path):
    assert read(path, labelme({"points": SQUARE, "label": label})).labels == (str(label or ""),)
