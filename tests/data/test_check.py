"""The check of a folder: what training on it would meet."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from sam2unet.data import DataOptions, check_pairs, find_pairs, training_split, write_check

from .folders import OBJECT, OBJECT_FRACTION, write_images


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
    assert f"worth a look: {tmp_path / 'test/images/1.png'}" in result.out


def test_check_warns_of_pairs_beside_the_training_folder(tmp_path, run):
    write_images(tmp_path, *two_of_each("train"), "images/3.png", "masks/3.png")
    result = run("data", "check", tmp_path)
    assert result.code == 0
    assert "worth a look: " in result.out
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
    assert "0 (91.7%), 1 (4.2%), 255 (4.2%)" in result.out
    assert "Masks are read as foreground=1,255; their values: 0 (91.7%), 1 (4.2%), 255 (4.2%)" in result.out
    assert "30x20" in result.out
    assert "8.3%" in result.out
    assert f"1 image(s) without mask of the same name: {tmp_path / 'images/c.jpg'}" in result.out


def write_masks(root, *masks, images=None):
    """Write images/0.png, images/1.png, ... and masks/ likewise; images are random unless given."""
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True, exist_ok=True)
    for i, mask in enumerate(masks):
        values = np.asarray(mask)
        image = images[i] if images else np.random.default_rng(i).integers(0, 255, (*values.shape[:2], 3), np.uint8)
        Image.fromarray(image).save(root / f"images/{i}.png")
        Image.fromarray(values).save(root / f"masks/{i}.png")
    return root


def check(root, **options):
    options = DataOptions(**options)
    return check_pairs(find_pairs(root, options), options)


def only(findings, words):
    """The finding that contains the words."""
    (finding,) = [finding for finding in findings if words in finding]
    return finding


def test_check_chooses_one_reading_for_all_splits(tmp_path):
    write_masks(tmp_path / "train", OBJECT // 255, OBJECT // 255)
    write_masks(tmp_path / "test", OBJECT)
    result = check(tmp_path)
    assert str(result.reading) == "foreground=1,255"
    assert {name: split.foreground for name, split in result.splits.items()} == {
        "train": [OBJECT_FRACTION] * 2,
        "test": [OBJECT_FRACTION],
    }


def test_check_asks_for_the_meaning_of_values(tmp_path, run):
    write_masks(tmp_path, OBJECT, OBJECT // 2)
    refused = run("data", "check", tmp_path)
    assert refused.code == 2
    assert re.search(r"error: .*masks hold 0 .*, 127 .*, 255 .*foreground=255.*\(--mask-values\)", refused.out)
    for text, fraction in (("foreground=255", "4.2%"), ("foreground=any", "8.3%")):
        answered = run("data", "check", tmp_path, "--mask-values", text)
        assert answered.code == 0
        assert f"Masks are read as {text}" in answered.out
        assert f"{fraction} on average" in answered.out


def test_check_names_masks_with_values_that_are_not_listed(tmp_path):
    write_masks(tmp_path, OBJECT, OBJECT // 2)
    (error,) = check(tmp_path, mask_values="0:background,255:1").errors
    assert error == f"{tmp_path / 'masks/1.png'}: holds 127, to which 0:background,255:1 gives no meaning: " + (
        "correct the mask, or list the value"
    )


def test_check_counts_pixels_of_several_classes(tmp_path):
    write_masks(tmp_path, OBJECT // 255 * 2, OBJECT // 255)
    result = check(tmp_path, classes=3)
    assert [pair.labels for pair in result.pairs] == [{0: 550, 2: 50}, {0: 550, 1: 50}]


def test_check_and_evaluate_resize_masks_of_the_images_shape(tmp_path, run):
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    large = np.repeat(np.repeat(OBJECT, 3, 0), 3, 1)
    root = write_masks(tmp_path / "data", *[large] * 5, images=[image] * 5)
    result = check(root)
    assert not result.errors
    assert only(result.warnings, "resized:").startswith(f"{root}: 5 masks of another size than the image")
    (tmp_path / "maps").mkdir()
    for i in range(5):
        Image.fromarray(OBJECT).save(tmp_path / f"maps/{i}.png")
    evaluated = run("evaluate", tmp_path / "maps", root, "--json", tmp_path / "m.json")
    assert json.loads((tmp_path / "m.json").read_text())["metrics"]["Dice"] == 1
    assert "5 of 5 masks have another size than their images, but the same shape (resized)" in evaluated.err


def test_check_lists_three_of_many_masks_of_another_size(tmp_path):
    image = np.zeros((20, 30, 3), np.uint8)
    write_masks(tmp_path, *[OBJECT[:, :20]] * 9, OBJECT, OBJECT, images=[image] * 11)
    errors = check(tmp_path).errors
    assert [error.rpartition("/")[2] for error in errors[:3]] == [
        f"{i}.png is 20x20: export both at the same size" for i in range(3)
    ]
    assert errors[3:] == [f"{tmp_path}: 6 more pairs like these"]


@pytest.mark.parametrize(
    ("orientation", "message"), [(3, "3 images turned by an EXIF orientation"), (6, "the image is turned")]
)
def test_check_tells_of_images_turned_by_exif_whose_masks_are_not(orientation, message, tmp_path):
    write_masks(tmp_path, OBJECT, OBJECT, OBJECT)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for path in (tmp_path / "images").iterdir():
        Image.open(path).save(path.with_suffix(".jpg"), exif=exif)
        path.unlink()
    result = check(tmp_path)
    findings = [f for f in (*result.errors, *result.warnings) if message in f]
    assert findings
    assert findings[0].parameters == ("ignore_exif",)
    ignored = check(tmp_path, ignore_exif=True)
    assert not ignored.errors
    assert not [finding for finding in ignored.warnings if "EXIF" in finding]


def test_check_tells_of_images_that_use_little_of_16_bits(tmp_path):
    grey = np.random.default_rng(0).integers(0, 4096, (20, 30)).astype(np.uint16)
    write_masks(tmp_path, OBJECT, OBJECT, images=[grey, grey])
    finding = only(check(tmp_path).warnings, "16 bits")
    assert "6% of the range" in finding
    assert finding.parameters == ("normalise_range",)
    write_masks(tmp_path, OBJECT, OBJECT, images=[grey * 16, grey])
    assert not [finding for finding in check(tmp_path).warnings if "16 bits" in finding]


@pytest.mark.parametrize(("folder", "name"), [("train", "train"), (".", "no split")])
def test_check_tells_of_images_that_are_in_two_splits(folder, name, tmp_path):
    images = [np.random.default_rng(i).integers(0, 255, (20, 30, 3), np.uint8) for i in range(5)]
    write_masks(tmp_path / folder, *[OBJECT] * 3, images=images[:3])
    write_masks(tmp_path / "test", *[OBJECT] * 3, images=[images[3], images[1], images[4]])
    result = check(tmp_path)
    finding = only(result.warnings, f"look like one in {name}")
    assert f"1 of 3 images in test look like one in {name}, such as {tmp_path / 'test/images/1.png'} like " in finding
    write_check(tmp_path / "check.json", result)
    twins = [str(tmp_path / split / "images/1.png") for split in (folder, "test")]
    assert json.loads((tmp_path / "check.json").read_text())["duplicates"] == [twins]


@pytest.mark.parametrize(
    ("masks", "classes", "message"),
    [([OBJECT * 0] * 2, 1, "none of 2 validation images shows the object"),
     ([OBJECT * 0 + 255] * 2, 1, "the masks of all 2 validation images are full"),
     ([OBJECT // 255] * 2, 3, "no validation image shows class 2")],
)  # fmt: skip
def test_check_tells_of_validation_images_whose_scores_say_nothing(masks, classes, message, tmp_path):
    value = 1 if classes > 1 else 255
    train = [OBJECT // 255 * value, OBJECT // 255 * (2 if classes > 1 else 255)]
    write_masks(tmp_path / "train", *train)
    write_masks(tmp_path / "val", *masks)
    assert only(check(tmp_path, classes=classes).warnings, f"{tmp_path} (val): {message}")


def test_check_writes_json(tmp_path, run):
    write_masks(tmp_path, OBJECT, OBJECT)
    assert run("data", "check", tmp_path, "--json", tmp_path / "check.json").code == 0
    stored = json.loads((tmp_path / "check.json").read_text())
    assert stored["reading"] == "foreground=255"
    assert stored["splits"][""]["pairs"][0] == {
        "name": "0", "image": str(tmp_path / "images/0.png"), "masks": [str(tmp_path / "masks/0.png")], "width": 30,
        "height": 20, "mask_values": {"0": 550, "255": 50}, "foreground": OBJECT_FRACTION, "error": None,
    }  # fmt: skip


def test_train_tells_of_held_out_images_whose_scores_say_nothing(tmp_path, run):
    write_masks(tmp_path / "data/train", *[OBJECT] * 3, *[OBJECT * 0] * 3)
    write_masks(tmp_path / "data/test", *[OBJECT] * 6)  # of the same names
    options = ("--trunk-weights", "none", "--trunk", "tiny", "--epochs", 1, "--size", 32, "--set", "val_share=0.4")
    told = []
    for seed in range(9):
        split = training_split(find_pairs(tmp_path / "data"), 0.4, seed)[1]
        if {pair.key for pair in split} <= {"3", "4", "5"}:
            result = run("train", tmp_path / "data", "--out", tmp_path / "run", *options, "--seed", seed)
            told.append("(held out for validation): none of 2 validation images shows the object" in result.err)
            break
    assert told == [True]


def test_check_does_not_call_masks_inverted_whose_values_are_decided(tmp_path):
    write_masks(tmp_path, 255 - OBJECT, 255 - OBJECT)
    only(check(tmp_path).warnings, "the masks are inverted")
    assert not [finding for finding in check(tmp_path, mask_values="foreground=255").warnings if "inverted" in finding]


def test_check_says_which_reading_makes_all_masks_empty(tmp_path):
    write_masks(tmp_path, OBJECT, OBJECT)
    finding = only(
        check(tmp_path, mask_values="foreground=1,3").errors, "all 2 masks are empty, read as foreground=1,3"
    )
    assert finding.parameters == ("mask_values",)


def test_check_chooses_no_reading_if_no_mask_can_be_read(tmp_path):
    write_masks(tmp_path, OBJECT, OBJECT)
    for name in "01":
        (tmp_path / f"masks/{name}.png").write_bytes(b"")
    assert check(tmp_path).reading is None


def test_check_counts_pixels_without_data_among_the_values(tmp_path):
    write_images(tmp_path, "images/a.png", "masks/a.tif")
    values = (OBJECT > 0).astype(np.float32)
    values[:10, :15][OBJECT[:10, :15] == 0] = np.nan
    Image.fromarray(values).save(tmp_path / "masks/a.tif")
    result = check(tmp_path)
    assert "no data (16.7%)" in result.splits[""].values
    only(result.warnings, "1 masks have pixels that are not a number")


def test_check_tells_of_images_without_values(tmp_path):
    write_images(tmp_path, "images/a.tif", "images/b.tif", "masks/a.png", "masks/b.png")
    Image.fromarray(np.full(OBJECT.shape, np.nan, np.float32)).save(tmp_path / "images/a.tif")
    finding = only(check(tmp_path).warnings, "1 image of a single value, or of none")
    assert str(tmp_path / "images/a.tif") in finding
