"""Images alone, masks alone, and files that belong to them."""

import numpy as np
import pytest
from PIL import Image

from sam2unet.data import DataOptions, MaskParts, Page, find_files, find_images, find_masks, match, match_files
from sam2unet.errors import InputError

from ..folders import write_images
from .photo import write_photo


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


@pytest.mark.parametrize(
    ("names", "keys"),
    [(["dog.jpg", "face_mask.jpg"], {"dog", "face_mask"}),
     (["with_mask/a.jpg", "without_mask/b.jpg"], {"with_mask/a", "without_mask/b"}),
     (["a.jpg", "a_mask.png", "gas_mask.jpg"], {"a", "gas_mask"}),
     (["p1/1.png", "p1/1_mask.png", "mask off/2.png"], {"p1/1", "mask off/2"}),
     (["images/1.png", "masks/1.png", "old masks/2.png"], {"1"})],
)  # fmt: skip
def test_find_images_takes_a_mask_without_image_for_an_image(names, keys, tmp_path):
    assert set(find_images(write_images(tmp_path, *names))) == keys


FOLDERS = ["2024-05-01", "2024_05_01", "scanA.v2", "Patient.01 left", "im-01", "train_images", "my photos", "mask off"]


def test_find_images_keeps_the_exact_names_of_folders(tmp_path):
    write_images(tmp_path, *(f"{folder}/1.png" for folder in FOLDERS))
    assert set(find_images(tmp_path)) == {f"{folder}/1" for folder in FOLDERS}


def test_find_images_removes_words_from_the_names_of_folders_with_masks_only(tmp_path):
    write_images(tmp_path, "a_images/1.png", "a_images/2.png", "a_masks/1.png", "b_images/1.png", "c.v2/images/1.png")
    assert set(find_images(tmp_path)) == {"a/1", "a/2", "b_images/1", "c.v2/1"}


def test_find_images_keeps_names_apart_that_words_distinguish(tmp_path):
    write_images(tmp_path, "images/1.png", "1.png")
    assert set(find_images(tmp_path)) == {"images/1", "1"}


def test_find_images_follows_patterns(tmp_path):
    write_images(tmp_path, "a.png", "a_vessel.png", "b.png")
    assert set(find_images(tmp_path, options=DataOptions(masks="*_vessel.png"))) == {"a", "b"}


def test_find_files_finds_all_files_under_their_own_names(tmp_path):
    names = ["images/a.png", "masks/a.png", "x/a_mask.png"]
    assert set(find_files(write_images(tmp_path, *names))) == {"images/a", "masks/a", "x/a_mask"}


def test_find_masks_takes_all_images_where_nothing_pairs(tmp_path):
    assert set(find_masks(write_images(tmp_path, "a.png", "gas_mask.png"))) == {"a", "gas_mask"}


@pytest.mark.parametrize("names", [["images/a.jpg"], ["photos/p1/a.jpg", "photos/p2/a.jpg"]])
def test_find_masks_takes_no_photographs_for_masks(names, tmp_path):
    with pytest.raises(InputError, match="but no masks"):
        find_masks(write_images(tmp_path, *names))


def test_find_masks_looks_at_files_of_which_no_name_tells_whether_they_are_photographs(tmp_path):
    write_photo(tmp_path / "a/1.png")
    write_photo(tmp_path / "b/2.png")
    with pytest.raises(InputError, match=r"holds 2 image\(s\), such as a/1\.png, but no masks:") as caught:
        find_masks(tmp_path)
    assert caught.value.parameters == ("masks",)
    write_images(tmp_path, "b/2.png")
    with pytest.raises(InputError, match=r"but no masks \(no word in the names of files such as b/2\.png"):
        find_masks(tmp_path)


@pytest.mark.parametrize("others", [["vessels/1.png"], ["x/p1.png"]])
def test_find_masks_asks_which_of_photographs_and_masks_to_take(others, tmp_path):
    write_photo(tmp_path / ("photos/1.png" if "vessels" in others[0] else "x/1.png"))
    with pytest.raises(InputError, match="have the names of images such as"):
        find_masks(write_images(tmp_path, *others))


