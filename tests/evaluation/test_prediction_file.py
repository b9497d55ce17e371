"""Reading predictions."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from sam2unet.errors import InputError
from sam2unet.evaluation.prediction_file import UnusablePrediction, read_indices, read_map, read_region
from sam2unet.prediction import mask_image


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [([0, 199, 65535], np.uint16, [0, 0, 255]), ([0, 0.5, 1], np.float32, [0, 127, 255]),
     ([0, 100, 200], np.float32, [0, 100, 200])],
)  # fmt: skip
def test_read_map_scales_wide_values_to_8_bits(values, kind, expected, tmp_path):
    Image.fromarray(np.array([values], kind)).save(tmp_path / "a.tif")
    grey, issue = read_map(tmp_path / "a.tif")
    assert grey.tolist() == [expected]
    assert issue == "more than 8 bits"


@pytest.mark.parametrize("values", [[0.2, 300], [0.5, float("nan")], [-3, 0.5], [0, 70000]])
def test_read_map_refuses_values_that_are_no_probabilities(values, tmp_path):
    Image.fromarray(np.array([values], np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UnusablePrediction, match=r"a.tif: .*no probabilities"):
        read_map(tmp_path / "a.tif")


def test_read_map_takes_all_colours_but_black_for_foreground(tmp_path):
    image = Image.new("RGB", (3, 1))
    image.putpixel((1, 0), (60, 0, 0))
    image.putpixel((2, 0), (0, 200, 0))
    for i, stored in enumerate((image, image.quantize(3))):
        stored.save(tmp_path / f"{i}.png")
        grey, issue = read_map(tmp_path / f"{i}.png")
        assert (grey.tolist(), issue) == ([[0, 255, 255]], "colours")


def test_read_map_refuses_heat_maps_and_photographs(tmp_path, rng):
    Image.fromarray(rng.integers(0, 256, (9, 9, 3)).astype(np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(UnusablePrediction, match=r"a\.png: is in colours"):
        read_map(tmp_path / "a.png")


def test_read_map_reads_one_bit_and_transparency(tmp_path):
    truth = np.array([[True, False, True]])
    Image.fromarray(truth).save(tmp_path / "bit.png")
    white = Image.new("RGBA", (3, 1), "white")
    white.putalpha(Image.fromarray(truth).convert("L"))
    white.save(tmp_path / "cut.png")
    for name, issue in (("bit", ""), ("cut", "transparency")):
        grey, found = read_map(tmp_path / f"{name}.png")
        assert (grey.tolist(), found) == ([[255, 0, 255]], issue)


def test_read_map_refuses_transparency_that_differs_from_the_colours(tmp_path):
    image = Image.new("RGBA", (3, 1), (0, 0, 0, 255))
    image.putpixel((1, 0), (255, 255, 255, 255))
    image.putpixel((2, 0), (255, 255, 255, 0))
    image.save(tmp_path / "a.png")
    with pytest.raises(UnusablePrediction, match="transparency and its colours differ"):
        read_map(tmp_path / "a.png")


def test_read_map_takes_grey_rgb_as_it_is(tmp_path):
    Image.new("RGB", (2, 1), (9, 9, 9)).save(tmp_path / "a.png")
    grey, issue = read_map(tmp_path / "a.png")
    assert (grey.tolist(), issue) == ([[9, 9]], "")


def test_read_indices_takes_grey_values_as_classes(tmp_path):
    """`read_mask` would take 0 and 255 for one class, and scattered values for soft edges."""
    indices = np.arange(0, 250, 5, dtype=np.uint8).reshape(5, 10)
    Image.fromarray(indices).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_indices(tmp_path / "a.png", 250), indices)


def test_read_indices_takes_palette_indices(rng, tmp_path):
    indices = rng.integers(0, 5, (6, 7)).astype(np.uint8)
    mask_image(indices, 5).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_indices(tmp_path / "a.png", 5), indices)


@pytest.mark.parametrize(
    ("mode", "value", "message"),
    [("L", 255, "holds 255, which is no class"), ("L", 4, "holds class 4, but there are 4 classes"),
     ("RGB", "red", "a mask of colours holds no class indices")],
)  # fmt: skip
def test_read_indices_refuses_what_is_no_class(mode, value, message, tmp_path):
    Image.new(mode, (3, 2), value).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=f"a.png: {message}"):
        read_indices(tmp_path / "a.png", 4)


@pytest.mark.parametrize("read", [read_map, lambda path: read_indices(path, 4)], ids=["map", "indices"])
def test_broken_and_missing_predictions_are_unusable(read, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"")
    for name in ("broken.png", "missing.png"):
        with pytest.raises(UnusablePrediction, match=name):
            read(tmp_path / name)


def test_read_map_ignores_transparency_that_is_the_same_everywhere(tmp_path):
    image = Image.fromarray(np.array([[0, 255, 0]], np.uint8)).convert("RGBA")
    image.putalpha(254)
    image.save(tmp_path / "a.png")
    grey, issue = read_map(tmp_path / "a.png")
    assert (grey.tolist(), issue) == ([[0, 255, 0]], "")


def test_read_map_refuses_tiff_files_in_which_0_is_white(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[False, True]]), photometric="miniswhite")
    with pytest.raises(UnusablePrediction, match=r"a\.tif: this TIFF file declares 0 as white"):
        read_map(tmp_path / "a.tif")


def test_read_region_resizes_a_region_of_the_images_shape(tmp_path):
    Image.fromarray(np.array([[0, 1], [1, 1]], np.uint8)).save(tmp_path / "a.png")
    assert read_region(tmp_path / "a.png", (4, 4)).astype(int).tolist() == [[0, 0, 1, 1]] * 2 + [[1] * 4] * 2
    with pytest.raises(InputError, match=r"a\.png: is 2x2, but its image 4x3"):
        read_region(tmp_path / "a.png", (3, 4))
