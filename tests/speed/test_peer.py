"""The comparison with a plain U-Net: its sets, its runs, its scores."""

import csv

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def pairs(scenes, tmp_path):
    """A list of the sample scenes."""
    path = tmp_path / "scenes.csv"
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "mask", "split"])
        for split in ("train", "test"):
            for image in sorted((scenes / split / "images").iterdir()):
                table.writerow([image, scenes / split / "masks" / image.name, split])
    return path


def save(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), value, np.uint8)).save(path)


def test_the_lists_hold_every_pair_once_and_keep_videos_together(tmp_path):
    from peer_sets import SETS, write_list

    root = tmp_path / "root"
    for split, number in (("training", 21), ("test", 1)):
        for i in range(number, number + 2):
            save(root / f"drive/{split}/images/{i:02}_{split}.tif")
            save(root / f"drive/{split}/1st_manual/{i:02}_manual1.gif")
    for folder, names in (
        ("dsb2018_nuclei/train", "ab"), ("dsb2018_nuclei/test", "c"), ("cvc_clinicdb/train", "124"),
        ("cvc_clinicdb/test", "3"), ("camo/train", "pqrstu"), ("sod/train", "vwxyz"),
    ):  # fmt: skip
        for name in names:
            save(root / folder / f"images/{name}.png")
            save(root / folder / f"masks/{name}.png")
    (root / "cvc_clinicdb/videos.csv").write_text("frame,video,split\n1,1,train\n2,2,test\n3,1,train\n4,2,test\n")
    found = {}
    for name in SETS:
        if name != "lines":
            with write_list(name, root, tmp_path).open() as file:
                found[name] = [(row["image"].rpartition("/")[2], row["split"]) for row in csv.DictReader(file)]
    assert found["drive"][0] == ("21_training.tif", "train")
    assert [split for _, split in found["drive"]] == ["train", "train", "test", "test"]
    assert found["nuclei"] == [("a.png", "train"), ("b.png", "train"), ("c.png", "test")]
    assert dict(found["polyps"]) == {"1.png": "train", "2.png": "test", "3.png": "train", "4.png": "test"}
    assert [name for name, split in found["objects"] if split == "test"] == ["p.png", "u.png", "z.png"]
    assert len(found["objects"]) == 11


def test_the_peer_trains_and_writes_a_mask_of_each_test_image(pairs, tmp_path):
    pytest.importorskip("monai")
    from peer import mean_dice, train_peer

    run = train_peer(pairs, 0.03, 0, tmp_path / "masks")
    assert run["steps"] >= 1
    assert 0.03 <= run["minutes"] < 1
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == ["0.png", "1.png", "2.png"]
    with Image.open(tmp_path / "masks/0.png") as mask:
        assert mask.size == (64, 64)
    assert 0 <= mean_dice(pairs, tmp_path / "masks") <= 1


def test_the_scores_are_those_of_the_masks(pairs, scenes, tmp_path):
    pytest.importorskip("monai")
    from peer import mean_dice

    (tmp_path / "masks").mkdir()
    for index, mask in enumerate(sorted((scenes / "test/masks").iterdir())):
        Image.open(mask).save(tmp_path / f"masks/{index}.png")
    assert mean_dice(pairs, tmp_path / "masks") == 1
    Image.new("L", (64, 64)).save(tmp_path / "masks/1.png")
    assert mean_dice(pairs, tmp_path / "masks") == pytest.approx(2 / 3)


@pytest.fixture
def in_this_process(monkeypatch, run):
    """Three starts of Python less; and a short calibration."""
    pytest.importorskip("monai")
    import peer

    def command(*arguments):
        result = run(*arguments)
        assert result.code == 0, result.err

    monkeypatch.setattr(peer, "CALIBRATION_STEPS", 2)
    monkeypatch.setattr(peer, "sam2unet", command)


def test_each_run_is_a_column_with_its_scores(pairs, tmp_path, in_this_process, run_script, monkeypatch):
    monkeypatch.setattr("peer.write_list", lambda name, root, out: pairs)
    short = "auto:trunk=pico;size=32;workers=0;epoch_steps=2;batch_size=2"
    monkeypatch.setattr("peer.committed", lambda *paths: "a")
    command = (
        "quality", tmp_path, "--peer", "--minutes", "0.01", "--seeds", "3", "--sets", "nuclei", "--out",
        tmp_path / "runs", "unet", short,
    )  # fmt: skip
    result = run_script(*command)
    (row,), (figures,) = result["table"]["rows"], result["figures"]["rows"]
    assert result["table"]["head"] == ["set", "minutes", "plain U-Net", f"`{short}`"]
    assert row[:2] == ["nuclei", "0.01"]
    for cell, (found,) in zip(row[2:], figures["runs"].values(), strict=True):
        assert cell == f"{found['dice']:.3f} ({found['steps']} steps)"
        assert found["seed"] == 3
        assert 0 < found["minutes"] < 1
    masks = pairs.with_name(f"scenes 0.01 3 {short}".replace(":", " "))
    assert sorted(path.name for path in masks.iterdir()) == ["0.png", "1.png", "2.png"]
    with monkeypatch.context() as again:  # the round is there
        again.setattr("peer.train_run", lambda *arguments: pytest.fail("trained again"))
        assert run_script(*command)["figures"] == result["figures"]
    trained = []
    monkeypatch.setattr("peer.committed", lambda *paths: "b")  # the code has changed
    monkeypatch.setattr("peer.train_run", lambda run, *_: trained.append(run) or {"dice": 1.0, "steps": 1})
    run_script(*command)
    assert trained == ["unet", short]
