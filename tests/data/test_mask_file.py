"""Masks are read however they are stored."""

import numpy as np
import pytest
from PIL import Image

from sam2unet.data import class_indices, read_mask
from sam2unet.errors import InputError

TRUTH = np.zeros((24, 32), bool)
TRUTH[4:12, 6:20] = True
INDICES = TRUTH.astype(np.uint8)
INDICES[14:20, 2:9] = 2


def palette(indices, colours):
    image = Image.fromarray(indices).convert("L")
    image.putpalette(np.array(colours, np.uint8).tobytes())
    return image


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
def test_read_mask_recognises_how_one_class_is_stored(case, tmp_path):
    image, kind = KINDS[case]
    file = tmp_path / ("m.tif" if image.mode == "F" else "m.png")
    image.save(file)
    mask = read_mask(file)
    assert mask.kind == kind
    np.testing.assert_array_equal(mask.foreground() >= 128, TRUTH)


@pytest.mark.parametrize(("count", "dtype"), [(80, np.uint8), (254, np.uint8), (80, np.uint16), (300, np.uint16)])
def test_foreground_covers_all_numbered_objects(count, dtype, tmp_path):
    numbers = np.zeros((24, 32), dtype)
    numbers.flat[: 2 * count : 2] = np.arange(1, count + 1)
    (image := Image.fromarray(numbers)).save(tmp_path / f"m.{'tif' if image.mode != 'L' else 'png'}")
    mask = read_mask(next(tmp_path.iterdir()))
    np.testing.assert_array_equal(mask.foreground() >= 128, numbers > 0)


def test_foreground_covers_all_of_a_few_grey_levels(tmp_path):
    levels = (INDICES * 70).astype(np.uint8)
    Image.fromarray(levels).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png").foreground() > 0, INDICES > 0)


def test_read_mask_takes_compression_noise_for_grey_levels(tmp_path):
    Image.fromarray(TRUTH.astype(np.uint8) * 255).save(tmp_path / "m.jpg", quality=60)
    assert (read_mask(tmp_path / "m.jpg").foreground() >= 128).sum() == pytest.approx(TRUTH.sum(), rel=0.1)


def test_read_mask_takes_dark_noise_for_background_in_lossy_formats(tmp_path):
    Image.fromarray(np.full((24, 32), 2, np.uint8)).save(tmp_path / "dark.jpg")
    assert read_mask(tmp_path / "dark.jpg").foreground().max() < 128


def test_foreground_keeps_soft_edges(tmp_path):
    soft = np.linspace(0, 255, 24 * 32).reshape(24, 32).astype(np.uint8)
    Image.fromarray(soft).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png").foreground(), soft)


def test_read_mask_recognises_an_empty_mask(tmp_path):
    Image.new("L", (5, 4)).save(tmp_path / "m.png")
    mask = read_mask(tmp_path / "m.png")
    assert mask.kind == "empty"
    assert mask.foreground().max() == 0


@pytest.mark.parametrize("stored", ["indices", "palette", "16 bits", "with ignored"])
def test_class_indices_returns_what_is_stored(stored, tmp_path):
    indices = INDICES.copy()
    if stored == "with ignored":
        indices[0] = 255
    image = {
        "palette": palette(indices, [[0, 0, 0], [200, 0, 0], [0, 200, 0]]),
        "16 bits": Image.fromarray(indices.astype(np.uint16)),
    }.get(stored, Image.fromarray(indices))
    image.save(tmp_path / "m.png")
    np.testing.assert_array_equal(class_indices(read_mask(tmp_path / "m.png"), 3, tmp_path / "m.png"), indices)


def test_class_indices_names_a_mask_with_too_high_an_index(tmp_path):
    Image.fromarray(INDICES).save(tmp_path / "m.png")
    with pytest.raises(InputError, match=r"m\.png: holds class 2, but there are 2 classes"):
        class_indices(read_mask(tmp_path / "m.png"), 2, tmp_path / "m.png")


def test_class_indices_refuses_colours(tmp_path):
    KINDS["colours"][0].save(tmp_path / "m.png")
    with pytest.raises(InputError, match=r"m\.png: a mask of colours holds no class indices"):
        class_indices(read_mask(tmp_path / "m.png"), 3, tmp_path / "m.png")


def test_class_indices_refuses_soft_edges(tmp_path):
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(tmp_path / "m.png")
    with pytest.raises(InputError, match="a mask of grey levels holds no class indices"):
        class_indices(read_mask(tmp_path / "m.png"), 3, tmp_path / "m.png")


@pytest.mark.parametrize("present", [(7, 255), (0, 3, 120, 255), (0, 1, 2), (1, 255)])
def test_class_indices_accepts_any_values_below_the_number_of_classes(present, rng, tmp_path):
    values = rng.choice(np.array(present, np.uint8), (20, 20))
    Image.fromarray(values).save(tmp_path / "m.png")
    mask = read_mask(tmp_path / "m.png")
    np.testing.assert_array_equal(class_indices(mask, 150, tmp_path / "m.png"), values)
    with pytest.raises(InputError):
        class_indices(mask, min(max(v for v in present if v != 255), 100), tmp_path / "m.png")


def test_foreground_and_known_leave_out_ignored_pixels(tmp_path):
    values = np.full((8, 8), 255, np.uint8)
    values[:4] = 1
    Image.fromarray(values).save(tmp_path / "m.png")
    mask = read_mask(tmp_path / "m.png")
    np.testing.assert_array_equal(mask.foreground() == 255, values == 1)
    np.testing.assert_array_equal(mask.known(), values == 1)


def test_read_mask_takes_a_stray_value_for_a_soft_edge(tmp_path):
    values = np.zeros((40, 40), np.uint8)
    values[10:30, 10:30] = 255
    values[0, 0] = 3
    Image.fromarray(values).save(tmp_path / "a.png")
    mask = read_mask(tmp_path / "a.png")
    assert mask.kind == "soft"
    np.testing.assert_array_equal(mask.foreground() > 128, values == 255)
