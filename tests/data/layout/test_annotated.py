"""Annotations are given to the images that they belong to."""

import json

import numpy as np
import pytest

from sam2unet.data import DataOptions, find_masks, find_pairs
from sam2unet.errors import InputError

from ..folders import OBJECT, OBJECT_POLYGON, OBJECT_RING, write_images


def write_labelme(path, shapes=(), size=(30, 20)):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"shapes": shapes, "imageWidth": size[0], "imageHeight": size[1]}))


def write_coco(path, names, annotations, **options):
    images = [{"id": i, "file_name": name, "width": 30, "height": 20} for i, name in enumerate(names, start=1)]
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": []}), **options)


def outline(image_id):
    return {"id": image_id, "image_id": image_id, "segmentation": [OBJECT_RING]}


POLYGON = {"label": "x", "points": OBJECT_POLYGON, "shape_type": "polygon"}


def test_find_pairs_takes_masks_from_annotations(tmp_path):
    write_images(tmp_path, "train/a.jpg", "valid/b.jpg", "test/c.jpg")
    write_labelme(tmp_path / "train/a.json", [POLYGON])
    write_coco(tmp_path / "valid/_annotations.coco.json", ["b.jpg"], [outline(1)])
    write_labelme(tmp_path / "test/c.json", [POLYGON], size=(None, None))  # the image's own size is taken
    pairs = find_pairs(tmp_path).pairs
    assert pairs.keys() == {"train", "val", "test"}
    for (pair,) in pairs.values():
        np.testing.assert_array_equal(pair.mask.draw() > 0, OBJECT > 0)


@pytest.mark.parametrize(
    ("image", "annotation"),
    [("images/train/a.jpg", "labels/train/a.json"), ("images/a.jpg", "json/a.json"), ("images/a.jpg", "images/a.json"),
     ("img/a.jpg", "ann/a.json"), ("a.jpg", "a.json")],
)  # fmt: skip
def test_find_pairs_finds_annotations_in_mirrored_folders(image, annotation, tmp_path):
    for patient in ("p1", "p2"):
        write_images(tmp_path / patient, image)
        write_labelme(tmp_path / patient / annotation, [POLYGON])
    (pairs,) = find_pairs(tmp_path).pairs.values()
    assert {(pair.image, pair.mask.file) for pair in pairs} == {
        (tmp_path / patient / image, tmp_path / patient / annotation) for patient in ("p1", "p2")
    }


def test_find_pairs_gives_labelmes_polygons_to_the_image_beside_them(tmp_path):
    write_images(tmp_path, "p1/001.jpg", "p2/001.jpg")
    write_labelme(tmp_path / "p1/001.json")
    write_labelme(tmp_path / "p2/002.json", [POLYGON])
    listing = find_pairs(tmp_path)
    assert [pair.image for pair in listing.pairs[""]] == [tmp_path / "p1/001.jpg"]
    assert listing.unpaired_images[""] == [tmp_path / "p2/001.jpg"]
    assert listing.unpaired_masks[""] == [tmp_path / "p2/002.json"]


@pytest.mark.parametrize(
    "names", [["p1/001.jpg", "p2/001.jpg"], ["/data/upload/p1/001.jpg", "https://host/p2/001.jpg?x=1"]]
)
def test_find_pairs_gives_cocos_outlines_to_the_image_in_the_named_folder(names, tmp_path):
    write_images(tmp_path, "p1/001.jpg", "p2/001.jpg")
    write_coco(tmp_path / "set.json", names, [outline(1)])
    pairs = find_pairs(tmp_path).pairs[""]
    assert {pair.image.parent.name: len(pair.mask.shapes) for pair in pairs} == {"p1": 1, "p2": 0}


def test_find_pairs_gives_cocos_outlines_to_the_image_near_the_file(tmp_path):
    for patient in ("p1", "p2"):
        write_images(tmp_path, f"{patient}/images/001.jpg")
        write_coco(tmp_path / patient / "annotations.json", ["001.jpg"], [outline(1)])
    assert {pair.image.parts[-3] == pair.mask.file.parts[-2] for pair in find_pairs(tmp_path).pairs[""]} == {True}


def test_find_pairs_refuses_outlines_that_fit_two_images(tmp_path):
    write_images(tmp_path, "p1/001.jpg", "p2/001.jpg")
    write_coco(tmp_path / "set.json", ["001.jpg"], [])
    with pytest.raises(InputError, match=r"set\.json: 001\.jpg fits both"):
        find_pairs(tmp_path)


def test_find_pairs_refuses_two_names_for_one_image(tmp_path):
    write_images(tmp_path, "001.jpg")
    write_coco(tmp_path / "set.json", ["p1/001.jpg", "p2/001.jpg"], [outline(1)])
    with pytest.raises(InputError, match=r"p1/001\.jpg and p2/001\.jpg both fit"):
        find_pairs(tmp_path)


