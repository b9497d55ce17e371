"""Samples of Pillow's formats are returned as they are stored, also those that Pillow scales or cuts to 8 bits."""

import base64

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from sam2unet.data.images.image_file import image_size, list_pages, read_image, read_raw, value_range
from sam2unet.system import is_installed

HEIC = base64.b85decode(
    "0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<0004eZDn*}000000000XXk=`10000000000aA{+700000000000000000000B57=IV*mgE07O6l0"
    "RRC200001pa1~?00000005!@001LtX>Mi!000000RR916=`l}WdZ;I000310BCk&F#rGn01j|zbZr0t000010002|X>f9I0002oX>en20001WXm"
    "(>m0RwOV0058x000009`FGC{rLC*01pFT0096PKmiN^|NjGU00093kN^M!000939=ZZRVE_RDDMA4O18@KU0|1Z!00RI30{|YNAb|yz>aLpR;31"
    "&EfB*mtfB*mk0EA)y0RRR>0l{;@i2wiq6Ju{|a&BX6cmM$a4FCp!0000KX>)L8000000000$0000$0000eV{Bn?0000O000010000G00001|NsBk"
    "00002|NsBc000020000GaA|mH000000|*ER0000OX>e^}0000000001009Mo0s{qv00020ZDe6|0001<C;_hvNPR~`K=u5=i->?Zoo^HXOiT+wd"
    "R1MLH)N>CKhQ-nNlA$@nmv10ngHX!li}A}O4M929YpNSfvb&|JcL4bSd^`k9p1FaNatUMxTCV_=&{5qP7qD+RZaol(rjE7qAJb1ZX{Hy4TrVrG^"
    "$pB#CZK3l2l~p!qV(`^>Oin*eOP9r=YB?cl0MZ6VScdyDiufF|ys@>%a"
)
"""24x16 pixels."""


@pytest.fixture
def colours(rng):
    return rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_read_raw_keeps_16_bits_of_png(bands, rng, tmp_path):
    stored = rng.integers(0, 65536, (20, 30, bands), dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(stored))
    raw = read_raw(tmp_path / "a.png")
    np.testing.assert_array_equal(raw.pixels, stored[..., : bands - (bands % 2 == 0)].squeeze(), strict=True)
    assert (raw.bits, raw.alpha is None) == (16, bands % 2 == 1)


def test_read_image_normalises_16_bit_colours_of_png(rng, tmp_path):
    stored = rng.integers(0, 4096, (20, 30, 3), dtype=np.uint16)
    stored[0, 0] = 0, 4095, 0
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(stored))
    np.testing.assert_array_equal(np.asarray(read_image(tmp_path / "a.png")), np.round(stored / 257))
    found = np.asarray(read_image(tmp_path / "a.png", normalise_range=True))
    assert np.abs(found - stored / (4095 / 255)).max() <= 0.5 + 1e-6
    assert value_range(tmp_path / "a.png") == (0, 4095, 16)


@pytest.mark.parametrize("highest", [15, 100, 255, 4095, 65535])
@pytest.mark.parametrize("magic", ["P2", "P5", "P6"])
def test_read_raw_does_not_scale_netpbm(magic, highest, rng, tmp_path):
    stored = rng.integers(0, highest + 1, (20, 30, 3) if magic == "P6" else (20, 30))
    binary = stored.astype(">u2" if highest > 255 else "u1").tobytes()
    content = " ".join(map(str, stored.ravel())).encode() if magic == "P2" else binary
    (tmp_path / "a.pnm").write_bytes(f"{magic}\n30 20\n{highest}\n".encode() + content)
    np.testing.assert_array_equal(read_raw(tmp_path / "a.pnm").pixels, stored)
    shown = np.asarray(read_image(tmp_path / "a.pnm")).astype(float)
    assert np.abs(shown - stored.reshape(20, 30, -1) / highest * 255).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("form", ["jp2", "j2k"])
@pytest.mark.parametrize("bands", [1, 3])
def test_read_raw_does_not_scale_jpeg_2000(bands, form, rng, tmp_path):
    stored = rng.integers(0, 4096, (20, 30, bands), dtype=np.uint16).squeeze()
    (tmp_path / "a.jp2").write_bytes(
        imagecodecs.jpeg2k_encode(stored, level=0, reversible=True, bitspersample=12, codecformat=form)
    )
    raw = read_raw(tmp_path / "a.jp2")
    np.testing.assert_array_equal(raw.pixels, stored, strict=True)
    assert (raw.bits, raw.lossy) == (12, False)


