"""Pairs are split without a group on both sides."""

import numpy as np
import pytest
from PIL import Image

from sam2unet.data import DataOptions, find_pairs, hold_out, read_stored, training_split, write_split
from sam2unet.errors import InputError

from .folders import OBJECT, write_images
from .layout.test_annotated import POLYGON, write_labelme


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


def write_stack(path, pages):
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = (Image.new("I;16", (4, 3), 1000 * i) for i in range(pages))
    first.save(path, save_all=True, append_images=others)


def test_write_split_copies_masks_of_every_kind(tmp_path):
    root, out = tmp_path / "in", tmp_path / "out"
    write_images(root, "images/a.jpg", "masks/a.png", "p/b.png", "p/b_mask.png", "p/b_mask_1.png", "q.v2/c.jpg")
    write_labelme(root / "q.v2/c.json", [POLYGON])
    write_stack(root / "images/s.tif", 2)
    write_stack(root / "masks/s.tif", 2)
    before = {pair.key: pair for pair in find_pairs(root).pairs[""]}
    write_split(find_pairs(root), out, 0.4, 0)
    after = {pair.key: pair for pairs in find_pairs(out).pairs.values() for pair in pairs}
    assert after.keys() == before.keys() == {"a", "p/b", "q.v2/c", "s/0000", "s/0001"}
    for key, pair in before.items():
        for source, copy in ((pair.image, after[key].image), (pair.mask, after[key].mask)):
            np.testing.assert_array_equal(read_stored(source).values, read_stored(copy).values)
    assert after["q.v2/c"].mask.suffix == ".png"
    np.testing.assert_array_equal(read_stored(after["q.v2/c"].mask).values > 0, OBJECT > 0)


def test_write_split_keeps_what_users_chose(tmp_path):
    write_images(tmp_path / "in", *(f"{n}{end}" for n in "ab" for end in (".jpg", "_1stHO.png", "_2ndHO.png")))
    listing = find_pairs(tmp_path / "in", DataOptions(masks="*_2ndHO.png"))
    assert write_split(listing, tmp_path / "out", 0.5, 0) == (1, 1)
    pairs = [pair for pairs in find_pairs(tmp_path / "out").pairs.values() for pair in pairs]
    assert {(pair.image.name, pair.mask.name) for pair in pairs} == {("a.jpg", "a.png"), ("b.jpg", "b.png")}


def test_hold_out_keeps_the_pages_of_a_stack_together(tmp_path):
    for name in ("a", "b"):
        write_stack(tmp_path / f"images/{name}.tif", 3)
        write_stack(tmp_path / f"masks/{name}.tif", 3)
    kept, held = hold_out(find_pairs(tmp_path).pairs[""], 0.3, seed=0)
    assert [len(kept), len(held)] == [3, 3]
    assert {p.image.file for p in kept}.isdisjoint(p.image.file for p in held)


def test_hold_out_splits_a_single_stack_by_pages(tmp_path):
    write_stack(tmp_path / "images/a.tif", 4)
    write_stack(tmp_path / "masks/a.tif", 4)
    kept, held = hold_out(find_pairs(tmp_path).pairs[""], 0.25, seed=0)
    assert [len(kept), len(held)] == [3, 1]
