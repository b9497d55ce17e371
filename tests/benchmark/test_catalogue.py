"""The eighteen sets: what is said of them, and finding them in the layouts that they are handed out in."""

import numpy as np
import pytest
from PIL import Image

from sam2unet.benchmark import catalogue, chosen_sets, find_sets, shared_images
from sam2unet.errors import InputError

RNG = np.random.default_rng(0)
SETS = [one for task in catalogue().values() for one in task.sets]


def picture(path, seed, size=(120, 90)):
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3)).astype(np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)


def pairs(root, layout, count, start=0):
    """So many pairs in the two folders of a layout, "images/*.jpg | masks/*.png"."""
    images, masks = layout.split(" | ")
    for i in range(start, start + count):
        picture(root / images.replace("*", f"{i:03}"), seed=(i, len(images)))
        mask = root / masks.replace("*", f"{i:03}")
        mask.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (120, 90), 255 * (i % 2)).save(mask)


def test_there_are_eighteen_in_five_tasks():
    assert {name: len(task.sets) for name, task in catalogue().items()} == {
        "camouflage": 4, "salient": 5, "marine": 2, "mirror": 2, "polyp": 5,
    }  # fmt: skip
    assert len({one.name for one in SETS}) == 18
    for one in SETS:
        assert one.layouts, one.name
        assert set(one.reported) <= set(catalogue()[one.task].metrics)
        assert [other.name for other in SETS if other.folder_names.search(one.name)] == [one.name]


LAYOUTS = [(one, layout) for one in SETS for layout in one.layouts]


@pytest.mark.parametrize(("one", "layout"), LAYOUTS, ids=[f"{one.name}-{layout}" for one, layout in LAYOUTS])
def test_each_layout_is_found(one, layout, tmp_path):
    pairs(tmp_path, layout, 3)
    finding = find_sets(tmp_path, SETS)
    assert list(finding.copies) == [one.name]
    (copy,) = finding.copies[one.name]
    assert len(copy.test) == 3
    assert not copy.train
    assert copy.unpaired == 0
    for pair in copy.test:
        assert pair.image.stem == pair.mask.stem


def test_all_at_once_with_what_differs(tmp_path):
    for one in SETS:
        pairs(tmp_path / "sets", one.layouts[0], 2 if one.name != "ETIS" else 0)
    pairs(tmp_path / "other", next(one for one in SETS if one.name == "ECSSD").layouts[0], 3)
    (tmp_path / "other").rename(tmp_path / "sets/other")
    finding = find_sets(tmp_path / "sets", SETS)
    assert len(finding.copies) == 17
    remarks = "\n".join(finding.remarks())
    assert "ETIS: missing" in remarks
    assert "CHAMELEON: 2 test pairs in" in remarks
    assert "76 are published" in remarks
    assert "ECSSD: more than once" in remarks
    assert len(finding.copies["ECSSD"][0].test) == 3
    unknown = [one.name for one in SETS if one.images is None]
    assert not [line for line in remarks.splitlines() if line.split(":")[0] in unknown]


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [("DUTS-TE", "DUTS/DUTS-TR/DUTS-TR-Image/*.jpg | DUTS/DUTS-TR/DUTS-TR-Mask/*.png",
      "DUTS/DUTS-TE/DUTS-TE-Image/*.jpg | DUTS/DUTS-TE/DUTS-TE-Mask/*.png"),
     ("CAMO", "CAMO-V.1.0-CVIU2019/Images/Train/*.jpg | CAMO-V.1.0-CVIU2019/GT/*.png",
      "CAMO-V.1.0-CVIU2019/Images/Test/*.jpg | CAMO-V.1.0-CVIU2019/GT/*.png"),
     ("MSD", "MSD/train/image/*.jpg | MSD/train/mask/*.png", "MSD/test/image/*.jpg | MSD/test/mask/*.png"),
     ("RMAS", "train/RMAS/img/*.jpg | train/RMAS/label/*.jpg", "test/RMAS/img/*.jpg | test/RMAS/label/*.jpg")],
)  # fmt: skip
def test_training_and_test_parts_are_told_apart(name, train, test, tmp_path):
    pairs(tmp_path, train, 3)
    (alone,) = find_sets(tmp_path, SETS).copies[name]
    assert (len(alone.train), len(alone.test)) == (3, 0)
    pairs(tmp_path, test, 2, start=10)
    (both,) = find_sets(tmp_path, SETS).copies[name]
    assert (len(both.train), len(both.test)) == (3, 2)


