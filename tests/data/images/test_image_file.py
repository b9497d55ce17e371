"""Every type of image is read as a viewer shows it."""

import io
import tracemalloc

import numpy as np
import pytest
import tifffile
from PIL import Image

from sam2unet.data.images.image_file import (
    check_image,
    exif_orientation,
    image_size,
    open_image,
    pixel_count,
    read_frames,
    read_image,
    read_raw,
    to_rgb,
    value_range,
)
from sam2unet.errors import InputError


@pytest.fixture
def colours(rng):
    return rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.fixture
def twelve_bits(rng):
    """A microscope's 12 bits, stored in 16."""
    return rng.integers(0, 4096, (20, 30), dtype=np.uint16)


def save_and_read(image, path, **options):
    image.save(path, **options)
    return np.asarray(read_image(path))


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".bmp", ".tif", ".TIFF", ".ppm", ".tga", ".webp"])
def test_read_image_keeps_lossless_types_exactly(suffix, colours, tmp_path):
    options = {"lossless": True} if suffix == ".webp" else {}
    found = save_and_read(Image.fromarray(colours), tmp_path / f"a{suffix}", **options)
    np.testing.assert_array_equal(found, colours)


def test_read_image_repeats_grey_in_three_channels(colours, tmp_path):
    found = save_and_read(Image.fromarray(colours[..., 0]), tmp_path / "a.png")
    np.testing.assert_array_equal(found, np.repeat(colours[..., :1], 3, axis=2))


def test_read_image_applies_the_palette(colours, tmp_path):
    image = Image.fromarray(colours).quantize(16)
    palette = np.array(image.getpalette()).reshape(-1, 3)
    np.testing.assert_array_equal(save_and_read(image, tmp_path / "a.png"), palette[np.asarray(image)])


def test_read_image_lays_alpha_over_white(colours, rng, tmp_path):
    alpha = rng.integers(0, 256, (20, 30, 1), dtype=np.uint8)
    found = save_and_read(Image.fromarray(np.concatenate([colours, alpha], axis=2)), tmp_path / "a.png")
    expected = colours * (alpha / 255) + 255 * (1 - alpha / 255)
    assert np.abs(found - expected).max() <= 1


def test_read_image_converts_cmyk(tmp_path):
    image = Image.fromarray(np.full((20, 30, 4), (255, 0, 0, 0), np.uint8), "CMYK")
    found = save_and_read(image, tmp_path / "a.tif")
    np.testing.assert_array_equal(found[0, 0], (0, 255, 255))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_read_image_divides_16_bits_by_257(suffix, twelve_bits, tmp_path):
    found = save_and_read(Image.fromarray(twelve_bits), tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(found[..., 1], np.round(twelve_bits / 257))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_read_image_normalises_the_range_of_16_bits(suffix, twelve_bits, tmp_path):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(twelve_bits).save(path)
    low, high = twelve_bits.min().astype(float), twelve_bits.max().astype(float)
    np.testing.assert_array_equal(
        np.asarray(read_image(path, normalise_range=True))[..., 2],
        np.round((twelve_bits - low) * 255 / (high - low)),
    )


def test_read_image_turns_a_flat_image_black_when_normalising(tmp_path):
    Image.fromarray(np.full((4, 4), 700, np.uint16)).save(tmp_path / "flat.png")
    assert np.asarray(read_image(tmp_path / "flat.png", normalise_range=True)).max() == 0


def test_read_image_always_normalises_floats(tmp_path):
    ramp = np.linspace(-1, 3, 600, dtype=np.float32).reshape(20, 30)
    found = save_and_read(Image.fromarray(ramp), tmp_path / "a.tif")
    assert (found.min(), found.max()) == (0, 255)


def test_to_rgb_needs_little_memory_for_16_bits():
    wide = np.arange(1300 * 1700, dtype=np.uint32).reshape(1300, 1700).astype(np.uint16)
    tracemalloc.start()
    found = to_rgb(Image.fromarray(wide))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(np.asarray(found)[..., 0], np.round(wide / 257))
    assert peak < 12 * wide.size


def test_to_rgb_returns_an_rgb_image_itself():
    image = Image.new("RGB", (3, 2))
    assert to_rgb(image) is image


@pytest.mark.parametrize("orientation", range(1, 9))
def test_read_image_applies_exif_orientation(orientation, tmp_path):
    upright = np.zeros((16, 24, 3), np.uint8)
    upright[:8, :12] = 255  # a white corner, top left
    undo = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: a.transpose(1, 0, 2),
            6: np.rot90, 7: lambda a: np.rot90(a, 2).transpose(1, 0, 2), 8: lambda a: np.rot90(a, 3)}  # fmt: skip
    stored = np.ascontiguousarray(undo[orientation](upright))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.png"
    found = save_and_read(Image.fromarray(stored), path, exif=exif)
    np.testing.assert_array_equal(found, upright)
    np.testing.assert_array_equal(read_raw(path).pixels, upright)
    np.testing.assert_array_equal(read_raw(path, ignore_exif=True).pixels, stored)
    np.testing.assert_array_equal(np.asarray(read_image(path, ignore_exif=True)), stored)
    assert exif_orientation(path) == orientation
    assert image_size(path) == (24, 16)
    assert image_size(path, ignore_exif=True) == stored.shape[1::-1]


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif"])
def test_image_size_is_upright(suffix, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (24, 16)).save(tmp_path / f"a{suffix}", exif=exif)
    assert image_size(tmp_path / f"a{suffix}") == read_image(tmp_path / f"a{suffix}").size == (16, 24)


