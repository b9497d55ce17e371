"""Matching predictions and masks, and telling one class from several."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam2unet.data import DataOptions, MaskParts, Page
from sam2unet.errors import InputError
from sam2unet.evaluation import find_predictions, is_multiclass
from sam2unet.evaluation.pairs import match_predictions, read_class_names
from sam2unet.prediction import mask_image


def touch(*paths, mode="L"):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, (4, 3)).save(path)


def test_match_predictions_ignores_the_usual_words_in_names(tmp_path):
    touch(tmp_path / "maps/b.png", tmp_path / "maps/a.png", tmp_path / "gt/a_mask.png", tmp_path / "gt/b_mask.png")
    pairs, missing = match_predictions(tmp_path / "maps", tmp_path / "gt")
    assert [(pair.name, pair.prediction, pair.mask, pair.image) for pair in pairs] == [
        (name, tmp_path / f"maps/{name}.png", tmp_path / f"gt/{name}_mask.png", None) for name in "ab"
    ]
    assert missing == []


def test_match_predictions_finds_the_images_beside_the_masks(tmp_path):
    touch(*(tmp_path / f"{folder}/a.png" for folder in ("maps", "pairs/masks", "pairs/images")))
    (pair,), _ = match_predictions(tmp_path / "maps", tmp_path / "pairs")
    assert (pair.mask, pair.image) == (tmp_path / "pairs/masks/a.png", tmp_path / "pairs/images/a.png")


def test_match_predictions_returns_masks_without_prediction(tmp_path):
    touch(tmp_path / "maps/a.png", tmp_path / "gt/a.png", tmp_path / "gt/b.png")
    pairs, missing = match_predictions(tmp_path / "maps", tmp_path / "gt", strict=False)
    assert [pair.name for pair in pairs] == ["a"]
    assert missing == [tmp_path / "gt/b.png"]
    with pytest.raises(InputError, match=r"lacks 1 of 2 predictions, such as b.png"):
        match_predictions(tmp_path / "maps", tmp_path / "gt", strict=True)


def test_match_predictions_needs_one_prediction_at_least(tmp_path):
    touch(tmp_path / "maps/c.png", tmp_path / "gt/a.png")
    with pytest.raises(InputError, match=r"lacks 1 of 1 predictions, such as a.png for .*; found .*c.png"):
        match_predictions(tmp_path / "maps", tmp_path / "gt", strict=False)


def test_match_predictions_evaluates_a_predicted_mask_without_image_only(tmp_path):
    """A mask with neither image nor prediction isn't missing: there was nothing to predict from."""
    touch(*(tmp_path / name for name in ("pairs/images/a.png", "pairs/masks/a.png", "pairs/masks/b.png",
                                         "pairs/masks/c.png", "maps/a.png", "maps/b.png")))  # fmt: skip
    pairs, missing = match_predictions(tmp_path / "maps", tmp_path / "pairs")
    assert [pair.name for pair in pairs] == ["a", "b"]
    assert missing == []


def test_find_predictions_prefers_probability_and_leaves_overlays_out(tmp_path):
    touch(*(tmp_path / f"{folder}a.png" for folder in ("", "overlays/", "probability/")))
    assert find_predictions(tmp_path) == {"a": tmp_path / "probability/a.png"}
    assert find_predictions(tmp_path, prefer_probability=False) == {"a": tmp_path / "a.png"}


def write_predictions(folder: Path, coloured: int, grey: int, broken: int):
    for i in range(coloured):
        mask_image(np.ones((3, 4), np.uint8), 4).save(folder / f"c{i}.png")
    for i in range(grey):
        Image.new("L", (4, 3)).convert("P").save(folder / f"g{i}.png")
    for i in range(broken):
        (folder / f"b{i}.png").write_bytes(b"")


@pytest.mark.parametrize(
    ("coloured", "grey", "broken", "expected"), [(2, 1, 0, True), (1, 1, 0, False), (2, 0, 1, True), (0, 3, 0, False)]
)
def test_is_multiclass_if_most_predictions_have_a_coloured_palette(coloured, grey, broken, expected, tmp_path):
    write_predictions(tmp_path, coloured, grey, broken)
    assert is_multiclass(tmp_path) is expected


