"""The check of a folder: what training on it would meet."""

import pytest
from PIL import Image

from sam2unet.data import check_pairs, find_pairs

from .folders import OBJECT, write_images


def two_of_each(*splits):
    return [f"{split}/{kind}/{i}.png" for split in splits for kind in ("images", "masks") for i in (1, 2)]


def write_other_size(root):
    write_images(root, "images/b.jpg")
    write_images(root, "masks/b.png", size=(20, 20))


def write_broken(root):
    write_images(root, "images/b.jpg", "masks/b.png")
    (root / "images/b.jpg").write_bytes(b"\xff\xd8 no more")


@pytest.mark.parametrize(("write", "message"), [(write_other_size, "b.jpg is 30x20"), (write_broken, "b.jpg: broken")])
def test_check_and_train_name_the_files_that_make_training_fail(write, message, tmp_path, run):
    write(write_images(tmp_path, "images/a.jpg", "masks/a.png"))
    result = run("data", "check", tmp_path)
    assert result.code == 2
    assert any(line.startswith("error: ") and message in line for line in result.out.splitlines())
    refused = run("train", tmp_path, "--out", tmp_path / "run", "--trunk-weights", "none")
    assert refused.code == 2
    assert message in refused.err
    assert not (tmp_path / "run/last.safetensors").exists()


def test_check_warns_of_a_broken_test_image(tmp_path, run):
    write_images(tmp_path, *two_of_each("train", "test"))
    (tmp_path / "test/images/1.png").write_bytes(b"")
    result = run("data", "check", tmp_path)
    assert result.code == 0
    assert f"warning: {tmp_path / 'test/images/1.png'}" in result.out


def test_check_warns_of_pairs_beside_the_training_folder(tmp_path, run):
    write_images(tmp_path, *two_of_each("train"), "images/3.png", "masks/3.png")
    result = run("data", "check", tmp_path)
    assert result.code == 0
    assert "warning: " in result.out
    assert str(tmp_path / "images/3.png") in result.out


@pytest.mark.parametrize("names", [["images/1.png", "masks/1.png"], ["test/1.png", "test/1_mask.png"]])
def test_check_finds_too_few_pairs_to_train_on(names, tmp_path, run):
    assert run("data", "check", write_images(tmp_path, *names)).code == 2


@pytest.mark.parametrize(("value", "word"), [(0, "empty"), (255, "full")])
def test_check_finds_masks_that_are_all_alike(value, word, tmp_path):
    write_images(tmp_path, "images/a.jpg", "images/b.jpg")
    (tmp_path / "masks").mkdir()
    for name in "ab":
        Image.new("L", (30, 20), value).save(tmp_path / f"masks/{name}.png")
    assert f"all 2 masks are {word}: nothing to learn" in check_pairs(find_pairs(tmp_path)).errors[0]


@pytest.mark.parametrize(
    ("names", "message"),
    [([], "holds no images"), (["images/a.jpg", "masks/b.png"], "no image has a mask of the same name")],
)
def test_check_refuses_a_folder_without_pairs(names, message, tmp_path, run):
    result = run("data", "check", write_images(tmp_path, *names))
    assert result.code == 2
    assert message in result.out + result.err


def test_check_refuses_a_missing_folder(tmp_path, run):
    result = run("data", "check", tmp_path / "nowhere")
    assert result.code == 2
    assert "nowhere: no such folder" in result.err


def test_check_prints_kinds_sizes_foreground_and_unpaired_files(tmp_path, run):
    write_images(tmp_path, *(f"images/{n}.jpg" for n in "abc"), "masks/a.png", "masks/b.png")
    Image.fromarray(OBJECT // 255).save(tmp_path / "masks/b.png")
    result = run("data", "check", tmp_path)
    assert result.code == 0
    assert "0/1 (1)" in result.out
    assert "0/255 (1)" in result.out
    assert "30x20" in result.out
    assert "8.3%" in result.out
    assert f"1 image(s) without mask of the same name: {tmp_path / 'images/c.jpg'}" in result.out


@pytest.mark.parametrize(
    ("values", "classes", "message"),
    [([OBJECT // 255, OBJECT], 1, "some masks are 0/1 and some 0/255"),
     ([OBJECT, OBJECT // 255 * 2], 3, "1 mask(s) of 0 and 255, but with several classes 255 is ignored"),
     ([OBJECT // 255 * 2, OBJECT // 255], 1, "1 mask(s) of class indices")],
)  # fmt: skip
def test_check_warns_of_masks_that_may_be_misread(values, classes, message, tmp_path):
    write_images(tmp_path, "images/0.jpg", "images/1.jpg")
    (tmp_path / "masks").mkdir()
    for i, mask in enumerate(values):
        Image.fromarray(mask).save(tmp_path / f"masks/{i}.png")
    (warning,) = check_pairs(find_pairs(tmp_path), classes).warnings
    assert f"{tmp_path}: {message}" in warning