def test_training_pictures_that_are_tested_on_too(tmp_path):
    pairs(tmp_path, "TestDataset/CAMO/Imgs/*.jpg | TestDataset/CAMO/GT/*.png", 4)
    pairs(tmp_path, "TrainDataset/Imgs/*.jpg | TrainDataset/GT/*.png", 5, start=10)
    pairs(tmp_path, "DUTS-TE/Image/*.jpg | DUTS-TE/Mask/*.png", 3, start=20)
    again = Image.open(tmp_path / "TestDataset/CAMO/Imgs/002.jpg").resize((171, 131))
    again.save(tmp_path / "TrainDataset/Imgs/012.jpg", quality=70)
    finding = find_sets(tmp_path, SETS)
    assert len(finding.joint_train) == 5
    ((names, found),) = shared_images(finding).items()
    assert names == ("training images", "CAMO")
    assert [(one.name, other.name) for one, other in found] == [("012.jpg", "002.jpg")]


def test_the_command_lists_and_checks(tmp_path, run):
    listed = run("data", "list")
    assert listed.code == 0
    assert all(one.name in listed.out for one in SETS)
    assert "ECSSD" not in run("data", "list", "--task", "polyp").out
    long = run("data", "list", "--long").out
    for one in SETS:
        assert one.reference in long
        assert all(layout in long for layout in one.layouts)
    assert "choose from camouflage" in run("data", "list", "--task", "nothing").err
    one = next(one for one in SETS if one.name == "CVC-300")
    pairs(tmp_path, one.layouts[0], 2)
    result = run("data", "check", tmp_path, "--catalogue", "--task", "polyp")
    assert result.code == 1
    assert "ETIS: missing" in result.out
    assert "CVC-300: 2 test pairs in" in result.out


def test_tasks_are_known():
    assert len(chosen_sets()) == len(chosen_sets(["all"])) == 18
    assert {one.task for one in chosen_sets(["polyp", "mirror"])} == {"polyp", "mirror"}
    with pytest.raises(InputError, match="no task fish"):
        chosen_sets(["fish"])


def test_copies_side_by_side_are_two(tmp_path):
    for one, other in (("Kvasir", "Kvasir-SEG"), ("PASCAL-S", "PASCAL-S_old")):
        pairs(tmp_path, f"{one}/images/*.jpg | {one}/masks/*.png", 4)
        pairs(tmp_path, f"{other}/images/*.jpg | {other}/masks/*.png", 3)
    finding = find_sets(tmp_path, SETS)
    for name in ("Kvasir", "PASCAL-S"):
        assert [len(copy.test) for copy in finding.copies[name]] == [4, 3]
        assert any(remark.startswith(f"{name}: more than once") for remark in finding.remarks())


def test_what_cannot_be_paired_is_a_remark(tmp_path, run):
    pairs(tmp_path, "ECSSD/images/*.jpg | ECSSD/masks/*.png", 3)
    pairs(tmp_path, "HKU-IS/imgs/*.png | HKU-IS/gt/*.png", 3)
    pairs(tmp_path, "TrainDataset/Imgs/*.jpg | TrainDataset/GT/*.png", 2)
    for path in ("readme/logo.png", "readme/logo.jpg", "HKU-IS/imgs/000.jpg", "TrainDataset/Imgs/001.png"):
        picture(tmp_path / path, seed=5)
    picture(tmp_path / "Kvasir/images/1.png", seed=5)
    picture(tmp_path / "Kvasir/images/1.jpg", seed=6)
    (tmp_path / "ECSSD/images/001.jpg").write_bytes(b"")
    result = run("data", "check", tmp_path, "--catalogue", "--task", "salient")
    assert result.code == 1
    assert "ECSSD: 3 test pairs" in result.out
    for name in ("HKU-IS", "training images"):
        assert any(line.startswith(f"{name}: ") and "the same name" in line for line in result.out.splitlines())
    assert "Kvasir" not in result.out
    assert "--task needs --catalogue" in run("data", "check", tmp_path, "--task", "salient").err


def test_the_name_of_the_root_makes_no_training_set(tmp_path):
    pairs(tmp_path / "training_sets", "ECSSD/images/*.jpg | ECSSD/masks/*.png", 3)
    (copy,) = find_sets(tmp_path / "training_sets", SETS).copies["ECSSD"]
    assert len(copy.test) == 3
    (copy,) = find_sets(tmp_path / "training_sets/ECSSD", SETS).copies["ECSSD"]
    assert len(copy.test) == 3


def test_flat_and_broken_pictures_look_like_no_other(tmp_path):
    pairs(tmp_path, "TestDataset/CAMO/Imgs/*.png | TestDataset/CAMO/GT/*.png", 2)
    pairs(tmp_path, "TrainDataset/Imgs/*.png | TrainDataset/GT/*.png", 3, start=10)
    for path in ("TestDataset/CAMO/Imgs/000.png", "TrainDataset/Imgs/010.png"):
        Image.new("RGB", (50, 50), (9, 9, 9)).save(tmp_path / path)
    for path in ("TestDataset/CAMO/Imgs/001.png", "TrainDataset/Imgs/011.png"):
        (tmp_path / path).write_bytes(b"")
    assert not shared_images(find_sets(tmp_path, SETS))
