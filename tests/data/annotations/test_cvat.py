"""CVAT's XML files of images, and Pascal VOC's of boxes."""

import numpy as np
import pytest

from sam2unet.errors import InputError

from .files import box_mask, drawn, read

SQUARE = '<polygon label="polyp" points="6,4;12,4;12,10;6,10" z_order="0"/>'
MASK = box_mask(6, 4, 6, 6)


def cvat(*shapes):
    image = f'<image id="0" name="some/a.jpg" width="32" height="24">{"".join(shapes)}</image>'
    return f'<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>{image}</annotations>'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "annotations.xml"


def test_read_draws_polygons(path):
    file = read(path, cvat(SQUARE))
    assert (file.format, file.of_one_image, file.labels) == ("CVAT", False, ("polyp",))
    np.testing.assert_array_equal(drawn(file, "some/a.jpg"), MASK)


def test_read_draws_masks_whose_run_lengths_go_along_the_rows(path):
    # . # #
    # # # .
    mask = '<mask label="polyp" rle="1, 4, 1" left="8" top="5" width="3" height="2"/>'
    expected = box_mask(9, 5, 2, 1) + box_mask(8, 6, 2, 1)
    np.testing.assert_array_equal(drawn(read(path, cvat(mask)), "some/a.jpg"), expected)


def test_read_draws_higher_layers_over_lower_ones(path):
    hole = '<polygon label="background" points="8,6;10,6;10,8;8,8" z_order="{}"/>'
    np.testing.assert_array_equal(drawn(read(path, cvat(hole.format(-1), SQUARE)), "some/a.jpg"), MASK)
    np.testing.assert_array_equal(
        drawn(read(path, cvat(hole.format(1), SQUARE)), "some/a.jpg"), MASK - box_mask(8, 6, 2, 2)
    )


def test_read_turns_a_filled_box(path):
    box = '<box label="polyp" xtl="5" ytl="9" xbr="15" ybr="11" rotation="90"/>'
    np.testing.assert_array_equal(drawn(read(path, cvat(box), boxes="fill"), "some/a.jpg"), box_mask(9, 5, 2, 10))


def test_read_asks_about_boxes_beside_outlines(path):
    with pytest.raises(InputError, match="1 annotation has a box but no outline"):
        read(path, cvat(SQUARE, '<box label="polyp" xtl="5" ytl="9" xbr="15" ybr="11"/>'))


def test_read_skips_and_counts_what_has_no_area(path):
    shapes = (
        '<points label="tip" points="1,1"/>',
        '<cuboid label="x"/>',
        '<tag label="good"/>',
        '<polyline points="1,1;5,1"/>',
    )
    file = read(path, cvat(SQUARE, *shapes))
    assert file.skipped == {"points": 1, "shapes of the type cuboid": 1, "lines: set line_width to draw them": 1}


def test_read_counts_tracks_of_a_video(path):
    file = read(path, '<annotations><track id="0"/><track id="1"/></annotations>')
    assert file.skipped == {"tracks of a video: export as CVAT for images": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [(cvat(SQUARE.replace("6,4;", "6;")), r"polygon of some/a\.jpg, points"),
     (cvat(SQUARE.replace("12", "nan")), "a finite number"),
     (cvat('<mask label="x" rle="1, 2" left="0" top="0" width="3" height="2"/>'), "add up to its 6 pixels"),
     (cvat('<mask label="x" rle="a" left="0" top="0" width="3" height="2"/>'), "a whole number"),
     ("<annotations>", "broken XML"), ('<!DOCTYPE x [<!ENTITY y "z">]><annotations/>', "entities")],
)  # fmt: skip
def test_read_names_what_is_wrong(text, message, path):
    with pytest.raises(InputError, match=message):
        read(path, text)


def test_read_takes_boxes_of_pascal_voc_as_the_options_say(path):
    text = (
        "<annotation><size><width>32</width><height>24</height></size><object><name>polyp</name><bndbox>"
        "<xmin>7</xmin><ymin>5</ymin><xmax>12</xmax><ymax>10</ymax></bndbox></object></annotation>"
    )
    file = read(path, text)
    assert (file.format, file.annotations, file.skipped) == ("Pascal VOC", {}, {"boxes without an outline": 1})
    np.testing.assert_array_equal(drawn(read(path, text, boxes="fill"), "annotations"), MASK)


def test_read_finds_no_annotations_in_other_xml(path):
    assert read(path, "<PAMDataset><Metadata/></PAMDataset>") is None


@pytest.mark.parametrize(
    "polygon",
    ["<x1>5</x1><y1>6</y1><x2>13</x2><y2>6</y2><x3>13</x3><y3>10</y3><x4>5</x4><y4>10</y4>",
     "<pt><x>5</x><y>6</y></pt><pt><x>13</x><y>6</y></pt><pt><x>13</x><y>10</y></pt><pt><x>5</x><y>10</y></pt>"],
)  # fmt: skip
def test_read_draws_the_outlines_in_files_like_pascal_vocs(polygon, tmp_path):
    text = (
        f"<annotation><object><name>polyp</name><polygon>{polygon}</polygon></object>"
        "<object><name>tool</name><deleted>1</deleted><polygon/></object></annotation>"
    )
    file = read(tmp_path / "a.xml", text)
    np.testing.assert_array_equal(drawn(file, "a"), box_mask(5, 6, 8, 4))


def test_read_names_an_outline_with_half_a_corner(tmp_path):
    text = "<annotation><object><name>a</name><polygon><x1>5</x1></polygon></object></annotation>"
    with pytest.raises(InputError, match=r"a\.xml: polygon of object 0 has 1 x for 0 y"):
        read(tmp_path / "a.xml", text)