@pytest.mark.parametrize(("name", "options", "lossy"), [
    ("a.jpg", {}, True), ("a.png", {}, False), ("a.webp", {}, True), ("b.webp", {"lossless": True}, False),
    ("a.jp2", {}, False), ("b.jp2", {"irreversible": True}, True), ("a.avif", {}, True), ("a.bmp", {}, False),
])  # fmt: skip
@pytest.mark.parametrize("bands", [3, 4])
def test_lossy_is_told_by_content(bands, name, options, lossy, colours, tmp_path):
    if bands == 4 and name.endswith((".jpg", ".bmp")):
        bands = 3
    pixels = np.dstack([colours, colours[..., 0]])[..., :bands]
    path = tmp_path / name
    Image.fromarray(np.ascontiguousarray(pixels)).save(path, **options)
    path.rename(tmp_path / "a.png")
    assert read_raw(tmp_path / "a.png").lossy is lossy


def test_read_raw_returns_indices_palette_and_their_transparency(colours, tmp_path):
    image = Image.fromarray(colours).quantize(16)
    image.save(tmp_path / "a.png", transparency=bytes(range(0, 256, 17)))
    raw = read_raw(tmp_path / "a.png")
    np.testing.assert_array_equal(raw.pixels, np.asarray(image))
    np.testing.assert_array_equal(raw.palette, np.array(image.getpalette()).reshape(-1, 3))
    np.testing.assert_array_equal(raw.alpha, np.asarray(image) * 17)


@pytest.mark.parametrize("bands", [1, 3])
def test_a_transparent_colour_becomes_alpha(bands, colours, tmp_path):
    stored = colours[..., :bands].squeeze()
    key = tuple(map(int, colours[2, 3, :bands]))
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", transparency=key if bands == 3 else key[0])
    raw = read_raw(tmp_path / "a.png")
    np.testing.assert_array_equal(raw.pixels, stored)
    np.testing.assert_array_equal(raw.alpha == 0, (colours[..., :bands] == key).all(axis=2))


@pytest.mark.parametrize(("mode", "colour"), [("LA", (9, 255)), ("RGBA", (9, 9, 9, 255))])
def test_opaque_alpha_is_none(mode, colour, tmp_path):
    Image.new(mode, (4, 4), colour).save(tmp_path / "a.png")
    assert read_raw(tmp_path / "a.png").alpha is None


@pytest.mark.parametrize(("mode", "dtype", "bits"), [("1", bool, 1), ("L", np.uint8, 8), ("I;16", np.uint16, 16)])
def test_read_raw_keeps_the_dtype_of_png(mode, dtype, bits, tmp_path):
    Image.new(mode, (4, 4)).save(tmp_path / "a.png")
    raw = read_raw(tmp_path / "a.png")
    assert (raw.pixels.dtype, raw.bits) == (dtype, bits)


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_list_pages_lists_the_frames_of_animations(suffix, colours, tmp_path):
    frames = [Image.fromarray(frame) for frame in (colours, colours[::-1], colours[:, ::-1])]
    options = {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:], **options)
    pages = list_pages(tmp_path / f"a{suffix}")
    assert [page.index for page in pages] == [0, 1, 2]
    assert image_size(pages[1]) == (30, 20)
    if suffix != ".gif":
        np.testing.assert_array_equal(read_raw(pages[1]).pixels, colours[::-1])


def test_list_pages_is_empty_for_a_single_image(colours, tmp_path):
    for suffix in (".gif", ".png", ".jpg", ".tif"):
        Image.fromarray(colours).save(tmp_path / f"a{suffix}")
        assert list_pages(tmp_path / f"a{suffix}") == []


@pytest.mark.skipif(not (is_installed("pi_heif") or is_installed("pillow_heif")), reason="HEIC needs the extra [heic]")
def test_heic_is_read_without_registering_it_with_pillow(tmp_path):
    (tmp_path / "a.heic").write_bytes(HEIC)
    assert image_size(tmp_path / "a.heic") == read_image(tmp_path / "a.heic").size == (24, 16)
    assert read_raw(tmp_path / "a.heic").lossy
    assert "HEIF" not in Image.OPEN
