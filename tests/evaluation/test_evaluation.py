"""An evaluation of single pairs: what is skipped, what is remembered, and what merging keeps."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from sam2unet.errors import InputError
from sam2unet.evaluation import ConfusionMatrix, Evaluation, EvaluationPair, ImageScores, Options, Totals, score

from .samples import confusion_by_loop, read_all

BINARY, CLASSES = Options(mask_values="foreground=255"), Options(mask_values="classes")


def pair_of(root, name, predictions="maps"):
    return EvaluationPair(name, root / f"{predictions}/{name}.png", root / f"gt/{name}.png", None, None)


def process_all(root, evaluation, predictions="maps"):
    for path in sorted((root / predictions).glob("*.png")):
        evaluation.process(pair_of(root, path.stem, predictions))
    return evaluation


def test_process_returns_the_scores_of_a_map(folders):
    image = Evaluation(Options(0.4, 0.5, mask_values="foreground=255"), Totals()).process(pair_of(folders, "1"))
    expected = score(read_all(folders / "maps")[1], read_all(folders / "gt")[1], 0.4, 0.5)
    assert image.values == expected.values
    assert image.dice == expected.values["Dice"]
    np.testing.assert_array_equal(image.f_curve, expected.curves["F"].astype(np.float32))


def test_process_returns_the_mean_dice_of_classes(class_folders):
    evaluation = Evaluation(CLASSES, ConfusionMatrix(4))
    assert evaluation.process(pair_of(class_folders, "0000", "out")).values == {"mDice": 1}  # nothing but background
    image = evaluation.process(pair_of(class_folders, "0001", "out"))
    found, truth = read_all(class_folders / "out")[1], read_all(class_folders / "gt")[1]
    (_, first, _, third) = confusion_by_loop([found], [truth], 4)
    by_class = [2 * row[i] / (sum(row) + ((found == i) & (truth != 255)).sum()) for i, row in ((1, first), (3, third))]
    assert image.dice == pytest.approx(np.mean(by_class))


def spoil(kind, path):
    if kind == "broken":
        path.write_bytes(b"")
    elif kind == "missing":
        path.unlink()
    else:
        Image.open(path).resize((8, 9)).save(path)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("broken", "a broken prediction"), ("missing", "a broken prediction"), ("size", "a prediction of another size")],
)
@pytest.mark.parametrize(("predictions", "name"), [("maps", "1"), ("out", "0001")])
def test_process_skips_unusable_predictions_unless_strict(kind, reason, predictions, name, request):
    root = request.getfixturevalue("folders" if predictions == "maps" else "class_folders")
    spoil(kind, root / f"{predictions}/{name}.png")
    totals, options = (Totals(), BINARY) if predictions == "maps" else (ConfusionMatrix(4), CLASSES)
    evaluation = Evaluation(options, totals)
    assert evaluation.process(pair_of(root, name, predictions)) is None
    (sentence,) = evaluation.issues()
    assert sentence.startswith(f"1 of 1 images skipped, {reason}: {root / predictions / name}.png")
    assert evaluation.totals.images == 0
    with pytest.raises(InputError, match=f"{name}.png"):
        Evaluation(replace(options, strict=True), totals.empty()).process(pair_of(root, name, predictions))


@pytest.mark.parametrize(("predictions", "name"), [("maps", "1"), ("out", "0001")])
def test_process_raises_for_a_broken_mask(predictions, name, request):
    root = request.getfixturevalue("folders" if predictions == "maps" else "class_folders")
    (root / f"gt/{name}.png").write_bytes(b"")
    totals, options = (Totals(), BINARY) if predictions == "maps" else (ConfusionMatrix(4), CLASSES)
    with pytest.raises(InputError, match=f"gt/{name}.png"):
        Evaluation(options, totals).process(pair_of(root, name, predictions))


@pytest.mark.parametrize("folder", ["gt", "out"])
def test_process_raises_for_a_class_that_does_not_exist(folder, class_folders):
    Image.fromarray(np.full((11, 13), 7, np.uint8)).save(class_folders / f"{folder}/0001.png")
    with pytest.raises(InputError, match=f"{folder}/0001.png: holds class 7, but there are 4 classes"):
        Evaluation(CLASSES, ConfusionMatrix(4)).process(pair_of(class_folders, "0001", "out"))


@pytest.mark.parametrize(
    ("mode", "value", "issue"),
    [("RGB", "red and black", "colours (all but black is foreground)"),
     ("I;16", 300, "more than 8 bits (converted to 8 bits)"),
     ("L", 1, "no value above 1 (1 was read as a probability of 1/255)")],
)  # fmt: skip
def test_process_scores_unusual_maps_but_counts_them_unless_strict(mode, value, issue, folders):
    image = Image.new(mode, (50, 41), 0 if value == "red and black" else value)
    if mode == "RGB":
        image.paste("red", (10, 10, 30, 30))
    image.save(folders / "maps/1.png")
    evaluation = Evaluation(BINARY, Totals())
    assert evaluation.process(pair_of(folders, "1"))
    assert evaluation.issues() == [f"1 of 1 scored predictions have {issue}: {folders / 'maps/1.png'}"]
    with pytest.raises(InputError, match=r"1.png: has "):
        Evaluation(replace(BINARY, strict=True), Totals()).process(pair_of(folders, "1"))


def test_issues_name_three_cases():
    evaluation = Evaluation(Options(), Totals())
    evaluation.skip("no prediction", ["a", "b"])
    evaluation.skip("no prediction", ["c", "d"])
    assert evaluation.issues() == ["4 of 4 images skipped, no prediction: a, b, c, …"]


class WithDice(ImageScores):
    """Scores of an image with a given Dice."""

    def __init__(self, dice):
        super().__init__(f"{dice}", None, None, None, None, {"Dice": dice})


def test_merge_keeps_the_worst_and_the_best_images(rng):
    dice = rng.permutation(np.arange(40) / 40).tolist()
    merged = Evaluation(Options(), Totals())
    for part in (dice[:13], dice[13:14], [], dice[14:]):
        images = [WithDice(value) for value in part]
        merged.merge(Evaluation(Options(), Totals(), worst=images, best=images))
    assert [image.dice for image in merged.worst] == sorted(dice)[:12]
    assert [image.dice for image in merged.best] == sorted(dice)[: -8 - 1 : -1]


@pytest.mark.parametrize("predictions", ["maps", "out"])
def test_merge_of_parts_equals_the_whole(predictions, request):
    root = request.getfixturevalue("folders" if predictions == "maps" else "class_folders")
    totals, options = (Totals(), BINARY) if predictions == "maps" else (ConfusionMatrix(), CLASSES)
    whole = process_all(root, Evaluation(options, totals), predictions)
    merged = whole.empty()
    for path in sorted((root / predictions).glob("*.png"), reverse=True):
        part = whole.empty()
        part.process(pair_of(root, path.stem, predictions))
        merged.merge(part)
    assert merged.as_json() == whole.as_json()
    assert (merged.worst, merged.best) == (whole.worst, whole.best)


def test_dice_histogram_counts_images_by_twentieths(folders):
    evaluation = process_all(folders, Evaluation(BINARY, Totals()))
    images = [evaluation.empty().process(pair_of(folders, str(i))) for i in range(6)]
    expected, _ = np.histogram([image.dice for image in images], bins=20, range=(0, 1))
    assert evaluation.dice_histogram == expected.tolist()


@pytest.mark.parametrize("predictions", ["maps", "out"])
def test_from_json_restores_all_but_the_images(predictions, request):
    root = request.getfixturevalue("folders" if predictions == "maps" else "class_folders")
    Image.new("L", (9, 9)).save(root / predictions / ("1.png" if predictions == "maps" else "0001.png"))
    maps = predictions == "maps"
    totals, options = (Totals(), BINARY) if maps else (ConfusionMatrix(4, ["a", "b", "c", "d"]), CLASSES)
    options = replace(options, threshold=0.4)
    evaluation = process_all(root, Evaluation(options, totals), predictions)
    restored = Evaluation.from_json(json.loads(json.dumps(evaluation.as_json())))
    assert restored.as_json() == evaluation.as_json()
    assert restored.metrics() == pytest.approx(evaluation.metrics(), nan_ok=True)
    assert restored.options == options


@pytest.mark.parametrize("wrong", [{"threshold": 0}, {"threshold": 1.5}, {"beta2": -1}, {"beta2": float("inf")}])
def test_options_refuse_what_is_out_of_range(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Options(**wrong)


def test_process_leaves_ignored_pixels_and_those_outside_the_region_out(folders):
    found, truth = (read_all(folders / name)[1] for name in ("maps", "gt"))
    labels, region = (truth > 0).astype(np.uint8), np.zeros_like(truth)
    labels[:8], region[:, :40] = 255, 255
    Image.fromarray(labels).save(folders / "gt/1.png")
    Image.fromarray(region).save(folders / "region.png")
    pair = replace(pair_of(folders, "1"), roi=folders / "region.png")
    reading = "foreground=1,255:ignore"
    for ignored, rows in (("excluded", slice(8, None)), ("background", slice(None))):
        options = Options(mask_values=reading, ignored=ignored)
        expected = score(found[rows, :40], np.where(labels == 1, np.uint8(255), np.uint8(0))[rows, :40])
        image = Evaluation(options, Totals()).process(pair)
        assert image.values == pytest.approx(expected.values)


@pytest.mark.parametrize("totals", [Totals(), ConfusionMatrix(4)], ids=["one class", "classes"])
def test_process_skips_an_image_of_nothing_but_ignored_pixels(totals, folders):
    Image.new("L", (50, 41), 255).save(folders / "gt/1.png")
    Image.new("L", (50, 41), 1).save(folders / "maps/1.png")
    evaluation, pair = Evaluation(CLASSES, totals), pair_of(folders, "1")
    assert evaluation.process(pair) is None
    assert evaluation.issues() == [
        f"1 of 1 images skipped, nothing but ignored pixels in the mask: {pair.mask}: all pixels are ignored"
    ]


def test_process_resizes_a_mask_of_the_images_shape_to_the_image(folders):
    found, truth = (read_all(folders / name)[1] for name in ("maps", "gt"))
    Image.fromarray(np.repeat(np.repeat(truth, 2, 0), 2, 1)).save(folders / "gt/1.png")
    Image.fromarray(found).save(folders / "photo.png")
    pair = replace(pair_of(folders, "1"), image=folders / "photo.png")
    evaluation = Evaluation(BINARY, Totals())
    assert evaluation.process(pair).values == score(found, truth).values
    assert evaluation.issues() == [
        "1 of 1 masks have another size than their images, but the same shape (resized): " + str(folders / "gt/1.png")
    ]


def test_process_refuses_a_region_of_another_size(folders):
    Image.new("L", (9, 9)).save(folders / "region.png")
    with pytest.raises(InputError, match=r"region\.png: is 9x9, but its image 50x41"):
        Evaluation(BINARY, Totals()).process(replace(pair_of(folders, "1"), roi=folders / "region.png"))
