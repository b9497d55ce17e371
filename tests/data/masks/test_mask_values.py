"""The language of `mask_values`, against values written down by hand."""

import numpy as np
import pytest

from sam2unet.data import parse_mask_values
from sam2unet.data.masks.mask_values import NO_LABEL
from sam2unet.errors import InputError

GREYS = np.array([0, 1, 3, 127, 128, 200, 254, 255], np.uint8)
X = NO_LABEL


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("foreground=255", [0, 0, 0, 0, 0, 0, 0, 1]),
        ("foreground=1,255", [0, 1, 0, 0, 0, 0, 0, 1]),
        ("foreground=1-254", [0, 1, 1, 1, 1, 1, 1, 0]),
        ("foreground=128-", [0, 0, 0, 0, 1, 1, 1, 1]),
        ("foreground=0", [1, 0, 0, 0, 0, 0, 0, 0]),
        ("foreground=any", [0, 1, 1, 1, 1, 1, 1, 1]),
        ("foreground=any,255:ignore", [0, 1, 1, 1, 1, 1, 1, 255]),
        ("0:background,128:1,255:ignore", [0, X, X, X, 1, X, X, 255]),
        (" 128 : foreground , 255 : ignored ", [0, X, X, X, 1, X, X, 255]),
        ("classes", [0, 1, 3, 127, 128, 200, X, 255]),
        ("200:background,any:1", [1, 1, 1, 1, 1, 0, 1, 1]),
        ("nearest,0:0,128:1,255:2", [0, 0, 0, 1, 1, 2, 2, 2]),
    ],
)
def test_parse_mask_values_maps_grey_values(text, labels):
    reading = parse_mask_values(text)
    for dtype in (np.uint8, np.uint16, np.int32, np.float64):
        np.testing.assert_array_equal(reading.labels(GREYS.astype(dtype)), labels)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("#ff0000:1", [0, 1, X, X, X]),
        ("#FF0000:2,#e0e0c0:ignore", [0, 2, X, 255, X]),
        ("foreground=#ff0000", [0, 1, 0, 0, 0]),
        ("foreground=any", [0, 1, 1, 1, 1]),
        ("foreground=255", [0, 0, 0, 0, 1]),  # white
        ("nearest,#000000:0,#ff0000:1,#ffffff:ignore", [0, 1, 1, 255, 255]),
    ],
)
def test_parse_mask_values_maps_colours(text, labels):
    colours = np.array([0, 0xFF0000, 0xF00102, 0xE0E0C0, 0xFFFFFF], np.uint32)
    np.testing.assert_array_equal(parse_mask_values(text).labels(colours, is_colour=True), labels)


def test_parse_mask_values_maps_negative_and_wide_values_and_nan():
    values = np.array([-9999, -1, 0, 1, 65535, 70000], np.int32)
    labels = parse_mask_values("foreground=any,-9999:ignore,-1:ignore,65535:ignore").labels(values)
    np.testing.assert_array_equal(labels, [255, 255, 0, 1, 255, 1])
    floats = np.array([np.nan, 0, 2])
    np.testing.assert_array_equal(parse_mask_values("foreground=2").labels(floats), [255, 0, 1])
    np.testing.assert_array_equal(parse_mask_values("foreground=2,nan:background").labels(floats), [0, 0, 1])


def test_parse_mask_values_knows_class_names():
    reading = parse_mask_values("10:ground,20:polyp,30:tool", ["ground", "polyp", "tool"])
    np.testing.assert_array_equal(reading.labels(np.array([10, 20, 30])), [0, 1, 2])


def test_parse_mask_values_names_the_labels_of_annotations():
    assert parse_mask_values("polyp:1,dirt:ignore").names == (("polyp", 1), ("dirt", 255))


def test_parse_mask_values_restores_a_reading_from_its_text():
    for text in ("foreground=1-254", "soft", "alpha", "indices,classes", "nearest,#000000:0,#ff0000:1"):
        assert parse_mask_values(str(parse_mask_values(text))) == parse_mask_values(text)


LABELMAP = """# label:color_rgb:parts:actions
polyp:128,0,0::
background:0,0,0::
tool:0,0,128::
"""


def test_parse_mask_values_reads_cvats_labelmap(tmp_path):
    (tmp_path / "labelmap.txt").write_text(LABELMAP)
    colours = np.array([0, 0x800000, 0x000080], np.uint32)
    for names, labels in (((), [0, 1, 2]), (("background", "tool", "polyp"), [0, 2, 1])):
        reading = parse_mask_values(str(tmp_path / "labelmap.txt"), names)
        np.testing.assert_array_equal(reading.labels(colours, is_colour=True), labels)


@pytest.mark.parametrize("text", ["", "255", "255:", "#ff00:1", "foreground", "1:254", "1:-1", "soft=x", "a b"])
def test_parse_mask_values_names_what_it_does_not_understand(text):
    with pytest.raises(InputError, match=r"is not understood; write it like foreground=255") as error:
        parse_mask_values(text)
    assert error.value.parameters == ("mask_values",)


@pytest.mark.parametrize("text", ["no map", "polyp:300::\n", "polyp=1,2,3"])
def test_parse_mask_values_names_a_file_that_is_no_labelmap(text, tmp_path):
    (tmp_path / "labelmap.txt").write_text(text)
    with pytest.raises(InputError, match=r"labelmap\.txt: not a labelmap\.txt of CVAT"):
        parse_mask_values(str(tmp_path / "labelmap.txt"))


def test_parse_mask_values_names_a_missing_labelmap(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.txt: can't be read"):
        parse_mask_values(str(tmp_path / "nowhere.txt"))


def test_parse_mask_values_reads_exponents():
    reading = parse_mask_values("foreground=1,-3.40282347e+38:ignore,1e-05:0")
    assert reading.labels(np.array([1, -3.4028235e38, 1e-5], np.float32)).tolist() == [1, 255, 0]


def test_parse_mask_values_scales_transparency():
    reading = parse_mask_values("alpha=100")
    assert reading.channel == "alpha"
    assert reading.labels(np.array([0, 50, 51, 100], np.uint8)).tolist() == [0, 0, 1, 1]