def test_orientation_behind_the_pixels_of_png_is_found(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (24, 16)).save(tmp_path / "a.png", exif=exif)
    content = (tmp_path / "a.png").read_bytes()
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    last = content.index(b"IEND") - 4
    (tmp_path / "a.png").write_bytes(content[:start] + content[end:last] + content[start:end] + content[last:])
    assert image_size(tmp_path / "a.png") == read_image(tmp_path / "a.png").size == (16, 24)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_image_size_needs_the_header_only(suffix, colours, tmp_path):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(colours.repeat(9, axis=0)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[:-500])
    assert image_size(path) == (30, 180)
    with pytest.raises(InputError, match="broken or not an image"):
        read_image(path)


def test_read_image_leaves_nan_out_of_the_range_of_floats(tmp_path):
    values = np.array([[np.nan, 2, 4, 6]], np.float32)
    found = save_and_read(Image.fromarray(values), tmp_path / "a.tif")
    np.testing.assert_array_equal(found[0, :, 0], [0, 0, 128, 255])


def test_value_range_is_that_of_the_stored_values(twelve_bits, colours, tmp_path):
    Image.fromarray(twelve_bits).save(tmp_path / "a.png")
    Image.fromarray(colours).save(tmp_path / "b.png")
    assert value_range(tmp_path / "a.png") == (twelve_bits.min(), twelve_bits.max(), 16)
    assert value_range(tmp_path / "b.png") is None


class Pipe(io.BytesIO):
    """A stream that can be read once, such as standard input."""

    def seekable(self):
        return False

    def seek(self, *_):
        raise io.UnsupportedOperation


@pytest.mark.parametrize("stream", [io.BytesIO, Pipe])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_read_image_reads_streams(dtype, stream, rng, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", rng.integers(0, 256, (20, 30)).astype(dtype))
    found = read_image(stream((tmp_path / "a.tif").read_bytes()))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(read_image(tmp_path / "a.tif")))


def test_a_broken_stream_is_called_standard_input():
    with pytest.raises(InputError, match="standard input: broken or not an image"):
        read_image(io.BytesIO(b"not an image"))


@pytest.mark.parametrize("content", [b"", b"not an image", None])
def test_read_image_names_a_broken_file(content, colours, tmp_path):
    path = tmp_path / "a.png"
    if content is None:  # truncated
        Image.fromarray(colours).save(path)
        content = path.read_bytes()[:-300]
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png: broken or not an image"):
        read_image(path)


def test_read_image_names_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"a\.png: no such file"):
        read_image(tmp_path / "a.png")


def test_open_image_refuses_more_than_max_pixels(colours, tmp_path):
    Image.fromarray(colours).save(tmp_path / "a.png")
    assert open_image(tmp_path / "a.png", max_pixels=600).size == (30, 20)
    with pytest.raises(InputError, match=r"a\.png: 30x20 is more than 0.000599 million pixels") as refused:
        open_image(tmp_path / "a.png", max_pixels=599)
    assert refused.value.parameters == ("max_pixels",)


def test_pixel_count_is_0_for_other_files(colours, tmp_path):
    Image.fromarray(colours).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"not an image")
    assert [pixel_count(tmp_path / name) for name in ("a.png", "b.png", "c.png")] == [600, 0, 0]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_read_frames_reads_each_frame(suffix, rng, tmp_path):
    frames = rng.integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    first, *others = map(Image.fromarray, frames)
    first.save(tmp_path / f"a{suffix}", save_all=True, append_images=others)
    found = {index: np.asarray(read()) for index, read in read_frames(tmp_path / f"a{suffix}")}
    np.testing.assert_array_equal([found[index] for index in range(3)], frames)


def test_read_frames_yields_nothing_for_a_single_image(colours, tmp_path):
    Image.fromarray(colours).save(tmp_path / "a.tif")
    assert list(read_frames(tmp_path / "a.tif")) == []


def test_read_frames_skips_reduced_copies_in_tiff(rng, tmp_path):
    large, small, other = (Image.fromarray(rng.integers(0, 256, (n, n), dtype=np.uint8)) for n in (16, 8, 16))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    large.save(tmp_path / "a.tif", save_all=True, append_images=[small, other])
    assert [index for index, _ in read_frames(tmp_path / "a.tif")] == [0, 2]


@pytest.mark.parametrize("orientation", [1, 6])
def test_check_image_finds_the_size_of_a_jpeg_and_shows_it_smaller(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = Image.fromarray(np.kron(np.arange(12).reshape(3, 4) * 20, np.ones((160, 160))).astype(np.uint8))
    photo.save(tmp_path / "a.jpg", exif=exif, quality=95)
    found = check_image(tmp_path / "a.jpg")
    assert (found.size, found.orientation) == (image_size(tmp_path / "a.jpg"), orientation)
    whole = read_image(tmp_path / "a.jpg").resize(found.image.size, Image.Resampling.BOX)
    assert found.image.width < found.size[0]
    np.testing.assert_allclose(np.asarray(found.image).astype(int), np.asarray(whole).astype(int), atol=8)


def test_check_image_notices_a_jpeg_that_ends_early(tmp_path, rng):
    Image.fromarray(rng.integers(0, 255, (300, 400, 3)).astype(np.uint8)).save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[: len(content) * 9 // 10])
    with pytest.raises(InputError, match=r"a\.jpg: broken"):
        check_image(tmp_path / "a.jpg")
