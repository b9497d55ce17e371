"""What an image's values alone decide: its range, its 8-bit RGB, its orientation."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageOps

from sam2unet.data.images.raw_image import RawImage


def shown(raw, **options):
    return np.asarray(raw.to_rgb(**options))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_turns_as_pillow_does(orientation, rng):
    stored = rng.integers(0, 256, (5, 7), dtype=np.uint8)
    image = Image.fromarray(stored)
    image.getexif()[0x0112] = orientation
    turned = RawImage(stored, alpha=stored).upright(orientation)
    expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(turned.pixels, expected)
    np.testing.assert_array_equal(turned.alpha, expected)


def test_value_range_leaves_out_nan_infinity_and_nodata():
    values = np.array([[np.nan, np.inf, -9999], [2, 5, 3]], np.float32)
    assert RawImage(values, nodata=-9999, bits=32).value_range() == (2, 5, 32)


def test_value_range_leaves_out_nodata_of_integers():
    assert RawImage(np.array([[65535, 7, 300]], np.uint16), nodata=65535, bits=16).value_range() == (7, 300, 16)


@pytest.mark.parametrize("nodata", [-9999.0, 0.5, float("nan")])
def test_value_range_ignores_a_nodata_value_that_the_dtype_cannot_hold(nodata):
    assert RawImage(np.array([[7, 300]], np.uint16), nodata=nodata, bits=16).value_range() == (7, 300, 16)


def test_value_range_is_none_for_8_bits():
    assert RawImage(np.zeros((2, 2), np.uint8)).value_range() is None


def test_value_range_is_zero_without_a_valid_value():
    assert RawImage(np.full((2, 2), np.nan, np.float32), bits=32).value_range() == (0, 0, 32)


def test_to_rgb_shows_nan_and_nodata_as_black():
    values = np.array([[np.nan, -9999, 2, 4, 6]], np.float64)
    np.testing.assert_array_equal(shown(RawImage(values, nodata=-9999, bits=64))[0, :, 0], [0, 0, 0, 128, 255])


def test_to_rgb_maps_the_declared_bits_to_white():
    np.testing.assert_array_equal(shown(RawImage(np.array([[0, 4095]], np.uint16), bits=12))[0, :, 1], [0, 255])
    np.testing.assert_array_equal(shown(RawImage(np.array([[0, 4095]], np.uint16), bits=16))[0, :, 1], [0, 16])


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint32])
def test_to_rgb_normalises_values_without_a_natural_white(dtype):
    values = np.array([[10, 20, 30]], dtype)
    np.testing.assert_array_equal(shown(RawImage(values, bits=values.dtype.itemsize * 8))[0, :, 0], [0, 128, 255])


def test_to_rgb_shows_the_window_unless_the_range_is_normalised():
    raw = RawImage(np.array([[0, 100, 300, 500]], np.int16), bits=16, window=(100, 300))
    np.testing.assert_array_equal(shown(raw)[0, :, 0], [0, 0, 255, 255])
    np.testing.assert_array_equal(shown(raw, normalise_range=True)[0, :, 0], [0, 51, 153, 255])


def test_to_rgb_keeps_16_bit_colours_apart(rng):
    values = rng.integers(0, 65536, (4, 5, 3), dtype=np.uint16)
    np.testing.assert_array_equal(shown(RawImage(values, bits=16)), np.round(values / 257))


@pytest.mark.parametrize(("bands", "first"), [(1, [0, 0, 0]), (2, [0, 0, 0]), (3, [0, 1, 2]), (6, [0, 1, 2])])
def test_to_rgb_shows_the_first_bands(bands, first, rng):
    values = rng.integers(0, 256, (4, 5, bands), dtype=np.uint8)
    np.testing.assert_array_equal(shown(RawImage(values)), values[..., first])


def test_to_rgb_lays_alpha_over_white():
    raw = RawImage(np.array([[10, 10]], np.uint8), alpha=np.array([[255, 0]], np.uint8))
    np.testing.assert_array_equal(shown(raw)[0, :, 0], [10, 255])


def test_to_rgb_applies_the_palette():
    palette = np.array([[255, 0, 0], [0, 0, 7]], np.uint8)
    np.testing.assert_array_equal(shown(RawImage(np.array([[1, 0]], np.uint8), palette)), [[[0, 0, 7], [255, 0, 0]]])


def test_to_rgb_needs_little_memory_for_floats_with_nodata():
    values = np.arange(1500 * 1700, dtype=np.float32).reshape(1500, 1700)
    tracemalloc.start()
    RawImage(values, nodata=0, bits=32).to_rgb()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * values.size
