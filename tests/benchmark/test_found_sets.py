"""Test sets are found in the layouts in which they are distributed."""

import pytest

from sam2unet.benchmark import find_sets

from .sets import SETS, write_image, write_pairs

LAYOUTS = [(dataset, layout) for dataset in SETS for layout in dataset.layouts]


@pytest.mark.parametrize(
    ("dataset", "layout"), LAYOUTS, ids=[f"{dataset.name}-{layout}" for dataset, layout in LAYOUTS]
)
def test_find_sets_understands_each_layout(dataset, layout, tmp_path):
    write_pairs(tmp_path, layout, 3)
    scan = find_sets(tmp_path, SETS)
    assert list(scan.copies) == [dataset.name]
    (copy,) = scan.copies[dataset.name]
    assert len(copy.test) == 3
    assert not copy.train
    assert copy.unpaired == 0
    for pair in copy.test:
        assert pair.image.stem == pair.mask.stem


def test_remarks_say_what_is_missing_duplicated_or_incomplete(tmp_path):
    for dataset in SETS:
        write_pairs(tmp_path / "sets", dataset.layouts[0], 2 if dataset.name != "ETIS" else 0)
    write_pairs(tmp_path / "sets/other", next(s for s in SETS if s.name == "ECSSD").layouts[0], 3)
    scan = find_sets(tmp_path / "sets", SETS)
    assert len(scan.copies) == 17
    remarks = "\n".join(scan.remarks())
    assert "ETIS: missing" in remarks
    assert "CHAMELEON: 2 test pairs in" in remarks
    assert "76 are published" in remarks
    assert "ECSSD: more than once" in remarks
    assert len(scan.copies["ECSSD"][0].test) == 3
    unknown = [dataset.name for dataset in SETS if dataset.images is None]
    assert not [line for line in remarks.splitlines() if line.split(":")[0] in unknown]


def test_remarks_count_unpaired_files(tmp_path):
    write_pairs(tmp_path, "ECSSD/images/*.jpg | ECSSD/masks/*.png", 3)
    (tmp_path / "ECSSD/masks/001.png").unlink()
    scan = find_sets(tmp_path, SETS)
    assert scan.copies["ECSSD"][0].unpaired == 1
    assert f"ECSSD: 1 unpaired files in {tmp_path / 'ECSSD'}" in scan.remarks()


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [("DUTS-TE", "DUTS/DUTS-TR/DUTS-TR-Image/*.jpg | DUTS/DUTS-TR/DUTS-TR-Mask/*.png",
      "DUTS/DUTS-TE/DUTS-TE-Image/*.jpg | DUTS/DUTS-TE/DUTS-TE-Mask/*.png"),
     ("CAMO", "CAMO-V.1.0-CVIU2019/Images/Train/*.jpg | CAMO-V.1.0-CVIU2019/GT/*.png",
      "CAMO-V.1.0-CVIU2019/Images/Test/*.jpg | CAMO-V.1.0-CVIU2019/GT/*.png"),
     ("MSD", "MSD/train/image/*.jpg | MSD/train/mask/*.png", "MSD/test/image/*.jpg | MSD/test/mask/*.png"),
     ("RMAS", "train/RMAS/img/*.jpg | train/RMAS/label/*.jpg", "test/RMAS/img/*.jpg | test/RMAS/label/*.jpg")],
)  # fmt: skip
def test_find_sets_separates_training_and_test_pairs(name, train, test, tmp_path):
    write_pairs(tmp_path, train, 3)
    (alone,) = find_sets(tmp_path, SETS).copies[name]
    assert (len(alone.train), len(alone.test)) == (3, 0)
    write_pairs(tmp_path, test, 2, start=10)
    (both,) = find_sets(tmp_path, SETS).copies[name]
    assert (len(both.train), len(both.test)) == (3, 2)


@pytest.mark.parametrize(("name", "other"), [("Kvasir", "Kvasir-SEG"), ("PASCAL-S", "PASCAL-S_old")])
def test_find_sets_keeps_copies_side_by_side_apart(name, other, tmp_path):
    write_pairs(tmp_path, f"{name}/images/*.jpg | {name}/masks/*.png", 4)
    write_pairs(tmp_path, f"{other}/images/*.jpg | {other}/masks/*.png", 3)
    scan = find_sets(tmp_path, SETS)
    assert [len(copy.test) for copy in scan.copies[name]] == [4, 3]
    assert any(remark.startswith(f"{name}: more than once") for remark in scan.remarks())


@pytest.mark.parametrize("root", ["training_sets", "training_sets/ECSSD"])
def test_find_sets_takes_no_root_for_a_training_split(root, tmp_path):
    write_pairs(tmp_path / "training_sets", "ECSSD/images/*.jpg | ECSSD/masks/*.png", 3)
    (copy,) = find_sets(tmp_path / root, SETS).copies["ECSSD"]
    assert len(copy.test) == 3


def test_check_of_the_catalogue_prints_what_is_missing(tmp_path, run):
    write_pairs(tmp_path, next(s for s in SETS if s.name == "CVC-300").layouts[0], 2)
    result = run("data", "check", tmp_path, "--catalogue", "--task", "polyp")
    assert result.code == 1
    assert "ETIS: missing" in result.out
    assert "CVC-300: 2 test pairs in" in result.out


def test_check_of_the_catalogue_goes_on_where_files_cannot_be_paired(tmp_path, run):
    write_pairs(tmp_path, "ECSSD/images/*.jpg | ECSSD/masks/*.png", 3)
    write_pairs(tmp_path, "HKU-IS/imgs/*.png | HKU-IS/gt/*.png", 3)
    write_pairs(tmp_path, "TrainDataset/Imgs/*.jpg | TrainDataset/GT/*.png", 2)
    for path in ("readme/logo.png", "readme/logo.jpg", "HKU-IS/imgs/000.jpg", "TrainDataset/Imgs/001.png"):
        write_image(tmp_path / path, seed=5)
    write_image(tmp_path / "Kvasir/images/1.png", seed=5)
    write_image(tmp_path / "Kvasir/images/1.jpg", seed=6)
    (tmp_path / "ECSSD/images/001.jpg").write_bytes(b"")
    result = run("data", "check", tmp_path, "--catalogue", "--task", "salient")
    assert result.code == 1
    assert "ECSSD: 3 test pairs" in result.out
    for name in ("HKU-IS", "training images"):
        assert any(line.startswith(f"{name}: ") and "the same name" in line for line in result.out.splitlines())
    assert "Kvasir" not in result.out


def test_check_refuses_a_task_without_the_catalogue(tmp_path, run):
    assert "--task needs --catalogue" in run("data", "check", tmp_path, "--task", "salient").err