def test_find_pairs_counts_annotated_images_that_are_not_there(tmp_path):
    write_images(tmp_path, "a.jpg")
    write_coco(tmp_path / "set.json", ["a.jpg", "b.jpg", "c.jpg"], [outline(1)])
    listing = find_pairs(tmp_path)
    assert len(listing.pairs[""]) == 1
    assert listing.remarks == [f"{tmp_path / 'set.json'}: annotates 2 images that are not in the folder: b.jpg, c.jpg"]


def test_find_pairs_counts_images_that_are_left_out_because_of_boxes(tmp_path):
    write_images(tmp_path, "a.jpg", "b.jpg")
    box = {"id": 2, "image_id": 2, "segmentation": [], "bbox": [1, 1, 5, 5]}
    write_coco(tmp_path / "set.json", ["a.jpg", "b.jpg"], [outline(1), box])
    with pytest.raises(InputError, match="box") as caught:
        find_pairs(tmp_path)
    assert caught.value.parameters == ("boxes",)
    listing = find_pairs(tmp_path, DataOptions(boxes="skip"))
    assert not any(listing.unpaired_images.values())
    assert [path for files in listing.unread.values() for path in files] == [tmp_path / "b.jpg"]
    assert sum(listing.skipped.values()) == 1


def test_find_pairs_counts_files_of_boxes_only(tmp_path):
    write_images(tmp_path, "a.jpg", "a_mask.png")
    write_coco(tmp_path / "boxes.json", ["a.jpg"], [{"id": 1, "image_id": 1, "bbox": [1, 1, 5, 5]}])
    listing = find_pairs(tmp_path)
    assert [pair.mask for pair in listing.pairs[""]] == [tmp_path / "a_mask.png"]
    assert listing.unread == {"annotations without outlines": [tmp_path / "boxes.json"]}


def test_find_pairs_says_why_nothing_can_be_drawn(tmp_path):
    write_images(tmp_path, "a.jpg")
    write_labelme(tmp_path / "a.json", [{"label": "crack", "points": [[1, 1], [9, 9]], "shape_type": "linestrip"}])
    with pytest.raises(InputError, match=r"a\.json: outlines no object; .*lines.*\(1\)") as caught:
        find_pairs(tmp_path)
    assert caught.value.parameters == ("line_width",)
    assert len(find_pairs(tmp_path, DataOptions(line_width=3)).pairs[""]) == 1


@pytest.mark.parametrize(("pattern", "is_annotation"), [("masks/*", False), ("*.json", True)])
def test_find_pairs_asks_which_of_mask_and_annotation_to_take(pattern, is_annotation, tmp_path):
    write_images(tmp_path, "images/a.jpg", "masks/a.png")
    write_coco(tmp_path / "set.json", ["a.jpg"], [outline(1)])
    with pytest.raises(InputError, match=r"masks/\*' or 'set\.json'") as caught:
        find_pairs(tmp_path)
    assert caught.value.parameters == ("masks",)
    (pair,) = find_pairs(tmp_path, DataOptions(masks=pattern)).pairs[""]
    assert hasattr(pair.mask, "draw") == is_annotation


def test_find_pairs_asks_with_a_pattern_for_the_annotations_of_all_splits(tmp_path):
    for split in ("train", "test"):
        write_images(tmp_path, f"{split}/Image/{split}1.jpg", f"{split}/GT/{split}1.png")
        write_coco(tmp_path / f"{split}/Instances_{split}.json", [f"{split}1.jpg"], [outline(1)])
    with pytest.raises(InputError, match=r"'GT/\*' or 'Instances_\*\.json'"):
        find_pairs(tmp_path)
    listing = find_pairs(tmp_path, DataOptions(masks="Instances_*.json"))
    assert {split: len(pairs) for split, pairs in listing.pairs.items()} == {"train": 1, "test": 1}


def test_find_pairs_takes_the_instances_of_coco_rather_than_the_keypoints(tmp_path):
    write_images(tmp_path, "val2017/1.jpg", "val2017/2.jpg")
    for name, rings in (("instances", [outline(1), outline(2)]), ("person_keypoints", [outline(1)])):
        write_coco(tmp_path / f"annotations/{name}_val2017.json", ["1.jpg", "2.jpg"], rings)
    listing = find_pairs(tmp_path)
    assert {pair.mask.file.name for pair in listing.pairs["val"]} == {"instances_val2017.json"}
    assert listing.unread == {
        "left out, as instances_*2017.json are the masks": [tmp_path / "annotations/person_keypoints_val2017.json"]
    }


