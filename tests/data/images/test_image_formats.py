"""Files are images by their names; what is missing to read them is named."""

from pathlib import Path

import pytest

from sam2unet.data.images import image_formats
from sam2unet.data.images.image_file import image_size, is_image, is_mask_file, missing_reader
from sam2unet.data.images.image_formats import stem_of
from sam2unet.errors import InputError


@pytest.fixture
def installed(monkeypatch):
    """Let nothing but the modules in the set that this returns be installed."""
    modules = set()
    monkeypatch.setattr(image_formats, "is_installed", modules.__contains__)
    image_formats.image_suffixes.cache_clear()
    yield modules
    image_formats.image_suffixes.cache_clear()


@pytest.mark.parametrize("name", ["a.jpg", "A.PNG", "a.b.tif", "a.gif"])
def test_is_image_knows_pillows_suffixes(name):
    assert is_image(Path(name))
    assert is_mask_file(Path(name))
    assert missing_reader(Path(name)) == ""


@pytest.mark.parametrize("name", [".a.png", "a.txt", "a.pdf", "a.gz", "png", "a.tar.gz"])
def test_is_image_leaves_out_hidden_and_other_files(name):
    assert not is_image(Path(name))
    assert not is_mask_file(Path(name))
    assert missing_reader(Path(name)) == ""


def test_is_mask_file_takes_arrays():
    assert [is_mask_file(Path(name)) for name in ("a.npy", "a.NPZ", ".a.npy")] == [True, True, False]
    assert not is_image(Path("a.npy"))


@pytest.mark.parametrize(("name", "module", "sentence"), [
    ("IMG_1.HEIC", "pi_heif", "HEIC needs the package pi-heif (pip install 'sam2unet[heic]')"),
    ("a.heif", "pillow_heif", "HEIC needs the package pi-heif (pip install 'sam2unet[heic]')"),
    ("a.dcm", "pydicom", "DICOM needs the package pydicom (pip install 'sam2unet[medical]')"),
    ("a.nii", "nibabel", "NIfTI needs the package nibabel (pip install 'sam2unet[medical]')"),
    ("a.b.nii.gz", "nibabel", "NIfTI needs the package nibabel (pip install 'sam2unet[medical]')"),
])  # fmt: skip
def test_formats_of_extras_are_images_if_these_are_installed(name, module, sentence, installed):
    assert not is_image(Path(name))
    assert missing_reader(Path(name)) == sentence
    installed.add(module)
    image_formats.image_suffixes.cache_clear()
    assert is_image(Path(name))
    assert missing_reader(Path(name)) == ""


@pytest.mark.parametrize("name", ["a.CR2", "a.nef", "a.dng", "a.nrrd", "a.czi"])
def test_missing_reader_says_what_to_save_instead(name):
    assert missing_reader(Path(name)).startswith(f"no reader for {Path(name.lower()).suffix}: save it as ")


@pytest.mark.parametrize(("content", "message"), [
    (b"\0\0\0\x18ftypheic" + bytes(400), r"a\.heic: HEIC needs the package pi-heif"),
    (bytes(128) + b"DICM" + bytes(400), r"a\.heic: DICOM needs the package pydicom"),
    (bytes(344) + b"n+1\0" + bytes(400), r"a\.heic: NIfTI needs the package nibabel"),
])  # fmt: skip
def test_reading_a_file_without_its_package_names_it(content, message, installed, tmp_path):
    (tmp_path / "a.heic").write_bytes(content)
    with pytest.raises(InputError, match=message):
        image_size(tmp_path / "a.heic")


def test_stem_of_leaves_out_both_suffixes_of_a_volume():
    names = ("a.png", "a.b.png", "a.nii.gz", "A.NII.GZ", "a.tar.gz", "a")
    assert [stem_of(Path(name)) for name in names] == ["a", "a.b", "a", "A", "a.tar", "a"]
