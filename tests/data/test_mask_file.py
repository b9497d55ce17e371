"""Masks of every kind, told apart."""

import json

import numpy as np
import pytest
from PIL import Image

from sam2unet.data import read_mask
from sam2unet.data.mask_file import class_indices
from sam2unet.data.polygon_file import read_polygons
from sam2unet.errors import InputError

TRUTH = np.zeros((24, 32), bool)
TRUTH[4:12, 6:20] = True
INDICES = TRUTH.astype(np.uint8)
INDICES[14:20, 2:9] = 2


def palette(indices, colours):
    picture = Image.fromarray(indices).convert("L")
    picture.putpalette(np.array(colours, np.uint8).tobytes())
    return picture


KINDS = {
    "bool": (Image.fromarray(TRUTH), "bool"),
    "0/1": (Image.fromarray(TRUTH.astype(np.uint8)), "0/1"),
    "0/255": (Image.fromarray(TRUTH.astype(np.uint8) * 255), "0/255"),
    "rgb": (Image.fromarray(np.repeat(TRUTH[..., None].astype(np.uint8) * 255, 3, axis=2)), "0/255"),
    "rgba": (Image.fromarray(np.repeat(TRUTH[..., None].astype(np.uint8) * 255, 3, axis=2)).convert("RGBA"), "0/255"),
    "palette": (palette(TRUTH.astype(np.uint8), [[0, 0, 0], [200, 0, 0]]), "palette"),
    "grey palette": (palette(TRUTH.astype(np.uint8), [[0, 0, 0], [255, 255, 255]]), "0/255"),
    "inverse grey palette": (palette((~TRUTH).astype(np.uint8), [[255, 255, 255], [0, 0, 0]]), "0/255"),
    "16 bits": (Image.fromarray(TRUTH.astype(np.uint16) * 65535), "0/255"),
    "16-bit instances": (Image.fromarray(TRUTH.astype(np.uint16) * 1000), "class indices"),
    "two grey levels": (Image.fromarray(TRUTH.astype(np.uint8) * 100), "class indices"),
    "float": (Image.fromarray(TRUTH.astype(np.float32) * 0.9), "class indices"),
    "white, cut out by alpha": (
        Image.merge("LA", [Image.new("L", (32, 24), 255), Image.fromarray(TRUTH).convert("L")]),
        "0/255",
    ),
    "dark colours": (Image.fromarray(TRUTH[..., None] * np.array([64, 0, 0], np.uint8)), "colours"),
    "colours": (Image.fromarray(TRUTH[..., None] * np.array([200, 30, 0], np.uint8)), "colours"),
}


@pytest.mark.parametrize("case", KINDS)
def test_one_class(case, tmp_path):
    picture, kind = KINDS[case]
    file = tmp_path / ("m.tif" if picture.mode == "F" else "m.png")
    picture.save(file)
    mask = read_mask(file)
    assert mask.kind == kind
    np.testing.assert_array_equal(mask.foreground() >= 128, TRUTH)


@pytest.mark.parametrize(("count", "dtype"), [(80, np.uint8), (254, np.uint8), (80, np.uint16), (300, np.uint16)])
def test_numbered_objects_are_all_foreground(count, dtype, tmp_path):
    numbers = np.zeros((24, 32), dtype)
    numbers.flat[: 2 * count : 2] = np.arange(1, count + 1)
    (picture := Image.fromarray(numbers)).save(tmp_path / f"m.{'tif' if picture.mode != 'L' else 'png'}")
    mask = read_mask(next(tmp_path.iterdir()))
    np.testing.assert_array_equal(mask.foreground() >= 128, numbers > 0)


def test_a_few_grey_levels_are_labels(tmp_path):
    levels = (INDICES * 70).astype(np.uint8)
    Image.fromarray(levels).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png").foreground() > 0, INDICES > 0)


def test_lossy_masks_are_cut_in_the_middle(tmp_path):
    Image.fromarray(TRUTH.astype(np.uint8) * 255).save(tmp_path / "m.jpg", quality=60)
    assert (read_mask(tmp_path / "m.jpg").foreground() >= 128).sum() == pytest.approx(TRUTH.sum(), rel=0.1)
    Image.fromarray(np.full((24, 32), 2, np.uint8)).save(tmp_path / "dark.jpg")
    assert read_mask(tmp_path / "dark.jpg").foreground().max() < 128


def test_soft_edges_stay_soft(tmp_path):
    soft = np.linspace(0, 255, 24 * 32).reshape(24, 32).astype(np.uint8)
    Image.fromarray(soft).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png").foreground(), soft)


def test_an_empty_mask_has_no_foreground(tmp_path):
    Image.new("L", (5, 4)).save(tmp_path / "m.png")
    mask = read_mask(tmp_path / "m.png")
    assert mask.kind == "empty"
    assert mask.foreground().max() == 0


@pytest.mark.parametrize("stored", ["indices", "palette", "16 bits", "with ignored"])
def test_class_indices(stored, tmp_path):
    indices = INDICES.copy()
    if stored == "with ignored":
        indices[0] = 255
    picture = {
        "palette": palette(indices, [[0, 0, 0], [200, 0, 0], [0, 200, 0]]),
        "16 bits": Image.fromarray(indices.astype(np.uint16)),
    }.get(stored, Image.fromarray(indices))
    picture.save(tmp_path / "m.png")
    mask = read_mask(tmp_path / "m.png")
    np.testing.assert_array_equal(class_indices(mask, 3, tmp_path / "m.png"), indices)
    with pytest.raises(InputError, match=r"m\.png: holds class 2, but there are 2 classes"):
        class_indices(mask, 2, tmp_path / "m.png")


