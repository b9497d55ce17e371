"""NIfTI volumes: slices, orientation, scaling."""

import gzip

import numpy as np
import pytest

from sam2unet.data.images.image_file import axis_codes, image_size, list_pages, read_frames, read_image, read_raw
from sam2unet.errors import InputError

nibabel = pytest.importorskip("nibabel", reason="NIfTI needs the extra [medical]")

SUFFIXES = pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])


def save(path, values, slope=None, inter=None, affine=None, version=nibabel.Nifti1Image):
    image = version(values, np.eye(4) if affine is None else affine)
    image.header.set_slope_inter(slope, inter)
    nibabel.save(image, path)
    return path


@pytest.fixture
def volume(rng):
    """(X, Y, Z)."""
    return rng.integers(-500, 500, (7, 5, 3), dtype=np.int16)


@SUFFIXES
@pytest.mark.parametrize("axis", [None, 0, 1, 2])
def test_a_slice_shows_the_earlier_axis_to_the_right(axis, suffix, volume, tmp_path):
    path = save(tmp_path / f"a{suffix}", volume)
    moved = np.moveaxis(volume, 2 if axis is None else axis, 0)  # (slices, columns, rows)
    pages = list_pages(path, axis)
    assert len(pages) == len(moved)
    for page, values in zip(pages, moved, strict=True):
        np.testing.assert_array_equal(read_raw(page).pixels, values.T, strict=True)
        assert image_size(page) == values.shape


@SUFFIXES
def test_read_frames_reads_each_slice(suffix, volume, tmp_path):
    path = save(tmp_path / f"a{suffix}", volume)
    frames = [np.asarray(read()) for _, read in read_frames(path)]
    pages = [np.asarray(read_image(page)) for page in list_pages(path)]
    np.testing.assert_array_equal(frames, pages)
    assert len(frames) == 3


@SUFFIXES
def test_a_changed_file_is_read_again(suffix, volume, tmp_path):
    path = save(tmp_path / f"a{suffix}", volume)
    page = list_pages(path)[1]
    read_raw(page)
    save(path, volume[::-1].repeat(2, axis=0))
    np.testing.assert_array_equal(read_raw(page).pixels, volume[::-1, :, 1].repeat(2, axis=0).T)


def test_values_are_scaled_if_the_header_says_so(volume, tmp_path):
    path = save(tmp_path / "a.nii", volume, slope=0.5, inter=10)
    np.testing.assert_array_equal(read_raw(list_pages(path)[0]).pixels, volume[..., 0].T * 0.5 + 10)


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 1), (7, 5, 1, 1)])
def test_a_single_slice_is_an_image(shape, volume, tmp_path):
    path = save(tmp_path / "a.nii", volume[..., 0].reshape(shape))
    assert list_pages(path) == []
    np.testing.assert_array_equal(read_raw(path).pixels, volume[..., 0].T)


def test_a_volume_is_not_read_as_one_image(volume, tmp_path):
    path = save(tmp_path / "a.nii", volume)
    with pytest.raises(InputError, match=r"a\.nii: holds 3 slices where one image is expected") as refused:
        read_raw(path)
    assert refused.value.parameters == ("layers",)


def test_four_dimensions_are_refused(tmp_path):
    path = save(tmp_path / "a.nii", np.zeros((7, 5, 3, 2), np.uint8))
    with pytest.raises(InputError, match=r"a\.nii: has the shape 7x5x3x2"):
        list_pages(path)


def test_an_axis_that_does_not_exist_is_named(volume, tmp_path):
    path = save(tmp_path / "a.nii", volume)
    with pytest.raises(InputError, match=r"a\.nii: has 3 dimensions, no axis 3") as refused:
        list_pages(path, axis=3)
    assert refused.value.parameters == ("layers",)


def test_the_second_version_is_read(volume, tmp_path):
    path = save(tmp_path / "a.nii", volume, version=nibabel.Nifti2Image)
    np.testing.assert_array_equal(read_raw(list_pages(path)[0]).pixels, volume[..., 0].T)


def test_colours_are_read(rng, tmp_path):
    values = rng.integers(0, 256, (7, 5, 3), dtype=np.uint8)
    coloured = values.view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    path = save(tmp_path / "a.nii", coloured)
    np.testing.assert_array_equal(np.asarray(read_image(path)), values.swapaxes(0, 1))


def test_axis_codes_tell_flipped_volumes_apart(volume, tmp_path):
    assert axis_codes(save(tmp_path / "a.nii", volume)) == "RAS"
    assert axis_codes(save(tmp_path / "b.nii.gz", volume, affine=np.diag([-1, 1, 1, 1]))) == "LAS"


@SUFFIXES
def test_a_truncated_file_is_named(suffix, volume, tmp_path):
    path = save(tmp_path / f"a{suffix}", volume.repeat(20, axis=0))
    page = list_pages(path)[2]
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(InputError, match=r"a\.nii(\.gz)?, page 2: broken or not an image"):
        read_raw(page)


def test_other_compressed_files_are_no_images(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(b"not an image"))
    with pytest.raises(InputError, match=r"a\.nii\.gz: broken or not an image"):
        list_pages(tmp_path / "a.nii.gz")