@pytest.mark.parametrize("numbers", [np.arange(600).reshape(20, 30) // 5, np.eye(20, 30) * 255])
def test_find_masks_takes_numbered_objects_and_thin_lines_for_no_photographs(numbers, tmp_path):
    Image.fromarray(numbers.astype(np.uint8)).save(tmp_path / "a.png")
    assert set(find_masks(tmp_path)) == {"a"}


def test_find_masks_takes_a_small_object_in_a_jpeg_file_for_no_photograph(tmp_path):
    mask = np.zeros((48, 64), np.uint8)
    mask[20:25, 30:36] = 255
    Image.fromarray(mask).save(tmp_path / "a.jpg", quality=30)
    assert set(find_masks(tmp_path)) == {"a"}


def test_find_masks_says_what_it_found_instead_of_masks(tmp_path):
    write_photo(tmp_path / "a.png")
    (tmp_path / "a.xml").write_text("<Annotations/>")
    (tmp_path / "train.csv").write_text("ImageId,EncodedPixels\na.png,1 2\n")
    with pytest.raises(InputError, match=r"\(a\.xml: not annotations that can be read here; train\.csv: tables"):
        find_masks(tmp_path)


def test_find_images_takes_no_masks_in_a_folder_of_masks_beside_images(tmp_path):
    write_images(tmp_path, "images/a.jpg", "images/b.jpg", "masks/x.png", "masks/y.png")
    assert set(find_images(tmp_path)) == {"a", "b"}


def test_find_masks_names_masks_after_their_images(tmp_path):
    write_images(tmp_path, "images/p1/21_training.tif", "1st_manual/p1/21_manual1.gif", "1st_manual/p1/22_manual1.gif")
    assert find_masks(tmp_path) == {
        "p1/21_training": tmp_path / "1st_manual/p1/21_manual1.gif",
        "p1/22_manual1": tmp_path / "1st_manual/p1/22_manual1.gif",
    }


def test_find_masks_unites_the_masks_of_a_prediction_without_images(tmp_path):
    write_images(tmp_path / "masks", "a_mask.png", "a_mask_1.png", "b_mask.png")
    found = find_masks(tmp_path / "masks", named={name: tmp_path / f"{name}.png" for name in "ab"})
    parts = MaskParts((tmp_path / "masks/a_mask.png", tmp_path / "masks/a_mask_1.png"), (1, 1))
    assert found == {"a": parts, "b": tmp_path / "masks/b_mask.png"}


def test_find_masks_names_pages_as_predictions_of_frames_are(tmp_path):
    Image.new("L", (4, 3)).save(tmp_path / "s.tif", save_all=True, append_images=[Image.new("L", (4, 3), 1)])
    assert find_masks(tmp_path) == {f"s/{i:04}": Page(tmp_path / "s.tif", i) for i in range(2)}


def test_match_pairs_predictions_with_the_masks_of_a_mixed_folder(tmp_path):
    write_images(tmp_path, "images/a_1.jpg", "masks/a_1_mask.png", "x/b.jpg", "x/b_mask.png")
    images, masks = find_images(tmp_path), find_masks(tmp_path)
    assert match(images, masks) == {"a_1": "a_1", "x/b": "x/b"}


@pytest.mark.parametrize("name", ["a", "A", "a_mask", "a_pred", "masks/a", "p1/a"])
def test_match_accepts_what_methods_name_predictions(name, tmp_path):
    assert match({name: tmp_path / f"{name}.png"}, {"a": tmp_path / "gt/a.png"}) == {name: "a"}


def test_match_takes_no_prediction_of_another_folder(tmp_path):
    predictions = {key: tmp_path / f"out/{key}.png" for key in ("p1/1", "p2/1")}
    masks = {key: tmp_path / f"gt/{key}.png" for key in ("p1/1", "p3/1")}
    assert match(predictions, masks) == {"p1/1": "p1/1"}


def test_match_files_finds_the_region_of_interest_of_each_image(tmp_path):
    names = [f"{split}/mask/{i}_{split}_mask.gif" for split in ("training", "test") for i in (1, 2)]
    write_images(tmp_path, *names)
    keys = [f"{split}/{i}_{split}" for split in ("training", "test") for i in (1, 2)]
    assert match_files(keys, tmp_path, "mask/*") == {
        key: tmp_path / name for key, name in zip(keys, names, strict=True)
    }


def test_match_files_refuses_a_pattern_that_matches_nothing(tmp_path):
    with pytest.raises(InputError, match="no file matches") as caught:
        match_files(["a"], write_images(tmp_path, "a.png"), "roi/*")
    assert caught.value.parameters == ("roi",)
