"""Images and masks are paired by name, in the layouts that people have."""

import json

import pytest

from sam2unet.data import check_pairs, find_images, find_masks, find_pairs, match
from sam2unet.errors import InputError

from .folders import OBJECT_FRACTION, OBJECT_POLYGON, OBJECT_RING, write_images

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
    "below a name like a set": ["Kvasir-SEG/images/a.jpg", "Kvasir-SEG/masks/a.png"],
    "dots": ["images/a.b.c.jpg", "masks/a.b.c.png"],
    "a gas mask": ["images/gas_mask.jpg", "masks/gas_mask.png"],
    "unicode": ["images/fünf 1.jpg", "masks/fünf 1.png"],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_find_pairs_understands_each_layout(layout, tmp_path):
    image, mask = LAYOUTS[layout]
    # The same names in two patients' folders: names alone would not do.
    roots = [tmp_path / "p1", tmp_path / "p2"]
    for root in roots:
        write_images(root, image, mask, ".hidden.png")
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
def test_find_pairs_accepts_other_folders_if_the_name_is_unique(image, mask, tmp_path):
    (pairs,) = find_pairs(write_images(tmp_path, image, mask)).pairs.values()
    assert [(pair.image, pair.mask) for pair in pairs] == [(tmp_path / image, tmp_path / mask)]


def test_find_pairs_does_not_pair_leftovers_of_different_folders(tmp_path):
    write_images(tmp_path, *(f"p{p}/{kind}/{i}.png" for p in (1, 2) for kind in ("images", "masks") for i in (1, 2)))
    write_images(tmp_path, "p1/images/3.png", "p2/masks/3.png")
    listing = find_pairs(tmp_path)
    assert listing.unpaired_images[""] == [tmp_path / "p1/images/3.png"]
    assert listing.unpaired_masks[""] == [tmp_path / "p2/masks/3.png"]
    assert {pair.image.parts[-3] == pair.mask.parts[-3] for pair in listing.pairs[""]} == {True}


@pytest.mark.parametrize(
    ("train", "test"),
    [("TrainDataset", "TestDataset/CVC"), ("train2017", "test2017"), ("DUTS-TR", "DUTS-TE"), ("Training", "testing")],
)
def test_find_pairs_separates_splits_by_folder(train, test, tmp_path):
    write_images(tmp_path, *(f"{split}/{kind}/a.png" for split in (train, test) for kind in ("images", "masks")))
    pairs = find_pairs(tmp_path).pairs
    assert {split: [pair.image for pair in pairs] for split, pairs in pairs.items()} == {
        "train": [tmp_path / train / "images/a.png"],
        "test": [tmp_path / test / "images/a.png"],
    }


def test_find_pairs_takes_no_patients_initials_for_a_split(tmp_path):
    assert list(find_pairs(write_images(tmp_path, "images/TS-01/a.png", "masks/TS-01/a.png")).pairs) == [""]


def test_find_pairs_takes_no_file_name_for_a_split(tmp_path):
    write_images(tmp_path, "scan_test_1.jpg")
    (tmp_path / "scan_test_1.json").write_text(json.dumps({"shapes": [], "imageHeight": 20, "imageWidth": 30}))
    assert len(find_pairs(tmp_path).pairs[""]) == 1


def test_find_pairs_gives_no_mask_to_two_splits(tmp_path):
    write_images(tmp_path, "images/train/1.jpg", "images/test/1.jpg", "masks/1.png")
    with pytest.raises(InputError, match="have the same name"):
        find_pairs(tmp_path)


def test_find_pairs_shares_masks_of_no_split_between_splits(tmp_path):
    names = "images/train/1.jpg", "images/test/2.jpg", "masks/1.png", "masks/2.png", "masks/3.png"
    listing = find_pairs(write_images(tmp_path, *names))
    masks = {split: [pair.mask for pair in pairs] for split, pairs in listing.pairs.items()}
    assert masks == {"train": [tmp_path / "masks/1.png"], "test": [tmp_path / "masks/2.png"]}
    assert listing.unpaired_masks == {"": [tmp_path / "masks/3.png"]}


def test_find_pairs_lists_unpaired_files(tmp_path):
    names = *(f"images/{n}.jpg" for n in "abcd"), *(f"masks/{n}.png" for n in "dca"), "masks/x.png"
    listing = find_pairs(write_images(tmp_path, *names))
    assert {(p.image.stem, p.mask.stem) for p in listing.pairs[""]} == {("a", "a"), ("c", "c"), ("d", "d")}
    assert listing.unpaired_images[""] == [tmp_path / "images/b.jpg"]
    assert listing.unpaired_masks[""] == [tmp_path / "masks/x.png"]


@pytest.mark.parametrize(
    "names",
    [["images/a.jpg", "images/a.png", "masks/a.png"], ["images/a.jpg", "masks/a.png", "masks/a.bmp"],
     ["images/a.jpg", "masks/a.png", "masks/a_mask.png"], ["images/a.jpg", "masks/a.png", "GT/a.png"],
     ["a.jpg", "mask_a.png", "a_gt.png"]],
)  # fmt: skip
def test_find_pairs_names_both_files_of_one_name(names, tmp_path):
    with pytest.raises(InputError, match="have the same name") as error:
        find_pairs(write_images(tmp_path, *names))
    assert sum(str(tmp_path / name) in str(error.value) for name in names) == 2


def test_find_pairs_follows_links(tmp_path):
    write_images(tmp_path / "real", "images/a.jpg", "masks/a.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/link").symlink_to(tmp_path / "real")
    assert len(find_pairs(tmp_path / "data").pairs[""]) == 1


