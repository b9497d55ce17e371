"""Every type of picture comes out as a viewer shows it."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from sam2unet.data import read_image, to_rgb
from sam2unet.errors import InputError

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
WIDE = RNG.integers(0, 4096, (20, 30), dtype=np.uint16)  # 12 bits in 16


def saved(picture, path, **options):
    picture.save(path, **options)
    return np.asarray(read_image(path))


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".bmp", ".tif", ".TIFF", ".ppm", ".tga", ".webp"])
def test_lossless_types(suffix, tmp_path):
    options = {"lossless": True} if suffix == ".webp" else {}
    np.testing.assert_array_equal(saved(Image.fromarray(COLOURS), tmp_path / f"a{suffix}", **options), COLOURS)


def test_grey_is_spread_over_three_channels(tmp_path):
    found = saved(Image.fromarray(COLOURS[..., 0]), tmp_path / "a.png")
    np.testing.assert_array_equal(found, np.repeat(COLOURS[..., :1], 3, axis=2))


def test_palette(tmp_path):
    picture = Image.fromarray(COLOURS).quantize(16)
    np.testing.assert_array_equal(saved(picture, tmp_path / "a.png"), np.asarray(picture.convert("RGB")))


def test_alpha_is_laid_over_white(tmp_path):
    alpha = RNG.integers(0, 256, (20, 30, 1), dtype=np.uint8)
    found = saved(Image.fromarray(np.concatenate([COLOURS, alpha], axis=2)), tmp_path / "a.png")
    expected = COLOURS * (alpha / 255) + 255 * (1 - alpha / 255)
    assert np.abs(found - expected).max() <= 1


def test_cmyk(tmp_path):
    picture = Image.fromarray(np.full((20, 30, 4), (255, 0, 0, 0), np.uint8), "CMYK")
    found = saved(picture, tmp_path / "a.tif")
    np.testing.assert_array_equal(found[0, 0], (0, 255, 255))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_divided_or_stretched(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(WIDE).save(path)
    np.testing.assert_array_equal(np.asarray(read_image(path))[..., 1], np.round(WIDE / 257))
    low, high = WIDE.min().astype(float), WIDE.max().astype(float)
    np.testing.assert_array_equal(
        np.asarray(read_image(path, normalise_range=True))[..., 2], np.round((WIDE - low) * 255 / (high - low))
    )


def test_large_pictures_of_16_bits_in_little_memory():
    wide = np.arange(1300 * 1700, dtype=np.uint32).reshape(1300, 1700).astype(np.uint16)
    tracemalloc.start()
    found = to_rgb(Image.fromarray(wide))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(np.asarray(found)[..., 0], np.round(wide / 257))
    assert most < 12 * wide.size


def test_float_and_flat_pictures(tmp_path):
    ramp = np.linspace(-1, 3, 600, dtype=np.float32).reshape(20, 30)
    found = saved(Image.fromarray(ramp), tmp_path / "a.tif")
    assert (found.min(), found.max()) == (0, 255)
    Image.fromarray(np.full((4, 4), 700, np.uint16)).save(tmp_path / "flat.png")
    assert np.asarray(read_image(tmp_path / "flat.png", normalise_range=True)).max() == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(orientation, tmp_path):
    upright = np.zeros((16, 24, 3), np.uint8)
    upright[:8, :12] = 255  # a white corner, top left
    undo = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: a.transpose(1, 0, 2),
            6: np.rot90, 7: lambda a: np.rot90(a, 2).transpose(1, 0, 2), 8: lambda a: np.rot90(a, 3)}  # fmt: skip
    stored = Image.fromarray(np.ascontiguousarray(undo[orientation](upright)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = saved(stored, tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(found, upright)


@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_a_broken_picture_is_named(content, tmp_path):
    path = tmp_path / "a.png"
    if content is None:
        Image.fromarray(COLOURS).save(path)
        content = path.read_bytes()[:-300]
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png"):
        read_image(path)