def test_is_multiclass_follows_classes(tmp_path):
    assert not is_multiclass(tmp_path, 1)
    assert is_multiclass(tmp_path, 2)
    for classes in (0, 255):
        with pytest.raises(InputError, match=f"classes is {classes}"):
            is_multiclass(tmp_path, classes)


def test_read_class_names_reads_a_line_each(tmp_path):
    assert read_class_names(tmp_path) == []
    (tmp_path / "classes.txt").write_text("\ufeffa\n b \r\nc\n\n", encoding="utf-8")
    assert read_class_names(tmp_path, 3) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"a\nb\n", "names 2 classes, but classes is 4"), (b"a\nb\nc\nb\n", "names 'b' twice"),
     (b"\xff\xff", "not UTF-8")],
)  # fmt: skip
def test_read_class_names_refuses(content, message, tmp_path):
    (tmp_path / "classes.txt").write_bytes(content)
    with pytest.raises(InputError, match=rf"classes.txt: {message}"):
        read_class_names(tmp_path, 4)


def test_match_predictions_finds_predictions_named_after_images(tmp_path):
    names = ("images/21_training.png", "1st_manual/21_manual1.png", "mask/21_training_mask.png")
    touch(*(tmp_path / "pairs" / name for name in names), tmp_path / "maps/21_training.png")
    with pytest.raises(InputError, match="1st_manual"):
        match_predictions(tmp_path / "maps", tmp_path / "pairs")
    (pair,), missing = match_predictions(
        tmp_path / "maps", tmp_path / "pairs", options=DataOptions(masks="1st_manual/*"), roi="mask/*"
    )
    assert (pair.image, pair.mask, pair.roi) == tuple(tmp_path / "pairs" / name for name in names)
    assert missing == []


def test_match_predictions_refuses_an_image_without_region_of_interest(tmp_path):
    touch(*(tmp_path / name for name in ("pairs/images/a.png", "pairs/images/b.png", "pairs/masks/a.png",
                                         "pairs/masks/b.png", "pairs/roi/a.png", "maps/a.png",
                                         "maps/b.png")))  # fmt: skip
    with pytest.raises(InputError, match="1 of 2 images, such as b, have no region") as caught:
        match_predictions(tmp_path / "maps", tmp_path / "pairs", roi="roi/*")
    assert caught.value.parameters == ("roi",)


def test_match_predictions_pairs_the_pages_of_stacks(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / "pairs" / kind).mkdir(parents=True)
        Image.new("L", (4, 3)).save(
            tmp_path / f"pairs/{kind}/s.tif", save_all=True, append_images=[Image.new("L", (4, 3), 1)]
        )
    touch(tmp_path / "maps/s/0000.png", tmp_path / "maps/s/0001.png")
    pairs, missing = match_predictions(tmp_path / "maps", tmp_path / "pairs")
    assert [(pair.name, pair.image, pair.mask) for pair in pairs] == [
        (f"s/{i:04}", Page(tmp_path / "pairs/images/s.tif", i), Page(tmp_path / "pairs/masks/s.tif", i)) for i in (0, 1)
    ]
    assert missing == []


def test_match_predictions_unites_several_masks(tmp_path):
    masks = tmp_path / "gt/a_mask.png", tmp_path / "gt/a_mask_1.png"
    touch(*masks, tmp_path / "maps/a.png")
    ((pair,), _) = match_predictions(tmp_path / "maps", tmp_path / "gt")
    assert pair.mask == MaskParts(masks, (1, 1))


def test_match_predictions_takes_no_photographs_for_masks(tmp_path):
    touch(tmp_path / "photos/images/a.png", tmp_path / "maps/a.png")
    with pytest.raises(InputError, match=r"photos: holds 1 image.* but no masks"):
        match_predictions(tmp_path / "maps", tmp_path / "photos")