def test_soft_masks_hold_no_classes(tmp_path):
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(tmp_path / "m.png")
    with pytest.raises(InputError, match="class indices"):
        class_indices(read_mask(tmp_path / "m.png"), 3, tmp_path / "m.png")


def labelme(path, label="polyp", kind="polygon"):
    points = [[6, 4], [19, 11]] if kind == "rectangle" else [[6, 4], [19, 4], [19, 11], [6, 11]]
    shape = {"label": label, "points": points, "shape_type": kind}
    path.write_text(json.dumps({"shapes": [shape], "imagePath": "a.jpg", "imageHeight": 24, "imageWidth": 32}))
    return path


def coco(path, segmentation, category=7):
    content = {
        "images": [{"id": 3, "file_name": "some/a.jpg", "width": 32, "height": 24},
                   {"id": 4, "file_name": "b.jpg", "width": 8, "height": 8}],
        "categories": [{"id": 9, "name": "later"}, {"id": 7, "name": "first"}],
        "annotations": [{"id": 1, "image_id": 3, "category_id": category, "segmentation": segmentation}],
    }  # fmt: skip
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("kind", ["polygon", "rectangle"])
def test_labelme(kind, tmp_path):
    found = read_polygons(labelme(tmp_path / "a.json", kind=kind))
    np.testing.assert_array_equal(read_mask(found["a"]).foreground() > 0, TRUTH)


def test_coco(tmp_path):
    found = read_polygons(coco(tmp_path / "set.json", [[6, 4, 19, 4, 19, 11, 6, 11]], category=9))
    np.testing.assert_array_equal(read_mask(found["some/a"]).values, 2 * TRUTH)
    assert read_mask(found["b"]).values.max() == 0
    stray = coco(tmp_path / "stray.json", [[6, 4], [], [6, 4, 19, 4, 19, 11, 6, 11]])
    np.testing.assert_array_equal(read_mask(read_polygons(stray)["some/a"]).values, TRUTH)


def test_class_names_order_the_labels(tmp_path):
    names = ["ground", "later", "first"]
    assert read_mask(read_polygons(labelme(tmp_path / "a.json", "first"), names)["a"]).values.max() == 2
    found = read_polygons(coco(tmp_path / "set.json", [[6, 4, 19, 4, 19, 11]], category=9), names)
    assert read_mask(found["some/a"]).values.max() == 1
    with pytest.raises(InputError, match="'polyp' is not among"):
        read_polygons(labelme(tmp_path / "b.json"), names)


@pytest.mark.parametrize(
    ("make", "message"),
    [(lambda p: p.write_text("{"), "broken JSON"), (lambda p: coco(p, {"counts": "x"}), "run-length"),
     (lambda p: coco(p, [[1, 2, 3]]), "not as LabelMe or COCO"), (lambda p: labelme(p, kind="point"), "only polygons")],
)  # fmt: skip
def test_annotations_that_cannot_be_read_are_named(make, message, tmp_path):
    make(tmp_path / "x.json")
    with pytest.raises(InputError, match=message) as error:
        read_polygons(tmp_path / "x.json")
    assert "x.json" in str(error.value)


def test_other_json_is_no_annotation(tmp_path):
    for text in ('{"version": 1}', '{"loss": 1}\n{"loss": 2}\n'):
        (tmp_path / "x.json").write_text(text)
        assert read_polygons(tmp_path / "x.json") == {}


@pytest.mark.parametrize("present", [(7, 255), (0, 3, 120, 255), (0, 1, 2), (1, 255)])
def test_grey_values_are_indices_where_there_are_so_many_classes(present, tmp_path):
    values = np.random.default_rng(0).choice(np.array(present, np.uint8), (20, 20))
    Image.fromarray(values).save(tmp_path / "m.png")
    mask = read_mask(tmp_path / "m.png")
    np.testing.assert_array_equal(class_indices(mask, 150, tmp_path / "m.png"), values)
    with pytest.raises(InputError):
        class_indices(mask, min(max(v for v in present if v != 255), 100), tmp_path / "m.png")


def test_an_index_without_background_is_the_object_and_the_rest_is_ignored(tmp_path):
    values = np.full((8, 8), 255, np.uint8)
    values[:4] = 1
    Image.fromarray(values).save(tmp_path / "m.png")
    mask = read_mask(tmp_path / "m.png")
    np.testing.assert_array_equal(mask.foreground() == 255, values == 1)
    np.testing.assert_array_equal(mask.known(), values == 1)


def test_a_stray_value_makes_no_class_mask(tmp_path):
    values = np.zeros((40, 40), np.uint8)
    values[10:30, 10:30] = 255
    values[0, 0] = 3
    Image.fromarray(values).save(tmp_path / "a.png")
    mask = read_mask(tmp_path / "a.png")
    assert mask.kind == "soft"
    np.testing.assert_array_equal(mask.foreground() > 128, values == 255)
