"""Label Studio's JSON export."""

import numpy as np
import pytest

from sam2unet.errors import InputError

from .files import HEIGHT, WIDTH, box_mask, drawn, png_base64, read, text_base64

MASK = box_mask(8, 6, 8, 12)
POLYGON = {"points": [[25, 25], [50, 25], [50, 75], [25, 75]]}


def result(kind, label="polyp", **value):
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    return {"id": kind, "type": kind, "value": {kind: [label], **value}, **size}


def task(*annotations, image="/data/upload/1/0a1b-a.jpg"):
    return {"id": 1, "data": {"image": image}, "annotations": list(annotations)}


def done(*results, **fields):
    return {"result": list(results), "was_cancelled": False, "created_at": "2024-01-01T00:00:00Z", **fields}


def encoded_brush(mask, literal):
    """Encode (H, W) as the brush does: RGBA bytes in runs, or each for itself."""
    flat = np.repeat(mask.ravel() * np.uint8(255), 4)
    bits = f"{flat.size:032b}" + f"{7:05b}" + "".join(f"{length - 1:04b}" for length in (3, 4, 8, 16))
    changes = np.flatnonzero(np.diff(flat, prepend=flat[0])).tolist()
    for start, end in zip([0, *changes], [*changes, flat.size], strict=True):
        values = f"{flat[start]:08b}" * (end - start if literal else 1)
        bits += f"{0 if literal else 1}11{end - start - 1:016b}{values}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "export.json"


NAME = "data/upload/1/0a1b-a.jpg"


def test_read_draws_polygons_in_percent(path):
    file = read(path, [task(done(result("polygonlabels", **POLYGON)))])
    assert (file.format, file.labels) == ("Label Studio", ("polyp",))
    np.testing.assert_array_equal(drawn(file, NAME), MASK)


@pytest.mark.parametrize("literal", [False, True])
def test_read_decodes_brushes(literal, path):
    mask = (np.random.default_rng(0).random((HEIGHT, WIDTH)) > 0.6).astype(np.uint8)
    file = read(path, [task(done(result("brushlabels", format="rle", rle=encoded_brush(mask, literal))))])
    np.testing.assert_array_equal(drawn(file, NAME), mask)


def test_read_decodes_bitmaps(path):
    url = "data:image/png;base64," + text_base64(png_base64(MASK, "RGBA"))
    np.testing.assert_array_equal(
        drawn(read(path, [task(done(result("bitmasklabels", imageDataURL=url)))]), NAME), MASK
    )


def test_read_turns_a_filled_rectangle_around_its_corner(path):
    box = {"x": 50, "y": 25, "width": 25, "height": 25, "rotation": 90}
    file = read(path, [task(done(result("rectanglelabels", **box)))], boxes="fill")
    np.testing.assert_array_equal(drawn(file, NAME), box_mask(10, 6, 6, 8))


def test_read_asks_about_rectangles_beside_outlines(path):
    results = [result("polygonlabels", **POLYGON), result("rectanglelabels", x=1, y=1, width=5, height=5)]
    with pytest.raises(InputError, match="1 annotation has a box but no outline"):
        read(path, [task(done(*results))])


def test_read_fills_ellipses(path):
    file = read(path, [task(done(result("ellipselabels", x=50, y=50, radiusX=25, radiusY=25)))])
    found = drawn(file, NAME)
    assert found.sum() == pytest.approx(np.pi * 8 * 6, rel=0.04)
    assert (np.flatnonzero(found.any(axis=0)) == np.arange(8, 24)).all()


def test_read_takes_the_newest_annotation_that_is_not_cancelled(path):
    old = done(result("polygonlabels", **POLYGON))
    new = done(result("polygonlabels", "tool", **POLYGON), created_at="2024-02-01T00:00:00Z")
    cancelled = done(created_at="2024-03-01T00:00:00Z", was_cancelled=True)
    file = read(path, [task(new, old, cancelled)])
    assert file.labels == ("tool",)
    assert file.skipped == {"annotations of an image that has a newer one": 1}


def test_read_leaves_out_images_that_nobody_has_annotated(path):
    file = read(path, [task(), task(done(), image="b.jpg")])
    assert list(file.annotations) == ["b.jpg"]
    assert file.skipped == {"images that nobody has annotated": 1}


def test_read_finds_the_label_in_a_second_result_of_the_same_id(path):
    shape = result("polygon", **POLYGON) | {"id": "x"}
    shape["value"].pop("polygon")
    label = result("labels", "tool") | {"id": "x"}
    assert read(path, [task(done(shape, label))]).labels == ("tool",)


@pytest.mark.parametrize(
    ("brush", "message"), [([0, 0, 0, 8], "cut off"), ([0, 0, 0, 8, 0, 0, 0, 0], "2 pixels"), ([300], "no pixels")]
)
def test_read_names_a_broken_brush(brush, message, path):
    with pytest.raises(InputError, match=message):
        read(path, [task(done(result("brushlabels", rle=brush)))])


def test_read_names_a_task_without_an_image(path):
    with pytest.raises(InputError, match=r"\[0\]\.data names no image"):
        read(path, [task(done(), image="some text")])
