"""Annotations of LabelMe and COCO become masks."""

import json

import numpy as np
import pytest

from sam2unet.data import read_mask
from sam2unet.data.polygon_file import read_polygons
from sam2unet.errors import InputError

TRUTH = np.zeros((24, 32), bool)
TRUTH[4:12, 6:20] = True


def write_labelme(path, label="polyp", kind="polygon"):
    points = [[6, 4], [19, 11]] if kind == "rectangle" else [[6, 4], [19, 4], [19, 11], [6, 11]]
    shape = {"label": label, "points": points, "shape_type": kind}
    path.write_text(json.dumps({"shapes": [shape], "imagePath": "a.jpg", "imageHeight": 24, "imageWidth": 32}))
    return path


def write_coco(path, segmentation, category=7):
    content = {
        "images": [{"id": 3, "file_name": "some/a.jpg", "width": 32, "height": 24},
                   {"id": 4, "file_name": "b.jpg", "width": 8, "height": 8}],
        "categories": [{"id": 9, "name": "later"}, {"id": 7, "name": "first"}],
        "annotations": [{"id": 1, "image_id": 3, "category_id": category, "segmentation": segmentation}],
    }  # fmt: skip
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("kind", ["polygon", "rectangle"])
def test_read_polygons_reads_labelme(kind, tmp_path):
    found = read_polygons(write_labelme(tmp_path / "a.json", kind=kind))
    np.testing.assert_array_equal(read_mask(found["a"]).foreground() > 0, TRUTH)


def test_read_polygons_reads_coco(tmp_path):
    found = read_polygons(write_coco(tmp_path / "set.json", [[6, 4, 19, 4, 19, 11, 6, 11]], category=9))
    np.testing.assert_array_equal(read_mask(found["some/a"]).values, 2 * TRUTH)
    assert read_mask(found["b"]).values.max() == 0


def test_read_polygons_drops_rings_of_fewer_than_three_points(tmp_path):
    found = read_polygons(write_coco(tmp_path / "set.json", [[6, 4], [], [6, 4, 19, 4, 19, 11, 6, 11]]))
    np.testing.assert_array_equal(read_mask(found["some/a"]).values, TRUTH)


def test_read_polygons_numbers_labelme_by_class_names(tmp_path):
    found = read_polygons(write_labelme(tmp_path / "a.json", "first"), ["ground", "later", "first"])
    assert read_mask(found["a"]).values.max() == 2


def test_read_polygons_numbers_coco_by_class_names(tmp_path):
    path = write_coco(tmp_path / "set.json", [[6, 4, 19, 4, 19, 11]], category=9)
    assert read_mask(read_polygons(path, ["ground", "later", "first"])["some/a"]).values.max() == 1


def test_read_polygons_names_an_unknown_label(tmp_path):
    with pytest.raises(InputError, match=r"b\.json: label 'polyp' is not among the class names"):
        read_polygons(write_labelme(tmp_path / "b.json"), ["ground", "later"])


@pytest.mark.parametrize(
    ("write", "message"),
    [(lambda p: p.write_text("{"), "broken JSON"), (lambda p: write_coco(p, {"counts": "x"}), "run-length"),
     (lambda p: write_coco(p, [[1, 2, 3]]), "not in the format of LabelMe or COCO"),
     (lambda p: write_labelme(p, kind="point"), "only polygons")],
)  # fmt: skip
def test_read_polygons_names_an_unusable_file(write, message, tmp_path):
    write(tmp_path / "x.json")
    with pytest.raises(InputError, match=message) as error:
        read_polygons(tmp_path / "x.json")
    assert "x.json" in str(error.value)


@pytest.mark.parametrize("text", ['{"version": 1}', '{"loss": 1}\n{"loss": 2}\n'])
def test_read_polygons_ignores_other_json(text, tmp_path):
    (tmp_path / "x.json").write_text(text)
    assert read_polygons(tmp_path / "x.json") == {}
