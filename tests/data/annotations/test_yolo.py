"""YOLO's text files: outlines as fractions of the image's size."""

import os

import numpy as np
import pytest

from sam2unet.data.annotations import number_labels
from sam2unet.data.options import DataOptions
from sam2unet.errors import InputError

from .files import box_mask, drawn, read, write

OUTLINE = "0 0.25 0.25 0.5 0.25 0.5 0.75 0.25 0.75\n"
MASK = box_mask(8, 6, 8, 12)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "labels").mkdir()
    return tmp_path / "labels" / "a.txt"


def test_read_scales_outlines_to_the_image(path):
    file = read(path, OUTLINE)
    assert file.of_one_image
    np.testing.assert_array_equal(drawn(file, "a"), MASK)
    np.testing.assert_array_equal(drawn(file, "a", size=(4, 4)), np.pad(np.ones((2, 1), np.uint8), ((1, 1), (1, 2))))


def test_read_takes_a_class_with_a_decimal_point(path):
    np.testing.assert_array_equal(drawn(read(path, OUTLINE.replace("0 ", "0.0 ", 1)), "a"), MASK)


def test_read_clips_coordinates_just_outside(path):
    found = drawn(read(path, "0 -0.01 0.25 1.01 0.25 1.01 0.75 -0.01 0.75"), "a")
    np.testing.assert_array_equal(found, box_mask(0, 6, 32, 12))


def test_read_takes_an_empty_file_for_an_image_without_objects(path):
    assert not drawn(read(path, "\n"), "a").any()


def test_read_asks_about_boxes_beside_outlines(path):
    with pytest.raises(InputError, match=r"a\.txt: 1 annotation has a box but no outline"):
        read(path, OUTLINE + "0 0.5 0.5 0.25 0.5\n")


def test_read_takes_boxes_as_the_options_say(path):
    boxes = "0 0.375 0.5 0.25 0.5\n"
    assert read(path, boxes).annotations == {}
    assert read(path, boxes, boxes="skip").skipped_images == ("a",)
    np.testing.assert_array_equal(drawn(read(path, boxes, boxes="fill"), "a"), MASK)


@pytest.mark.parametrize(
    ("text", "message"),
    [("0 8 6 16 6 16 18\n", "line 1 has the coordinate 8"),
     (OUTLINE + "0 .1 .1 .2 .2 .3 .3 .9\n", "line 2 has 8 numbers"),
     ("99999 .1 .1 .2 .2 .3 .3", "class 99999")],
)  # fmt: skip
def test_read_names_a_wrong_line(text, message, path):
    with pytest.raises(InputError, match=message):
        read(path, text)


@pytest.mark.parametrize(
    "text", ["polyp\ntool\n", "1\n2\n3\n", "0.5 .1 .1 .2 .2\n", "0 nan 1 1 1\n", "epoch 1 0.2 0.3 0.4\n"]
)
def test_read_finds_no_annotations_in_other_text(text, path):
    assert read(path, text) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [("data.yaml", "names: [polyp, tool, dirt]"), ("data.yaml", "names:\n  2: dirt\n  0: polyp\n  1: tool\n"),
     ("classes.txt", "polyp\ntool\ndirt\n"), ("labels/obj.names", "polyp\ntool\ndirt")],
)  # fmt: skip
def test_read_names_classes_by_a_file_nearby(name, text, path):
    write(path.parent.parent / name, text)
    file = read(path, "2" + OUTLINE[1:])
    assert file.labels == ("polyp", "tool", "dirt")
    indices = number_labels([file], DataOptions(classes=4))
    np.testing.assert_array_equal(drawn(file, "a", indices), 3 * MASK)


def test_read_sees_that_the_names_have_changed(path):
    names = write(path.parent.parent / "classes.txt", "polyp")
    read(path, OUTLINE)
    write(names, "tool")
    os.utime(names, ns=(1, 1))
    assert read(path, OUTLINE).labels == ("tool",)


def test_read_numbers_classes_without_names(path):
    file = read(path, "1" + OUTLINE[1:])
    assert file.labels == ("0", "1")
    assert number_labels([file], DataOptions(classes=3)) == {"0": 1, "1": 2}


def test_read_refuses_keypoints(path):
    write(path.parent.parent / "data.yaml", "names: [a]\nkpt_shape: [1, 2]")
    with pytest.raises(InputError, match=r"data\.yaml: describes keypoints"):
        read(path, OUTLINE)
