"""Masks by their reading; how readings are chosen is tested in `test_mask_reading`."""

import numpy as np
import pytest
from PIL import Image

from sam2unet.data import DataOptions, MaskParts, Page, parse_mask_values, read_content, read_mask
from sam2unet.data.masks.mask_file import count_labels
from sam2unet.errors import InputError

VALUES = np.zeros((24, 32), np.uint8)
VALUES[4:12, 6:20] = 1
VALUES[14:20, 2:9] = 2
VALUES[0] = 255


@pytest.fixture
def mask(tmp_path):
    Image.fromarray(VALUES).save(tmp_path / "m.png")
    return tmp_path / "m.png"


def test_read_mask_leaves_ignored_pixels_out(mask):
    found = read_mask(mask, parse_mask_values("foreground=any,255:ignore"))
    np.testing.assert_array_equal(found.foreground() == 255, (VALUES > 0) & (VALUES < 255))
    np.testing.assert_array_equal(found.known(), VALUES < 255)


def test_read_mask_returns_class_indices(mask):
    np.testing.assert_array_equal(read_mask(mask, parse_mask_values("classes"), classes=3).labels, VALUES)


def test_read_mask_names_a_mask_with_too_high_an_index(mask):
    with pytest.raises(InputError, match=r"m\.png: holds class 2, but there are 2 classes \(0 to 1\)"):
        read_mask(mask, parse_mask_values("classes"), classes=2)


def test_read_mask_names_values_without_meaning(mask):
    with pytest.raises(InputError, match=r"m\.png: holds 2, to which 1:object,255:ignore gives no meaning") as error:
        read_mask(mask, parse_mask_values("1:object,255:ignore"))
    assert error.value.parameters == ("mask_values",)


def test_read_mask_keeps_soft_edges_and_scales_them(tmp_path):
    soft = np.linspace(0, 255, 24 * 32).reshape(24, 32).round()
    files = {"soft": (soft.astype(np.uint8), "a.png"), "soft=65535": (soft.astype(np.uint16) * 257, "b.png"),
             "soft=1": ((soft / 255).astype(np.float32), "c.tif")}  # fmt: skip
    for text, (values, name) in files.items():
        Image.fromarray(values).save(tmp_path / name)
        found = read_mask(tmp_path / name, parse_mask_values(text))
        np.testing.assert_array_equal(found.foreground(), soft)
        np.testing.assert_array_equal(found.labels, soft > 128)  # as PySODMetrics has it


def test_read_mask_unites_the_parts_of_a_mask(tmp_path):
    for i in (1, 2):
        Image.fromarray(np.where(i == VALUES, np.uint8(255), np.uint8(0))).save(tmp_path / f"{i}.png")
    files = (tmp_path / "1.png", tmp_path / "2.png")
    united = read_mask(MaskParts(files, (1, 1)), parse_mask_values("foreground=255"))
    np.testing.assert_array_equal(united.labels, (VALUES > 0) & (VALUES < 255))
    classes = read_mask(MaskParts(files, (1, 2)), parse_mask_values("foreground=255"), classes=3)
    np.testing.assert_array_equal(classes.labels, VALUES * (VALUES < 255))


def test_read_mask_refuses_parts_that_only_their_transparency_tells(tmp_path):
    for i in (1, 2):
        white = Image.new("LA", (32, 24), (255, 0))
        white.putalpha(Image.fromarray(np.where(i == VALUES, np.uint8(255), np.uint8(0))))
        white.save(tmp_path / f"{i}.png")
    with pytest.raises(InputError, match=r"1\.png: is partly transparent"):
        read_mask(MaskParts((tmp_path / "1.png", tmp_path / "2.png"), (1, 1)), parse_mask_values("foreground=255"))


def test_read_mask_names_a_part_of_another_size(tmp_path):
    for i in (1, 2):
        Image.new("L", (8 * i, 8)).save(tmp_path / f"{i}.png")
    with pytest.raises(InputError, match=r"2\.png is 16x8, but .*1\.png, of the same image, is 8x8"):
        read_mask(MaskParts((tmp_path / "1.png", tmp_path / "2.png"), (1, 1)), parse_mask_values("foreground=255"))


def test_read_mask_reads_a_page(tmp_path):
    pages = [Image.fromarray(np.where(i == VALUES, np.uint8(255), np.uint8(0))) for i in (1, 2)]
    pages[0].save(tmp_path / "m.tif", save_all=True, append_images=pages[1:])
    found = read_mask(Page(tmp_path / "m.tif", 1), parse_mask_values("foreground=255"))
    np.testing.assert_array_equal(found.labels, VALUES == 2)


@pytest.mark.parametrize("text", ["foreground=any,255:ignore", "foreground=2", "soft", "classes", "alpha"])
def test_count_labels_agrees_with_the_mask(text, mask):
    content, reading = read_content(mask, DataOptions()), parse_mask_values(text)
    labels, counts = np.unique(read_mask(mask, reading).labels, return_counts=True)
    assert count_labels(content, reading) == dict(zip(labels.tolist(), counts.tolist(), strict=True))
