"""Pairs are split without a group on both sides."""

import pytest

from sam2unet.data import find_pairs, hold_out, training_split, write_split
from sam2unet.errors import InputError

from .folders import write_images


def write_pairs(root, names):
    return write_images(root, *(f"images/{n}.jpg" for n in names), *(f"masks/{n}.png" for n in names))


@pytest.mark.parametrize("group", [None, "folder", r"^(p\d)_"])
def test_hold_out_keeps_groups_on_one_side(group, tmp_path):
    names = [f"p{p}_{i}" for p in range(5) for i in range(4)]
    pairs = find_pairs(write_pairs(tmp_path, [f"{n[:2]}/{n}" if group == "folder" else n for n in names])).pairs[""]
    kept, held = hold_out(pairs, 0.2, seed=1, group=group)
    assert sorted(p.key for p in kept + held) == sorted(p.key for p in pairs)
    assert len(held) == 4
    if group:
        assert not {p.image.stem[:2] for p in kept} & {p.image.stem[:2] for p in held}


def test_hold_out_depends_on_the_seed_alone(tmp_path):
    pairs = find_pairs(write_pairs(tmp_path, "abcdefgh")).pairs[""]
    first = hold_out(pairs, 0.25, seed=1)
    assert hold_out(pairs, 0.25, seed=1) == first
    assert any(hold_out(pairs, 0.25, seed) != first for seed in range(2, 6))


@pytest.mark.parametrize(("group", "message"), [("(", "invalid"), ("^q", "finds nothing"), ("^p", "only 1 group")])
def test_hold_out_refuses_an_unusable_group_expression(group, message, tmp_path):
    pairs = find_pairs(write_pairs(tmp_path, ["p1", "p2"])).pairs[""]
    with pytest.raises(InputError, match=message):
        hold_out(pairs, 0.5, 0, group)


@pytest.mark.parametrize("seed", range(4))
def test_hold_out_prefers_the_group_that_comes_closest_to_the_fraction(seed, tmp_path):
    pairs = find_pairs(write_pairs(tmp_path, [*(f"a_{i}" for i in range(19)), "b_0"])).pairs[""]
    assert [p.key for p in hold_out(pairs, 0.15, seed, "^(.)_")[1]] == ["b_0"]


def test_training_split_uses_the_folders_and_never_test(tmp_path):
    for split in ("train", "valid", "Test"):
        write_pairs(tmp_path / split, "0123")
    listing = find_pairs(tmp_path)
    assert {split: len(pairs) for split, pairs in listing.pairs.items()} == {"train": 4, "val": 4, "test": 4}
    training, validation = training_split(listing, 0.5, seed=0)
    assert {p.image.parts[-3] for p in training} == {"train"}
    assert {p.image.parts[-3] for p in validation} == {"valid"}


def test_training_split_refuses_a_test_folder_alone(tmp_path):
    with pytest.raises(InputError, match="no pairs to train on"):
        training_split(find_pairs(write_images(tmp_path, "test/images/a.jpg", "test/masks/a.png")), 0.5, 0)


def test_split_command_copies_every_pair_once(tmp_path, run):
    names = [f"{p}_{i}" for p in "abc" for i in range(3)]
    write_images(tmp_path / "in", *(f"images/{n}.jpg" for n in names), *(f"masks/{n}_mask.png" for n in names))
    result = run("data", "split", tmp_path / "in", "--out", tmp_path / "out", "--share", "0.3", "--group", "^(.)_")
    assert result.code == 0, result.err
    listing = find_pairs(tmp_path / "out")
    assert {split: len(pairs) for split, pairs in listing.pairs.items()} == {"train": 6, "test": 3}
    assert len({p.key[0] for p in listing.pairs["test"]}) == 1


def test_write_split_renames_pairs_of_one_name(tmp_path):
    for split in ("train", "val"):
        write_pairs(tmp_path / "in" / split, "012")
    assert write_split(find_pairs(tmp_path / "in"), tmp_path / "out", 0.5, 0) == (3, 3)
    names = sorted(path.name for path in (tmp_path / "out").rglob("*.jpg"))
    assert names == ["train_0.jpg", "train_1.jpg", "train_2.jpg", "val_0.jpg", "val_1.jpg", "val_2.jpg"]


def test_write_split_refuses_a_folder_that_is_not_empty(tmp_path):
    listing = find_pairs(write_pairs(tmp_path / "in", "ab"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.txt").write_text("")
    with pytest.raises(InputError, match="out: exists and is not empty"):
        write_split(listing, tmp_path / "out", 0.5, 0)
