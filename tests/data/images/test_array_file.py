"""NumPy arrays as images and masks."""

import numpy as np
import pytest

from sam2unet.data.images.image_file import image_size, list_pages, read_image, read_raw
from sam2unet.errors import InputError


def save(path, values):
    (np.save if path.suffix == ".npy" else np.savez_compressed)(path, values)
    return path


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32, ">u2"])
def test_read_raw_returns_the_array(dtype, suffix, rng, tmp_path):
    values = rng.integers(0, 2, (4, 6)).astype(dtype)
    path = save(tmp_path / f"a{suffix}", values)
    raw = read_raw(path)
    np.testing.assert_array_equal(raw.pixels, values)
    assert raw.pixels.dtype == np.dtype(dtype).newbyteorder("=")
    assert image_size(path) == (6, 4)


@pytest.mark.parametrize("shape", [(1, 4, 6), (4, 6, 1)])
def test_an_axis_of_length_1_is_left_out(shape, rng, tmp_path):
    values = rng.integers(0, 9, (4, 6))
    path = save(tmp_path / "a.npy", values.reshape(shape))
    np.testing.assert_array_equal(read_raw(path).pixels, values)
    assert image_size(path) == (6, 4)
    assert list_pages(path, axis=0) == []


def test_colours_are_read(rng, tmp_path):
    values = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(read_image(save(tmp_path / "a.npy", values))), values)


@pytest.mark.parametrize(
    "values",
    [np.zeros((3, 4, 6), np.uint8), np.zeros((4, 6, 3), bool), np.zeros((4, 6, 3), np.uint8), np.zeros((4, 6, 3))],
    ids=["CHW", "bool", "uint8 0/1", "float"],
)
def test_layers_of_classes_are_refused(values, tmp_path):
    path = save(tmp_path / "a.npy", values)
    with pytest.raises(InputError, match=r"a\.npy: an array of shape \(.*layer of each class: save class indices"):
        read_raw(path)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_along_an_axis_are_pages(axis, rng, tmp_path):
    values = rng.integers(0, 9, (3, 4, 6), dtype=np.uint8)
    path = save(tmp_path / "a.npy", values)
    assert list_pages(path) == []
    pages = list_pages(path, axis)
    np.testing.assert_array_equal([read_raw(page).pixels for page in pages], np.moveaxis(values, axis, 0))
    assert image_size(pages[0]) == read_raw(pages[0]).size


@pytest.mark.parametrize("values", [np.zeros(4), np.zeros((2, 3, 4, 5)), np.zeros((0, 5))])
def test_other_shapes_are_refused(values, tmp_path):
    with pytest.raises(InputError, match=r"a\.npy: an array of shape .* is no image"):
        read_raw(save(tmp_path / "a.npy", values))


@pytest.mark.parametrize("values", [np.array([["a"]]), np.array([[{}]]), np.zeros((2, 2), complex)])
def test_other_values_are_refused_and_never_unpickled(values, tmp_path):
    with pytest.raises(InputError, match=r"a\.npy: holds .* values, no numbers"):
        read_raw(save(tmp_path / "a.npy", values))


def test_several_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", image=np.zeros((2, 2)), mask=np.zeros((2, 2)))
    with pytest.raises(InputError, match=r"a\.npz: holds 2 arrays \(image\.npy, mask\.npy\): save one a file"):
        read_raw(tmp_path / "a.npz")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_max_pixels_is_checked_by_the_header(suffix, tmp_path):
    path = save(tmp_path / f"a{suffix}", np.zeros((400, 600)))
    with pytest.raises(InputError, match=rf"a\{suffix}: 600x400 is more than"):
        read_raw(path, max_pixels=1000)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_truncated_file_is_named(suffix, rng, tmp_path):
    path = save(tmp_path / f"a{suffix}", rng.random((40, 60)))
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(InputError, match=rf"a\{suffix}: broken or not an image"):
        read_raw(path)
