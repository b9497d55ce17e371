"""Files are decoded, recognised, or left alone."""

import json
import pickle

import numpy as np
import pytest

from sam2unet.data.annotations import Annotation, read_annotation_file
from sam2unet.data.annotations.shapes import bitmap, outline, polygon
from sam2unet.data.options import DataOptions
from sam2unet.errors import InputError

from .files import box_mask, corners, read

LABELME = {"shapes": [{"label": "息肉", "points": [[1, 1], [5, 1], [5, 5]]}], "imagePath": "a.jpg"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_read_annotation_file_reads_other_encodings(encoding, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(json.dumps(LABELME, ensure_ascii=False).encode(encoding))
    assert read_annotation_file(path, DataOptions()).labels == ("息肉",)


def test_read_annotation_file_reads_latin_1(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(json.dumps(LABELME).replace("\\u606f\\u8089", "pólipo é").encode("latin-1"))
    assert read_annotation_file(path, DataOptions()).labels == ("pólipo é",)


@pytest.mark.parametrize(
    "text",
    ['{"version": 1}', '{"loss": 1}\n{"loss": 2}\n', "[]", "{}", "[1, 2]", '"x"', '{"images": [], "annotations": {}}'],
)
def test_read_annotation_file_leaves_other_json_alone(text, tmp_path):
    assert read(tmp_path / "x.json", text) is None


def test_read_annotation_file_leaves_other_files_alone(tmp_path):
    assert read(tmp_path / "x.csv", "image,mask") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "broken JSON"), ("", "broken JSON"), ("[" * 100_000, "nested too deeply"),
     ("9" * 5000, "thousands of digits"),
     ('{"shapes": [{"label": "x", "points": [[NaN, 1]]}], "imagePath": ""}', "is NaN where there should be a finite"),
     ('{"shapes": [{"label": "x", "points": [[1, 1, 1]]}], "imagePath": ""}', "a list of 2"),
     ('{"shapes": [null], "imagePath": ""}', r"shapes\[0\] is null where there should be an object with named fields")],
)  # fmt: skip
def test_read_annotation_file_names_what_is_wrong(text, message, tmp_path):
    with pytest.raises(InputError, match=message) as error:
        read(tmp_path / "x.json", text)
    assert str(error.value).startswith(str(tmp_path / "x.json"))


def test_read_annotation_file_names_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"x\.json: can't be read"):
        read_annotation_file(tmp_path / "x.json", DataOptions())


def test_annotation_draws_shapes_of_all_kinds_in_their_order(tmp_path):
    square, dot = box_mask(6, 4, 6, 6), box_mask(8, 6, 1, 1)
    shapes = (polygon("a", corners(6, 4, 5, 5)), outline("b", corners(8, 6, 1, 1)), bitmap("c", box_mask(0, 0, 32, 1)),
              polygon("d", corners(0, 0, 0, 0)), bitmap("e", np.ones((2, 2)), (31, -1)))  # fmt: skip
    annotation = Annotation(tmp_path / "a.json", (32, 24), shapes)
    annotation = annotation.with_indices({letter: number for number, letter in enumerate("abcde", 1)})
    expected = square + dot + box_mask(0, 0, 32, 1, 3)
    expected[0, 0], expected[0, 31] = 4, 5
    np.testing.assert_array_equal(annotation.draw(), expected)
    assert annotation.draw().flags.c_contiguous


def test_annotation_survives_pickling_and_hashing(tmp_path):
    annotation = Annotation(tmp_path / "a.json", (32, 24), (outline("b", corners(8, 6, 1, 1)),))
    copy = pickle.loads(pickle.dumps(annotation))
    assert copy == annotation
    assert hash(copy) == hash(annotation)
    assert str(copy) == str(tmp_path / "a.json")