@pytest.mark.parametrize(
    "name", ["/data/upload/1/0af3b2c1-a.jpg", "0af3b2c1-a.jpg", "../media/upload/1/0af3b2c1-a.jpg"]
)
def test_find_pairs_knows_the_prefix_of_label_studios_uploads(name, tmp_path):
    write_coco(tmp_path / "result.json", [name], [outline(1)])
    assert len(find_pairs(write_images(tmp_path, "images/a.jpg")).pairs[""]) == 1


def test_find_pairs_takes_the_name_with_label_studios_prefix_first(tmp_path):
    write_coco(tmp_path / "result.json", ["0af3b2c1-a.jpg"], [outline(1)])
    (pair,) = find_pairs(write_images(tmp_path, "a.jpg", "0af3b2c1-a.jpg")).pairs[""]
    assert pair.image.name == "0af3b2c1-a.jpg"


def test_find_pairs_counts_texts_that_belong_to_no_image(tmp_path):
    write_images(tmp_path, "images/a1.jpg", "masks/a1.png")
    (tmp_path / "train.txt").write_text("images/a1.jpg masks/a1.png\n")
    (tmp_path / "track.txt").write_text("1 0 3 0 5\n2 0 3 0 7\n")
    unread = find_pairs(tmp_path).unread
    assert unread.pop("not annotations that can be read here") == [tmp_path / "track.txt"]
    ((reason, files),) = unread.items()
    assert reason.startswith("lists of names")
    assert files == [tmp_path / "train.txt"]


def test_find_pairs_takes_masks_by_suffix_beside_a_list_of_names(tmp_path):
    write_images(tmp_path, "train/a.jpg", "train/a.png")
    (tmp_path / "train.txt").write_text("train/a.jpg train/a.png\n")
    assert len(find_pairs(tmp_path).pairs["train"]) == 1


def test_find_pairs_asks_whether_masks_of_the_same_name_or_annotations_beside_photographs_are_meant(tmp_path):
    write_images(tmp_path, "a.jpg", "a.png")
    write_labelme(tmp_path / "a.json", [POLYGON])
    with pytest.raises(InputError, match=r"'\*\.png' or '\*\.json'"):
        find_pairs(tmp_path)
    (pair,) = find_pairs(tmp_path, DataOptions(masks="*.png")).pairs[""]
    assert pair.mask == tmp_path / "a.png"
    listing = find_pairs(tmp_path, DataOptions(masks="*.json"))
    assert listing.pairs[""][0].image == tmp_path / "a.jpg"
    assert listing.unread == {"matched by neither pattern": [tmp_path / "a.png"]}


def test_find_pairs_counts_tables_of_annotations_but_no_others(tmp_path):
    write_images(tmp_path, "a.jpg", "a_mask.png")
    (tmp_path / "train.csv").write_text("ImageId,EncodedPixels\na.jpg,1 2\n")
    (tmp_path / "classes.csv").write_text("name,r,g,b\n")
    ((reason, files),) = find_pairs(tmp_path).unread.items()
    assert reason.startswith("tables of annotations")
    assert files == [tmp_path / "train.csv"]


def test_find_pairs_numbers_the_labels_of_all_files_together(tmp_path):
    write_images(tmp_path, "a.jpg", "b.jpg")
    for name, label in (("a", "polyp"), ("b", "tool")):
        write_labelme(tmp_path / f"{name}.json", [POLYGON | {"label": label}])
    options = DataOptions(classes=3, class_names=("background", "tool", "polyp"))
    masks = {pair.key: pair.mask.draw().max() for pair in find_pairs(tmp_path, options).pairs[""]}
    assert masks == {"a": 2, "b": 1}
    assert {key: mask.draw().max() for key, mask in find_masks(tmp_path, options).items()} == masks


@pytest.mark.parametrize(
    ("image", "json_file", "name", "split"),
    [("images/{}.jpg", "set.json", "images/{}.jpg", ""),
     ("train/images/{}.jpg", "set.json", "train/images/{}.jpg", "train"),
     ("images/{}.jpg", "train.json", "{}.jpg", "train"),
     ("train2017/{}.jpg", "ann/instances_train2017.json", "{}.jpg", "train"),
     ("images/{}.JPG", "set.json", "{}.jpg", "")],
)  # fmt: skip
def test_find_pairs_understands_how_coco_names_images_and_splits(image, json_file, name, split, tmp_path):
    write_images(tmp_path, *(image.format(i) for i in (1, 2)))
    names = [name.format(i) for i in (1, 2)]
    write_coco(tmp_path / json_file, names, [outline(1), outline(2)])
    captions = [{"id": 1, "image_id": 1, "caption": "a"}]
    write_coco(tmp_path / "captions.json", names, captions, encoding="utf-8-sig")
    listing = find_pairs(tmp_path)
    assert {name: len(pairs) for name, pairs in listing.pairs.items() if pairs} == {split: 2}
    assert not any(listing.unpaired_images.values())
