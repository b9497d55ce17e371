"""TIFF files of every layout are read as they are stored."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from sam2unet.data.images.image_file import (
    exif_orientation,
    image_remark,
    image_size,
    list_pages,
    open_image,
    read_box,
    read_frames,
    read_image,
    read_raw,
    value_range,
)
from sam2unet.data.images.tiff_file import PlainTiffReader, open_tiff
from sam2unet.errors import InputError

DTYPES = ["uint8", "uint16", "uint32", "int8", "int16", "int32", "float16", "float32", "float64"]
LAYOUTS = [
    {},
    {"compression": "lzw"},
    {"compression": "zstd", "predictor": True},
    {"compression": "deflate", "tile": (16, 16)},
    {"byteorder": ">"},
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.tif"


def draw(rng, dtype, shape):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return (rng.random(shape) * 100 - 20).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_read_raw_returns_grey_samples_as_stored(dtype, layout, rng, path):
    stored = draw(rng, dtype, (20, 30))
    tifffile.imwrite(path, stored, photometric="minisblack", **layout)
    raw = read_raw(path)
    np.testing.assert_array_equal(raw.pixels, stored, strict=True)
    assert (raw.bits, raw.alpha, raw.palette, raw.nodata) == (stored.dtype.itemsize * 8, None, None, None)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("options", [
    {"photometric": "rgb"},
    {"photometric": "rgb", "compression": "lzw", "predictor": True},
    {"photometric": "minisblack", "planarconfig": "contig"},
], ids=str)  # fmt: skip
def test_read_raw_returns_colours_as_stored(options, dtype, rng, path):
    if dtype == "float32" and "predictor" in options:
        options = options | {"compression": "zstd"}
    stored = draw(rng, dtype, (20, 30, 3))
    tifffile.imwrite(path, stored, **options)
    np.testing.assert_array_equal(read_raw(path).pixels, stored, strict=True)
    assert image_remark(path) == ""


def test_read_raw_joins_planes(rng, path):
    stored = draw(rng, "uint16", (3, 20, 30))
    tifffile.imwrite(path, stored, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_raw(path).pixels, np.stack(list(stored), axis=2), strict=True)


@pytest.mark.parametrize("bands", [2, 4, 8])
def test_read_raw_keeps_all_bands_and_read_image_shows_the_first(bands, rng, path):
    stored = draw(rng, "uint8", (20, 30, bands))
    tifffile.imwrite(path, stored, photometric="minisblack", planarconfig="contig")
    np.testing.assert_array_equal(read_raw(path).pixels, stored)
    first = stored[..., :3] if bands > 2 else stored[..., :1].repeat(3, axis=2)
    np.testing.assert_array_equal(np.asarray(read_image(path)), first)
    assert image_remark(path).startswith(f"{bands} bands; the first ")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("bands", [2, 4])
def test_read_raw_separates_alpha(bands, dtype, rng, path):
    stored = draw(rng, dtype, (20, 30, bands))
    kind = "rgb" if bands == 4 else "minisblack"
    tifffile.imwrite(path, stored, photometric=kind, planarconfig="contig", extrasamples=["unassalpha"])
    raw = read_raw(path)
    np.testing.assert_array_equal(raw.pixels, stored[..., : bands - 1].squeeze())
    np.testing.assert_array_equal(raw.alpha, np.round(stored[..., -1] / (np.iinfo(dtype).max / 255)))
    assert raw.remark == ""


def test_read_raw_takes_a_fourth_band_for_alpha_only_if_the_file_says_so(rng, path):
    stored = draw(rng, "uint8", (20, 30, 4))
    tifffile.imwrite(path, stored, photometric="rgb", extrasamples=["unspecified"])
    raw = read_raw(path)
    assert raw.alpha is None
    np.testing.assert_array_equal(raw.pixels, stored)
    np.testing.assert_array_equal(np.asarray(read_image(path)), stored[..., :3])


def test_read_raw_undoes_premultiplied_16_bit_alpha(path):
    stored = np.full((2, 2, 4), (10000, 20000, 0, 32768), np.uint16)
    tifffile.imwrite(path, stored, photometric="rgb", extrasamples=["assocalpha"])
    np.testing.assert_allclose(read_raw(path).pixels[0, 0], (20000, 40000, 0), atol=2)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_white_is_zero_is_inverted_and_told(dtype, rng, path):
    stored = draw(rng, dtype, (20, 30))
    tifffile.imwrite(path, stored, photometric="miniswhite")
    raw = read_raw(path)
    np.testing.assert_array_equal(raw.pixels, np.iinfo(dtype).max - stored, strict=True)
    assert raw.inverted
    assert "WhiteIsZero" in raw.remark


def test_white_is_zero_is_told_of_1_bit(rng, path):
    stored = rng.random((20, 30)) < 0.5
    tifffile.imwrite(path, stored, photometric="miniswhite")
    raw = read_raw(path)
    assert raw.inverted
    np.testing.assert_array_equal(raw.pixels, ~stored)


@pytest.mark.parametrize("bits", [2, 4, 12])
def test_read_raw_does_not_scale_few_bits(bits, rng, path):
    stored = rng.integers(0, 2**bits, (20, 30)).astype(np.uint16 if bits > 8 else np.uint8)
    stored[0, 0] = 2**bits - 1
    tifffile.imwrite(path, stored, bitspersample=bits, photometric="minisblack")
    raw = read_raw(path)
    np.testing.assert_array_equal(raw.pixels, stored)
    assert raw.bits == bits
    assert np.asarray(read_image(path))[0, 0, 0] == 255


@pytest.mark.parametrize("pages", [1, 2])
def test_read_raw_returns_indices_and_palette(pages, rng, path):
    stored, colours = draw(rng, "uint8", (pages, 20, 30)), draw(rng, "uint16", (3, 256))
    tifffile.imwrite(path, stored, photometric="palette", colormap=colours)
    raw = read_raw(path)
    np.testing.assert_array_equal(raw.pixels, stored[0])
    np.testing.assert_array_equal(raw.palette, colours.T // 256)
    np.testing.assert_array_equal(np.asarray(read_image(path)), (colours.T // 256)[stored[0]])


def test_cmyk_of_16_bits_becomes_rgb(path):
    tifffile.imwrite(path, np.full((4, 5, 4), (65535, 0, 0, 0), np.uint16), photometric="separated")
    np.testing.assert_array_equal(np.asarray(read_image(path))[0, 0], (0, 255, 255))


@pytest.mark.parametrize("writer", ["pillow", "tifffile"])
def test_jpeg_inside_is_lossy(writer, path):
    ramp = np.arange(64 * 64 * 3, dtype=np.uint32).reshape(64, 64, 3).astype(np.uint8)
    if writer == "pillow":
        Image.fromarray(ramp).save(path, compression="jpeg")
    else:
        tifffile.imwrite(path, np.stack([ramp, ramp]), photometric="rgb", compression="jpeg")
    assert read_raw(path).lossy


def test_lzw_inside_is_not_lossy(path):
    Image.new("RGB", (4, 4)).save(path, compression="tiff_lzw")
    assert not read_raw(path).lossy


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_nodata_of_the_file_is_left_out(dtype, path):
    stored = np.arange(-1, 5, dtype=dtype).reshape(2, 3)
    stored[0, 0] = -9999
    tifffile.imwrite(path, stored, extratags=[(42113, "s", 0, "-9999", True)])
    assert read_raw(path).nodata == -9999
    assert value_range(path)[:2] == (0, 4)
    np.testing.assert_array_equal(np.asarray(read_image(path))[..., 0].ravel(), [0, 0, 64, 128, 191, 255])


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_orientation_is_applied_unless_ignored(orientation, rng, path):
    stored = draw(rng, "uint16", (20, 30))
    tifffile.imwrite(path, stored, extratags=[(274, "H", 1, orientation, True)])
    upright = np.rot90(stored, {3: 2, 6: -1, 8: 1}[orientation])
    np.testing.assert_array_equal(read_raw(path).pixels, upright)
    np.testing.assert_array_equal(read_raw(path, ignore_exif=True).pixels, stored)
    assert exif_orientation(path) == orientation
    assert image_size(path) == upright.shape[::-1]
    assert image_size(path, ignore_exif=True) == (30, 20)


def test_list_pages_and_read_frames_agree_on_float_pages(rng, path):
    stored = draw(rng, "float64", (3, 20, 30))
    tifffile.imwrite(path, stored, photometric="minisblack")
    pages = list_pages(path)
    for page, values in zip(pages, stored, strict=True):
        np.testing.assert_array_equal(read_raw(page).pixels, values)
    frames = [(index, np.asarray(read())) for index, read in read_frames(path)]
    assert [index for index, _ in frames] == [page.index for page in pages] == [0, 1, 2]
    for page, (_, frame) in zip(pages, frames, strict=True):
        np.testing.assert_array_equal(frame, np.asarray(read_image(page)))


def test_list_pages_skips_reduced_copies_and_transparency_masks(path):
    with tifffile.TiffWriter(path) as writer:
        for kind in (0, 1, 4, 0):
            writer.write(np.zeros((16, 16), bool), photometric="minisblack", subfiletype=kind, metadata=None)
    assert [page.index for page in list_pages(path)] == [0, 3]


def test_list_pages_refuses_another_axis(path):
    tifffile.imwrite(path, np.zeros((3, 20, 30), np.uint8), photometric="minisblack")
    with pytest.raises(InputError, match=r"a\.tif: the pages of a TIFF file lie along axis 0") as refused:
        list_pages(path, axis=2)
    assert refused.value.parameters == ("layers",)


@pytest.mark.parametrize("read", [list_pages, read_raw])
def test_images_hidden_behind_one_page_are_told(read, path):
    tifffile.imwrite(path, np.zeros((5, 20, 30), np.uint16), imagej=True, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(path) as file:
        start, order = file.pages[0].offset, file.byteorder
    content = bytearray(path.read_bytes())
    end = start + 2 + 12 * struct.unpack_from(f"{order}H", content, start)[0]
    content[end : end + 4] = bytes(4)  # no further page, as ImageJ writes stacks above 4 GB
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tif: stores 5 images in one page"):
        read(path)


def test_complex_numbers_are_refused(path):
    tifffile.imwrite(path, np.zeros((4, 5), np.complex64))
    with pytest.raises(InputError, match=r"a\.tif: holds complex numbers"):
        read_raw(path)


@pytest.mark.parametrize("compression", [None, "zstd"])
@pytest.mark.parametrize("kept", [0.5, 0.01])
def test_a_truncated_file_is_named(kept, compression, rng, path):
    tifffile.imwrite(path, draw(rng, "float64", (40, 60)), compression=compression)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(InputError, match=r"a\.tif: broken or not an image"):
        read_raw(path)


def test_max_pixels_is_checked_before_decoding(path):
    tifffile.imwrite(path, np.zeros((400, 600)), compression="zstd")
    content = path.read_bytes()
    path.write_bytes(content[:-20] + bytes(20))  # decoding it would fail
    with pytest.raises(InputError, match=r"a\.tif: 600x400 is more than 0\.001 million pixels"):
        read_raw(path, max_pixels=1000)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "F", "I;16"])
def test_open_tiff_leaves_plain_files_to_pillow(mode, path):
    Image.new(mode, (30, 20)).save(path)
    with path.open("rb") as stream:
        assert isinstance(open_tiff(stream), PlainTiffReader)


@pytest.mark.parametrize(("dtype", "mode"), [("float64", "F"), ("int16", "I"), ("uint32", "I")])
def test_open_image_returns_wide_values_in_pillows_mode(dtype, mode, path):
    stored = np.arange(6, dtype=dtype).reshape(2, 3)
    tifffile.imwrite(path, stored)
    image = open_image(path)
    assert image.mode == mode
    np.testing.assert_array_equal(np.asarray(image), stored)


def test_content_decides_not_the_suffix(rng, tmp_path):
    stored = draw(rng, "float64", (20, 30))
    tifffile.imwrite(tmp_path / "a.png", stored)
    np.testing.assert_array_equal(read_raw(tmp_path / "a.png").pixels, stored)


@pytest.mark.parametrize(
    "layout",
    [{"tile": (64, 48)}, {"rowsperstrip": 16}, {"tile": (64, 64), "compression": "zlib"},
     {"tile": (64, 64), "bands": 0},
     {"rowsperstrip": 7, "compression": "lzw", "predictor": True}, {"tile": (48, 64), "compression": "jpeg"},
     {"tile": (64, 64), "dtype": np.uint16, "bands": 0}, {"rowsperstrip": 150}],
    ids=str,
)  # fmt: skip
def test_read_box_equals_a_part_of_the_whole(layout, path, rng):
    layout = dict(layout)
    dtype, bands = layout.pop("dtype", np.uint8), layout.pop("bands", 3)
    pixels = rng.integers(0, np.iinfo(dtype).max, (150, 200, 3)[: 3 if bands else 2], dtype=dtype)
    tifffile.imwrite(path, pixels, photometric="rgb" if bands else "minisblack", **layout)
    whole = np.asarray(read_image(path))
    for box in ((0, 0, 200, 150), (30, 20, 62, 52), (150, 100, 200, 150), (63, 47, 65, 49), (0, 149, 1, 150)):
        part = read_box(path, box)
        if layout == {"rowsperstrip": 150}:
            assert part is None
        else:
            left, top, right, bottom = box
            np.testing.assert_array_equal(np.asarray(part), whole[top:bottom, left:right])


def test_read_box_of_what_depends_on_the_whole_is_none(path, rng):
    tifffile.imwrite(path, rng.random((150, 200), dtype=np.float32), tile=(64, 64))
    assert read_box(path, (0, 0, 32, 32)) is None
    tifffile.imwrite(path, rng.integers(0, 99, (150, 200), dtype=np.uint16), tile=(64, 64), photometric="minisblack")
    assert read_box(path, (0, 0, 32, 32), normalise_range=True) is None
    Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path.with_suffix(".png"))
    assert read_box(path.with_suffix(".png"), (0, 0, 32, 32)) is None