def test_find_images_enters_no_folder_twice(tmp_path):
    write_images(tmp_path, "a.jpg")
    (tmp_path / "again").symlink_to(tmp_path)
    assert set(find_images(tmp_path)) == {"a"}


def test_find_images_accepts_similar_names_without_masks(tmp_path):
    write_images(tmp_path, "a.jpg", "a_original.jpg", "photo_a.jpg")
    assert set(find_images(tmp_path)) == {"a", "a_original", "photo_a"}


def test_find_images_reads_no_annotations(tmp_path):
    write_images(tmp_path, "a.jpg")
    (tmp_path / "x.json").write_text("{")
    assert set(find_images(tmp_path)) == {"a"}


def test_match_pairs_the_images_and_masks_of_a_mixed_folder(tmp_path):
    write_images(tmp_path, "images/a_1.jpg", "masks/a_1_mask.png", "x/b.jpg", "x/b_mask.png")
    images, masks = find_images(tmp_path), find_masks(tmp_path)
    assert set(images) == {"a_1", "x/b"}
    assert match(images, masks) == {"a_1": "a_1_mask", "x/b": "x/b_mask"}


@pytest.mark.parametrize(
    ("names", "keys"),
    [(["dog.jpg", "face_mask.jpg"], {"dog", "face_mask"}),
     (["with_mask/a.jpg", "without_mask/b.jpg"], {"with/a", "without/b"}),
     (["a.jpg", "a_mask.png", "gas_mask.jpg"], {"a", "gas_mask"})],
)  # fmt: skip
def test_find_images_takes_a_mask_without_image_for_an_image(names, keys, tmp_path):
    assert set(find_images(write_images(tmp_path, *names))) == keys


def test_find_masks_takes_all_images_where_nothing_pairs(tmp_path):
    assert set(find_masks(write_images(tmp_path, "a.png", "gas_mask.png"))) == {"a", "gas_mask"}


def write_labelme(path, shapes=()):
    path.write_text(json.dumps({"shapes": shapes, "imageHeight": 20, "imageWidth": 30}))


def write_coco(path, names, annotations, **options):
    images = [{"id": i, "file_name": name, "width": 30, "height": 20} for i, name in enumerate(names, start=1)]
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": []}), **options)


def outline(image_id):
    return {"id": image_id, "image_id": image_id, "segmentation": [OBJECT_RING]}


def test_find_pairs_takes_masks_from_polygons(tmp_path):
    write_images(tmp_path, "train/a.jpg", "valid/b.jpg")
    write_labelme(tmp_path / "train/a.json", [{"label": "x", "points": OBJECT_POLYGON, "shape_type": "polygon"}])
    write_coco(tmp_path / "valid/_annotations.coco.json", ["b.jpg"], [outline(1)])
    check = check_pairs(find_pairs(tmp_path))
    assert check.errors == []
    assert {split: found.foreground for split, found in check.splits.items()} == {
        "train": [OBJECT_FRACTION],
        "val": [OBJECT_FRACTION],
    }


def test_find_pairs_gives_labelmes_polygons_to_the_image_beside_them(tmp_path):
    write_images(tmp_path, "p1/001.jpg", "p2/001.jpg")
    write_labelme(tmp_path / "p1/001.json")
    listing = find_pairs(tmp_path)
    assert [pair.image for pair in listing.pairs[""]] == [tmp_path / "p1/001.jpg"]
    assert listing.unpaired_images[""] == [tmp_path / "p2/001.jpg"]


def test_find_pairs_gives_cocos_polygons_to_the_image_in_the_named_folder(tmp_path):
    write_images(tmp_path, "p1/001.jpg", "p2/001.jpg")
    write_coco(tmp_path / "set.json", ["p1/001.jpg", "p2/001.jpg"], [outline(1)])
    pairs = find_pairs(tmp_path).pairs[""]
    assert {pair.image.parent.name: len(pair.mask.shapes) for pair in pairs} == {"p1": 1, "p2": 0}


def test_find_pairs_refuses_polygons_that_fit_two_images(tmp_path):
    write_images(tmp_path, "p1/001.jpg", "p2/001.jpg")
    write_coco(tmp_path / "set.json", ["001.jpg"], [])
    with pytest.raises(InputError, match=r"set\.json: fits both"):
        find_pairs(tmp_path)


@pytest.mark.parametrize(
    ("image", "json_file", "name", "split"),
    [("images/{}.jpg", "set.json", "images/{}.jpg", ""),
     ("train/images/{}.jpg", "set.json", "train/images/{}.jpg", "train"),
     ("images/{}.jpg", "train.json", "{}.jpg", "train"),
     ("train2017/{}.jpg", "ann/instances_train2017.json", "{}.jpg", "train")],
)  # fmt: skip
def test_find_pairs_understands_how_coco_names_images_and_splits(image, json_file, name, split, tmp_path):
    write_images(tmp_path, *(image.format(i) for i in (1, 2)))
    crowd = {"id": 3, "image_id": 1, "iscrowd": 1, "segmentation": {"counts": [], "size": [20, 30]}}
    names = [name.format(i) for i in (1, 2)]
    write_coco(tmp_path / json_file, names, [outline(1), outline(2), crowd])
    captions = [{"id": 1, "image_id": 1, "caption": "a"}]
    write_coco(tmp_path / "captions.json", names, captions, encoding="utf-8-sig")
    listing = find_pairs(tmp_path)
    assert {name: len(pairs) for name, pairs in listing.pairs.items() if pairs} == {split: 2}
    assert not any(listing.unpaired_images.values())
