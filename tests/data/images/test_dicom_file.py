"""DICOM images: stored values, windows, frames."""

import numpy as np
import pytest

from sam2unet.data.images.image_file import (
    image_size,
    list_pages,
    pixel_count,
    read_frames,
    read_image,
    read_raw,
    value_range,
)
from sam2unet.errors import InputError

pydicom = pytest.importorskip("pydicom", reason="DICOM needs the extra [medical]")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.dcm"


def save(path, pixels, kind="MONOCHROME2", bits=None, preamble=True, **elements):
    """Write (H, W), (frames, H, W) or (H, W, 3) values."""
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.3"
    is_colour = kind == "RGB"
    height, width = pixels.shape[:2] if is_colour else pixels.shape[-2:]
    data.Rows, data.Columns, data.SamplesPerPixel = height, width, 3 if is_colour else 1
    if is_colour:
        data.PlanarConfiguration = 0
    if pixels.ndim == 3 and not is_colour:
        data.NumberOfFrames = len(pixels)
    data.PhotometricInterpretation = kind
    data.BitsAllocated = pixels.dtype.itemsize * 8
    data.BitsStored = bits or data.BitsAllocated
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    for name, value in elements.items():
        setattr(data, name, value)
    data.PixelData = pixels.tobytes()
    if preamble:
        data.save_as(path, enforce_file_format=True)
    else:
        data.file_meta = pydicom.dataset.FileMetaDataset()
        data.save_as(path, implicit_vr=True, little_endian=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_read_raw_returns_stored_values(dtype, rng, path):
    stored = rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (4, 6), dtype=dtype)
    save(path, stored, RescaleSlope=2, RescaleIntercept=-1024)
    raw = read_raw(path)
    np.testing.assert_array_equal(raw.pixels, stored, strict=True)
    assert not raw.lossy


def test_read_image_shows_the_window_in_rescaled_units(path):
    stored = np.array([[0, 1000, 1040, 1080, 3000]], np.int16)  # -1024, -24, 16, 56, 1976 HU
    save(path, stored, RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=[16.5, 0], WindowWidth=[81, 1])
    np.testing.assert_array_equal(np.asarray(read_image(path))[0, :, 0], [0, 0, 128, 255, 255])


def test_monochrome1_is_inverted_with_its_window(path):
    stored = np.array([[0, 1000, 2000, 4095]], np.uint16)
    save(path, stored, "MONOCHROME1", bits=12, WindowCenter=1500.5, WindowWidth=1001)
    raw = read_raw(path)
    np.testing.assert_array_equal(raw.pixels, 4095 - stored)
    assert raw.inverted
    np.testing.assert_array_equal(np.asarray(read_image(path))[0, :, 0], [255, 255, 0, 0])


def test_bits_stored_decide_what_is_white(path):
    save(path, np.array([[0, 4095]], np.uint16), bits=12)
    assert value_range(path) == (0, 4095, 12)
    np.testing.assert_array_equal(np.asarray(read_image(path))[0, :, 0], [0, 255])


def test_padding_is_no_data(path):
    save(path, np.array([[-2000, 0, 100]], np.int16), PixelPaddingValue=-2000)
    assert read_raw(path).nodata == -2000
    np.testing.assert_array_equal(np.asarray(read_image(path))[0, :, 0], [0, 0, 255])


def test_colours_are_read(rng, path):
    stored = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    save(path, stored, "RGB")
    np.testing.assert_array_equal(np.asarray(read_image(path)), stored)


def test_frames_are_pages(rng, path):
    stored = rng.integers(0, 256, (3, 4, 6), dtype=np.uint8)
    save(path, stored)
    pages = list_pages(path)
    np.testing.assert_array_equal([read_raw(page).pixels for page in pages], stored)
    np.testing.assert_array_equal([np.asarray(read())[..., 0] for _, read in read_frames(path)], stored)
    with pytest.raises(InputError, match=r"a\.dcm: holds 3 slices where one image is expected"):
        read_raw(path)


def test_a_single_frame_has_no_pages(path):
    save(path, np.zeros((4, 6), np.uint8))
    assert list_pages(path) == list(read_frames(path)) == []
    assert image_size(path) == (6, 4)
    assert pixel_count(path) == 24


def test_a_file_without_preamble_is_known_by_its_suffix(rng, path):
    stored = rng.integers(0, 256, (4, 6), dtype=np.uint8)
    save(path, stored, preamble=False)
    np.testing.assert_array_equal(read_raw(path).pixels, stored)


def test_content_decides_not_the_suffix(rng, tmp_path):
    stored = rng.integers(0, 256, (4, 6), dtype=np.uint8)
    save(tmp_path / "IM0001", stored)
    np.testing.assert_array_equal(read_raw(tmp_path / "IM0001").pixels, stored)


def test_max_pixels_is_checked(path):
    save(path, np.zeros((4, 6), np.uint8))
    with pytest.raises(InputError, match=r"a\.dcm: 6x4 is more than"):
        read_raw(path, max_pixels=23)


def test_several_segments_are_refused(path):
    save(path, np.zeros((2, 4, 6), np.uint8), SegmentSequence=[pydicom.Dataset(), pydicom.Dataset()])
    with pytest.raises(InputError, match=r"a\.dcm: holds several segments"):
        list_pages(path)


@pytest.mark.parametrize("content", [b"not an image", None])
def test_a_broken_file_is_named(content, path):
    if content is None:
        save(path, np.zeros((40, 60), np.uint8))
        content = path.read_bytes()[:-1000]
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.dcm: (broken|holds no image)") as broken:
        read_raw(path)
    assert "Error" not in str(broken.value)
