"""Pairs by name, in the layouts that people have; the check; the split."""

import json

import numpy as np
import pytest
from PIL import Image

from sam2unet.data import check_pairs, find_images, find_masks, find_pairs, hold_out, match, training_split, write_split
from sam2unet.errors import InputError

OBJECT = np.zeros((20, 30), np.uint8)
OBJECT[5:10, 5:15] = 255


def put(root, *names, size=(30, 20)):
    """Pictures and masks, told apart by their names; masks get an object."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(OBJECT).resize(size, 0).convert("RGB" if path.suffix.lower() == ".jpg" else "L").save(path)
    return root


LAYOUTS = {
    "plain": ["images/a.jpg", "masks/a.png"],
    "upper case": ["Images/a.JPG", "Masks/a.PNG"],
    "camo": ["Imgs/a.jpg", "GT/a.png"],
    "duts": ["DUTS-TR/DUTS-TR-Image/a.jpg", "DUTS-TR/DUTS-TR-Mask/a.png"],
    "clinicdb": ["Original/a.tif", "Ground Truth/a.tif"],
    "labels": ["im/a.jpg", "labels/a.png"],
    "isic": ["images/a.jpg", "masks/a_segmentation.png"],
    "carvana": ["train_images/a.jpg", "train_masks/a_mask.gif"],
    "one folder": ["a.jpg", "a_mask.png"],
    "one folder, gt first": ["a.jpg", "GT-a.png"],
    "deepglobe": ["a_image.jpg", "a_mask.png"],
    "nested": ["images/p1/a.jpg", "masks/p1/a.png"],
    "set in roles": ["images/train/a.jpg", "masks/train/a.png"],
    "role in sets": ["train/images/a.jpg", "train/masks/a.png"],
    "cod10k": ["Train/Image/a.jpg", "Train/GT_Object/a.png"],
    "camel case": ["trainImages/a.jpg", "trainMasks/a.png"],
    "voc": ["JPEGImages/a.jpg", "SegmentationClass/a.png"],
    "nnunet": ["imagesTr/a.jpg", "labelsTr/a.png"],
    "mmsegmentation": ["img_dir/train/a.jpg", "ann_dir/train/a.png"],
    "below a telling name": ["Kvasir-SEG/images/a.jpg", "Kvasir-SEG/masks/a.png"],
    "dots": ["images/a.b.c.jpg", "masks/a.b.c.png"],
    "a gas mask": ["images/gas_mask.jpg", "masks/gas_mask.png"],
    "unicode": ["images/fünf 1.jpg", "masks/fünf 1.png"],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, tmp_path):
    image, mask = LAYOUTS[layout]
    # The same names in two patients' folders: names alone would not do.
    roots = [tmp_path / "p1", tmp_path / "p2"]
    for root in roots:
        put(root, image, mask, ".hidden.png")
    listing = find_pairs(tmp_path)
    pairs = {(pair.image, pair.mask) for pairs in listing.pairs.values() for pair in pairs}
    assert pairs == {(root / image, root / mask) for root in roots}
    assert not listing.unpaired_images
    assert not listing.unpaired_masks


@pytest.mark.parametrize(
    ("image", "mask"),
    [("Images/Train/a.jpg", "GT/a.png"), ("images/a.jpg", "binary_masks/a.png"), ("images/a.jpg", "GT_Instance/a.png"),
     ("imgs/p1/a.jpg", "gt/a.png")],
)  # fmt: skip
def test_a_name_that_occurs_once_is_enough(image, mask, tmp_path):
    (pairs,) = find_pairs(put(tmp_path, image, mask)).pairs.values()
    assert [(pair.image, pair.mask) for pair in pairs] == [(tmp_path / image, tmp_path / mask)]


def test_leftovers_of_different_folders_are_not_paired(tmp_path):
    put(tmp_path, *(f"p{p}/{kind}/{i}.png" for p in (1, 2) for kind in ("images", "masks") for i in (1, 2)))
    put(tmp_path, "p1/images/3.png", "p2/masks/3.png")
    listing = find_pairs(tmp_path)
    assert listing.unpaired_images[""] == [tmp_path / "p1/images/3.png"]
    assert listing.unpaired_masks[""] == [tmp_path / "p2/masks/3.png"]
    assert {pair.image.parts[-3] == pair.mask.parts[-3] for pair in listing.pairs[""]} == {True}


@pytest.mark.parametrize(
    ("train", "test"),
    [("TrainDataset", "TestDataset/CVC"), ("train2017", "test2017"), ("DUTS-TR", "DUTS-TE"), ("Training", "testing")],
)
def test_the_test_set_is_told_from_the_training_set(train, test, tmp_path):
    put(tmp_path, *(f"{part}/{kind}/a.png" for part in (train, test) for kind in ("images", "masks")))
    pairs = find_pairs(tmp_path).pairs
    assert {split: [pair.image for pair in pairs] for split, pairs in pairs.items()} == {
        "train": [tmp_path / train / "images/a.png"],
        "test": [tmp_path / test / "images/a.png"],
    }
    assert list(find_pairs(put(tmp_path / "patient", "images/TS-01/a.png", "masks/TS-01/a.png")).pairs) == [""]


def test_one_mask_is_not_given_to_two_splits(tmp_path):
    put(tmp_path, "images/train/1.jpg", "images/test/1.jpg", "masks/1.png")
    with pytest.raises(InputError, match="have the same name"):
        find_pairs(tmp_path)


def test_pairs_beside_the_training_folder_are_told(tmp_path, run):
    put(
        tmp_path,
        *(f"train/{kind}/{i}.png" for kind in ("images", "masks") for i in (1, 2)),
        "images/3.png",
        "masks/3.png",
    )
    result = run("data", "check", tmp_path)
    assert result.code == 0
    assert str(tmp_path / "images/3.png") in result.out


def test_pictures_alone_may_have_names_alike_and_links_may_go_round(tmp_path):
    put(tmp_path, "a.jpg", "a_original.jpg", "photo_a.jpg")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "x.json").write_text("")  # no business of a prediction
    assert set(find_images(tmp_path)) == {"a", "a_original", "photo_a"}


def test_order_is_nothing_and_names_are_all(tmp_path):
    put(tmp_path, *(f"images/{n}.jpg" for n in "abcd"), *(f"masks/{n}.png" for n in "dca"), "masks/x.png")
    listing = find_pairs(tmp_path)
    assert {(p.image.stem, p.mask.stem) for p in listing.pairs[""]} == {("a", "a"), ("c", "c"), ("d", "d")}
    assert listing.unpaired_images[""] == [tmp_path / "images/b.jpg"]
    assert listing.unpaired_masks[""] == [tmp_path / "masks/x.png"]


@pytest.mark.parametrize(
    "names",
    [["images/a.jpg", "images/a.png", "masks/a.png"], ["images/a.jpg", "masks/a.png", "masks/a.bmp"],
     ["images/a.jpg", "masks/a.png", "masks/a_mask.png"], ["images/a.jpg", "masks/a.png", "GT/a.png"],
     ["a.jpg", "mask_a.png", "a_gt.png"]],
)  # fmt: skip
def test_a_name_that_occurs_twice_names_both_files(names, tmp_path):
    with pytest.raises(InputError, match="have the same name") as error:
        find_pairs(put(tmp_path, *names))
    assert sum(str(tmp_path / name) in str(error.value) for name in names) == 2


def test_splits_come_from_folders_and_test_is_not_trained_on(tmp_path):
    for split in ("train", "valid", "Test"):
        put(tmp_path, *(f"{split}/images/{i}.jpg" for i in range(4)), *(f"{split}/masks/{i}.png" for i in range(4)))
    listing = find_pairs(tmp_path)
    assert {split: len(pairs) for split, pairs in listing.pairs.items()} == {"train": 4, "val": 4, "test": 4}
    training, validation = training_split(listing, 0.5, seed=0)
    assert {p.image.parts[-3] for p in training} == {"train"}
    assert {p.image.parts[-3] for p in validation} == {"valid"}
    with pytest.raises(InputError, match="no pairs to train on"):
        training_split(find_pairs(put(tmp_path / "only", "test/images/a.jpg", "test/masks/a.png")), 0.5, 0)


def test_polygons_give_masks_to_pictures(tmp_path):
    put(tmp_path, "train/a.jpg", "valid/b.jpg")
    shape = {"label": "x", "points": [[5, 5], [14, 5], [14, 9], [5, 9]], "shape_type": "polygon"}
    (tmp_path / "train/a.json").write_text(json.dumps({"shapes": [shape], "imageHeight": 20, "imageWidth": 30}))
    coco = {"images": [{"id": 1, "file_name": "b.jpg", "width": 30, "height": 20}], "categories": [],
            "annotations": [{"id": 1, "image_id": 1, "segmentation": [[5, 5, 14, 5, 14, 9, 5, 9]]}]}  # fmt: skip
    (tmp_path / "valid/_annotations.coco.json").write_text(json.dumps(coco))
    check = check_pairs(find_pairs(tmp_path))
    assert check.errors == []
    assert [part.foreground for part in check.splits.values()] == [[50 / 600], [50 / 600]]


@pytest.mark.parametrize("by", [None, "folder", r"^(p\d)_"])
def test_no_group_is_on_both_sides(by, tmp_path):
    names = [f"p{p}_{i}" for p in range(5) for i in range(4)]
    folder = {"folder": lambda n: f"{n[:2]}/"}.get(by, lambda n: "")
    put(tmp_path, *(f"images/{folder(n)}{n}.jpg" for n in names), *(f"masks/{folder(n)}{n}.png" for n in names))
    pairs = find_pairs(tmp_path).pairs[""]
    kept, held = hold_out(pairs, 0.2, seed=1, by=by)
    assert sorted(p.key for p in kept + held) == sorted(p.key for p in pairs)
    assert len(held) == 4
    if by:
        assert not {p.image.stem[:2] for p in kept} & {p.image.stem[:2] for p in held}
    assert hold_out(pairs, 0.2, seed=1, by=by) == (kept, held)
    assert any(hold_out(pairs, 0.2, seed, by) != (kept, held) for seed in range(2, 6))


@pytest.mark.parametrize(("by", "message"), [("(", "broken"), ("^q", "finds nothing"), ("^p", "only 1 group")])
def test_groups_that_cannot_be_made(by, message, tmp_path):
    put(tmp_path, "images/p1.jpg", "masks/p1.png", "images/p2.jpg", "masks/p2.png")
    with pytest.raises(InputError, match=message):
        hold_out(find_pairs(tmp_path).pairs[""], 0.5, 0, by)


def test_a_large_group_is_not_held_out_for_a_small_share(tmp_path):
    names = [f"a_{i}" for i in range(19)] + ["b_0"]
    put(tmp_path, *(f"images/{n}.jpg" for n in names), *(f"masks/{n}.png" for n in names))
    for seed in range(4):
        assert [p.key for p in hold_out(find_pairs(tmp_path).pairs[""], 0.15, seed, "^(.)_")[1]] == ["b_0"]


def broken(root):
    put(root, "images/b.jpg", "masks/b.png")
    (root / "images/b.jpg").write_bytes(b"\xff\xd8 no more")


CHECKS = {
    "sizes differ": (lambda r: (put(r, "images/b.jpg"), put(r, "masks/b.png", size=(20, 20))), "b.jpg is 30x20"),
    "broken": (broken, "b.jpg: broken"),
}


@pytest.mark.parametrize("case", CHECKS)
def test_what_would_go_wrong_is_an_error_that_names_the_files(case, tmp_path, run):
    make, message = CHECKS[case]
    make(put(tmp_path, "images/a.jpg", "masks/a.png"))
    result = run("data", "check", tmp_path)
    assert result.code == 2
    assert message in result.out
    refused = run("train", tmp_path, "--out", tmp_path / "run", "--trunk-weights", "none")
    assert refused.code == 2
    assert message in refused.err
    assert not (tmp_path / "run/last.safetensors").exists()


def test_only_what_is_trained_on_can_make_training_fail(tmp_path, run):
    put(tmp_path, *(f"{s}/{kind}/{i}.png" for s in ("train", "test") for kind in ("images", "masks") for i in range(2)))
    (tmp_path / "test/images/1.png").write_bytes(b"")
    result = run("data", "check", tmp_path)
    assert result.code == 0
    assert str(tmp_path / "test/images/1.png") in result.out
    for lacking in (
        put(tmp_path / "a", "images/1.png", "masks/1.png"),
        put(tmp_path / "b", "test/1.png", "test/1_mask.png"),
    ):
        assert run("data", "check", lacking).code == 2


def test_masks_that_teach_nothing(tmp_path):
    put(tmp_path, "images/a.jpg", "images/b.jpg")
    for value in (0, 255):
        for name in "ab":
            (tmp_path / "masks").mkdir(exist_ok=True)
            Image.new("L", (30, 20), value).save(tmp_path / f"masks/{name}.png")
        assert "nothing to learn" in check_pairs(find_pairs(tmp_path)).errors[0]


@pytest.mark.parametrize(
    ("names", "message"),
    [([], "holds no images"), (["images/a.jpg", "masks/b.png"], "no image has a mask of the same name")],
)
def test_folders_without_pairs(names, message, tmp_path, run):
    result = run("data", "check", put(tmp_path, *names))
    assert result.code == 2
    assert message in result.out + result.err
    assert run("data", "check", tmp_path / "nowhere").code == 2


def test_the_table_reports_kinds_sizes_and_orphans(tmp_path, run):
    put(tmp_path, *(f"images/{n}.jpg" for n in "abc"), "masks/a.png", "masks/b.png")
    Image.fromarray(OBJECT // 255).save(tmp_path / "masks/b.png")
    result = run("data", "check", tmp_path)
    assert result.code == 0
    assert "0/1 (1)" in result.out
    assert "0/255 (1)" in result.out
    assert "30x20" in result.out
    assert "8.3%" in result.out
    assert str(tmp_path / "images/c.jpg") in result.out


def test_split_command_copies_every_pair_once(tmp_path, run):
    names = [f"{p}_{i}" for p in "abc" for i in range(3)]
    put(tmp_path / "in", *(f"images/{n}.jpg" for n in names), *(f"masks/{n}_mask.png" for n in names))
    result = run("data", "split", tmp_path / "in", "--out", tmp_path / "out", "--share", "0.3", "--group", "^(.)_")
    assert result.code == 0, result.err
    listing = find_pairs(tmp_path / "out")
    assert {split: len(pairs) for split, pairs in listing.pairs.items()} == {"train": 6, "test": 3}
    assert len({p.key[0] for p in listing.pairs["test"]}) == 1
    put(
        tmp_path / "both",
        *(f"{s}/{kind}/{i}.png" for s in ("train", "val") for kind in ("images", "masks") for i in range(3)),
    )
    assert write_split(find_pairs(tmp_path / "both"), tmp_path / "third", 0.5, 0) == (3, 3)
    with pytest.raises(InputError, match="not empty"):
        write_split(listing, tmp_path / "out", 0.5, 0)


def test_pictures_and_masks_of_a_mixed_folder(tmp_path):
    put(tmp_path, "images/a_1.jpg", "masks/a_1_mask.png", "x/b.jpg", "x/b_mask.png")
    images, masks = find_images(tmp_path), find_masks(tmp_path)
    assert set(images) == {"a_1", "x/b"}
    assert match(images, masks) == {"a_1": "a_1_mask", "x/b": "x/b_mask"}


def test_a_name_like_a_masks_is_a_picture_without_a_partner(tmp_path):
    assert set(find_images(put(tmp_path / "faces", "dog.jpg", "face_mask.jpg"))) == {"dog", "face_mask"}
    assert set(find_images(put(tmp_path / "people", "with_mask/a.jpg", "without_mask/b.jpg"))) == {
        "with/a",
        "without/b",
    }
    assert set(find_masks(put(tmp_path / "gt", "a.png", "gas_mask.png"))) == {"a", "gas_mask"}
    put(tmp_path / "both", "a.jpg", "a_mask.png", "gas_mask.jpg")
    assert set(find_images(tmp_path / "both")) == {"a", "gas_mask"}


def test_polygons_belong_to_the_picture_in_their_folder(tmp_path):
    put(tmp_path, "p1/001.jpg", "p2/001.jpg")
    labelme = {"shapes": [], "imageHeight": 20, "imageWidth": 30}
    (tmp_path / "p1/001.json").write_text(json.dumps(labelme))
    listing = find_pairs(tmp_path)
    assert [pair.image for pair in listing.pairs[""]] == [tmp_path / "p1/001.jpg"]
    assert listing.unpaired_images[""] == [tmp_path / "p2/001.jpg"]
    (tmp_path / "p1/001.json").unlink()
    box = {"id": 1, "image_id": 1, "segmentation": [[5, 5, 14, 5, 14, 9, 5, 9]]}
    entries = [{"id": i, "file_name": f"p{i}/001.jpg", "width": 30, "height": 20} for i in (1, 2)]
    (tmp_path / "set.json").write_text(json.dumps({"images": entries, "annotations": [box], "categories": []}))
    assert sorted(check_pairs(find_pairs(tmp_path)).splits[""].foreground) == [0, 50 / 600]
    entries[0]["file_name"] = "001.jpg"
    (tmp_path / "set.json").write_text(json.dumps({"images": entries[:1], "annotations": [], "categories": []}))
    with pytest.raises(InputError, match="fits both"):
        find_pairs(tmp_path)


@pytest.mark.parametrize(
    ("pictures", "json_files"),
    [(["images/{}.jpg"], {"set.json": "images/{}.jpg"}), (["train/images/{}.jpg"], {"set.json": "train/images/{}.jpg"}),
     (["images/{}.jpg"], {"train.json": "{}.jpg"}), (["train2017/{}.jpg"], {"ann/instances_train2017.json": "{}.jpg"})],
)  # fmt: skip
def test_coco_names_its_pictures_in_many_ways(pictures, json_files, tmp_path):
    put(tmp_path, *(name.format(i) for name in pictures for i in (1, 2)))
    entries = {}
    for file, name in json_files.items():
        entries = [{"id": i, "file_name": name.format(i), "width": 30, "height": 20} for i in (1, 2)]
        shapes = [{"id": i, "image_id": i, "segmentation": [[5, 5, 14, 5, 14, 9, 5, 9]]} for i in (1, 2)]
        crowd = {"id": 3, "image_id": 1, "iscrowd": 1, "segmentation": {"counts": [], "size": [20, 30]}}
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(json.dumps({"images": entries, "annotations": [*shapes, crowd], "categories": []}))
    captions = {"images": entries, "annotations": [{"id": 1, "image_id": 1, "caption": "a"}]}
    (tmp_path / "captions.json").write_text(json.dumps(captions), encoding="utf-8-sig")
    listing = find_pairs(tmp_path)
    split = "" if list(json_files) == ["set.json"] and pictures == ["images/{}.jpg"] else "train"
    assert {name: len(pairs) for name, pairs in listing.pairs.items() if pairs} == {split: 2}
    assert not any(listing.unpaired_images.values())


def test_a_file_name_is_no_split_and_links_are_followed(tmp_path):
    put(tmp_path / "real", "scan_test_1.jpg")
    (tmp_path / "real/scan_test_1.json").write_text(json.dumps({"shapes": [], "imageHeight": 20, "imageWidth": 30}))
    (tmp_path / "data").mkdir()
    (tmp_path / "data/link").symlink_to(tmp_path / "real")
    assert len(find_pairs(tmp_path / "data").pairs[""]) == 1
