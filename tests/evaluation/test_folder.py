"""Folders of one class and several: against PySODMetrics and loops, in processes and shards, and what is refused."""

import doctest
import json
import math
import subprocess
import sys

import numpy as np
import py_sod_metrics as sod
import pytest
from PIL import Image

import sam2unet
from sam2unet.data import check_pairs, find_pairs
from sam2unet.errors import InputError
from sam2unet.evaluation import Options, evaluate_folder, folder
from sam2unet.prediction import mask_image
from sam2unet.system import Shard

from .samples import confusion_by_loop, overlaps, read_all, write_classes, write_maps

AS_SAVED = ("Dice", "IoU", "precision", "recall", "specificity", "BER", "HD95", "ASD", "boundary_F")


def pysodmetrics(maps, masks):
    """PySODMetrics' values of a set, by our names."""
    with pytest.warns(UserWarning, match="FmeasureV2"):  # the older class, which the field's numbers come from
        mae, s, e, f, w = sod.MAE(), sod.Smeasure(), sod.Emeasure(), sod.Fmeasure(), sod.WeightedFmeasure()
    overlap = sod.FmeasureV2({
        "dice": sod.DICEHandler(with_dynamic=True, with_adaptive=False),
        "iou": sod.IOUHandler(with_dynamic=True, with_adaptive=False),
    })  # fmt: skip
    with np.errstate(all="ignore"):
        for found, truth in zip(maps, masks, strict=True):
            for metric in (mae, s, e, f, w, overlap):
                metric.step(pred=found, gt=truth)
    em, fm, both = e.get_results()["em"], f.get_results()["fm"], overlap.get_results()
    return {
        "MAE": mae.get_results()["mae"], "S": s.get_results()["sm"], "wF": w.get_results()["wfm"],
        "E_adaptive": em["adp"], "E_mean": em["curve"].mean(), "E_max": em["curve"].max(),
        "F_adaptive": fm["adp"], "F_mean": fm["curve"].mean(), "F_max": fm["curve"].max(),
        "mDice": both["dice"]["dynamic"].mean(), "mIoU": both["iou"]["dynamic"].mean(),
    }  # fmt: skip


def test_evaluate_equals_pysodmetrics(folders):
    metrics = sam2unet.evaluate(folders / "maps", folders / "gt")
    expected = pysodmetrics(read_all(folders / "maps"), read_all(folders / "gt"))
    assert set(metrics) == {*expected, *AS_SAVED, "images"}
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert metrics["images"] == 6


def test_evaluate_returns_dice_and_iou_of_the_maps_as_saved(folders):
    dice, iou = [], []
    for found, truth in zip(read_all(folders / "maps"), read_all(folders / "gt"), strict=True):
        a, b = found >= 128, truth > 128
        both, either = sum((a & b).flat), sum((a | b).flat)
        dice.append(2 * both / (a.sum() + b.sum()) if either else 1)
        iou.append(both / either if either else 1)
    metrics = sam2unet.evaluate(folders / "maps", folders / "gt")
    assert metrics["Dice"] == pytest.approx(np.mean(dice))
    assert metrics["IoU"] == pytest.approx(np.mean(iou))


def test_evaluate_uses_the_threshold_for_the_maps_as_saved_only(folders):
    high, low = (sam2unet.evaluate(folders / "maps", folders / "gt", threshold=t) for t in (0.8, 0.3))
    assert high["recall"] < low["recall"]
    assert high["E_mean"] == low["E_mean"]


def test_evaluate_uses_beta2(folders):
    reference = sod.FmeasureV2({"f": sod.FmeasureHandler(beta=2.5, with_adaptive=True, with_dynamic=True)})
    for found, truth in zip(read_all(folders / "maps"), read_all(folders / "gt"), strict=True):
        reference.step(pred=found, gt=truth)
    f = reference.get_results()["f"]
    metrics = sam2unet.evaluate(folders / "maps", folders / "gt", beta2=2.5)
    assert metrics["F_adaptive"] == pytest.approx(f["adaptive"], abs=1e-6)
    assert metrics["F_max"] == pytest.approx(f["dynamic"].max(), abs=1e-6)


def test_evaluate_prefers_probability_maps(folders):
    expected = sam2unet.evaluate(folders / "maps", folders / "gt")
    (folders / "out").mkdir()
    (folders / "maps").rename(folders / "out/probability")
    for i in range(6):
        Image.new("L", (50, 40 + i)).save(folders / f"out/{i}.png")
    assert sam2unet.evaluate(folders / "out", folders / "gt") == expected


def test_evaluate_warns_of_skipped_and_converted_predictions(folders, caplog):
    (folders / "maps/0.png").unlink()
    Image.new("L", (9, 9)).save(folders / "maps/1.png")
    (folders / "maps/3.png").write_bytes(b"")
    Image.new("RGB", (50, 44), "red").save(folders / "maps/4.png")
    metrics = sam2unet.evaluate(folders / "maps", folders / "gt")
    assert len(caplog.messages) == 4
    assert all("images skipped" in message for message in caplog.messages)
    assert metrics["images"] == 2
    for number in (0, 1, 3, 4):
        (folders / f"gt/{number}.png").unlink()
    assert sam2unet.evaluate(folders / "maps", folders / "gt", strict=True) == metrics


@pytest.mark.parametrize(
    ("change", "message"),
    [(lambda r: (r / "maps/4.png").unlink(), "lacks 1 of 6 predictions, such as 4.png"),
     (lambda r: Image.new("L", (9, 9)).save(r / "maps/4.png"), "4.png is 9x9, but its mask"),
     (lambda r: (r / "maps/4.png").write_bytes(b""), "4.png"),
     (lambda r: Image.new("RGB", (50, 44), "red").save(r / "maps/4.png"), "4.png: is in colours"),
     (lambda r: Image.new("I;16", (50, 44), 300).save(r / "maps/4.png"), "4.png: has more than 8 bits"),
     (lambda r: (r / "maps").rename(r / "moved"), "no such folder")],
    ids=["missing", "size", "broken", "colours", "16 bits", "no folder"],
)  # fmt: skip
def test_evaluate_strictly_refuses(change, message, folders):
    change(folders)
    with pytest.raises(InputError, match=message):
        sam2unet.evaluate(folders / "maps", folders / "gt", strict=True)


def test_evaluate_refuses_masks_of_0_and_1_but_not_a_faint_map(folders):
    Image.new("L", (50, 42), 1).save(folders / "maps/2.png")  # nearly certain that the object isn't there
    assert evaluate_folder(folders / "maps", folders / "gt").totals.images == 6
    for path in (folders / "maps").iterdir():
        Image.fromarray((np.asarray(Image.open(path)) >= 128).astype(np.uint8)).save(path)
    with pytest.raises(InputError, match="masks of 0 and 1"):
        sam2unet.evaluate(folders / "maps", folders / "gt")


def test_evaluate_needs_one_usable_prediction(class_folders):
    for path in (class_folders / "out").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"out: nothing could be scored: 4 of 4 images skipped, a broken prediction"):
        sam2unet.evaluate(class_folders / "out", class_folders / "gt", 4)


@pytest.fixture
def by_loop(class_folders):
    """The confusion matrix of the folders' four classes."""
    return confusion_by_loop(read_all(class_folders / "out"), read_all(class_folders / "gt"), 4)


def test_evaluate_several_classes_equals_a_loop_over_pixels(class_folders, by_loop):
    metrics = sam2unet.evaluate(class_folders / "out", class_folders / "gt")
    for name, values in zip(("IoU", "Dice"), overlaps(by_loop), strict=True):
        present = [values[0], values[1], values[3]]
        assert metrics[f"m{name}"] == pytest.approx(sum(present) / 3)
        assert metrics[f"m{name}_foreground"] == pytest.approx(sum(present[1:]) / 2)
        assert [metrics[f"{name}/{i}"] for i in range(4)] == pytest.approx(values, nan_ok=True)
    assert math.isnan(metrics["IoU/2"])
    assert metrics["accuracy"] == pytest.approx(sum(by_loop[i][i] for i in range(4)) / sum(map(sum, by_loop)))
    assert metrics["images"] == 4


def test_evaluate_takes_grey_predictions_as_classes_if_their_number_is_given(class_folders):
    expected = sam2unet.evaluate(class_folders / "out", class_folders / "gt", classes=4)
    for path in (class_folders / "out").iterdir():
        Image.fromarray(np.asarray(Image.open(path))).save(path)
    grey = sam2unet.evaluate(class_folders / "out", class_folders / "gt", classes=4)
    assert grey == pytest.approx(expected, nan_ok=True)
    assert "IoU/5" in sam2unet.evaluate(class_folders / "out", class_folders / "gt", classes=6)
    assert "MAE" in sam2unet.evaluate(class_folders / "out", class_folders / "gt")


def test_evaluate_names_as_many_classes_as_classes_txt(class_folders):
    (class_folders / "out/classes.txt").write_text("a\nb\nc\nd\ne\n")
    metrics = sam2unet.evaluate(class_folders / "out", class_folders / "gt")
    assert [name for name in metrics if name.startswith("Dice/")] == [f"Dice/{name}" for name in "abcde"]


def test_evaluate_reads_polygons_by_class_names(tmp_path):
    (tmp_path / "drawn").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/classes.txt").write_text("a\nb\nc\nd\n")
    Image.new("RGB", (20, 20)).save(tmp_path / "drawn/x.jpg")
    corners = [[2, 2], [9, 2], [9, 9], [2, 9]]
    shapes = [{"label": "d", "points": corners}, {"label": "b", "points": [[x + 9, y + 9] for x, y in corners]}]
    (tmp_path / "drawn/x.json").write_text(json.dumps({"shapes": shapes, "imageWidth": 20, "imageHeight": 20}))
    found = np.zeros((20, 20), np.uint8)
    found[2:10, 2:10], found[11:19, 11:19] = 3, 1
    mask_image(found, 4).save(tmp_path / "out/x.png")
    metrics = sam2unet.evaluate(tmp_path / "out", tmp_path / "drawn")
    assert [metrics[f"IoU/{name}"] for name in "abd"] == [1, 1, 1]


def test_evaluate_does_not_take_many_classes_for_soft_edges(tmp_path):
    for name in ("out", "gt"):
        (tmp_path / name).mkdir()
    indices = np.arange(0, 150, 5, dtype=np.uint8).reshape(5, 6)
    Image.fromarray(indices).save(tmp_path / "out/a.png")
    mask_image(indices, 150).save(tmp_path / "gt/a.png")
    metrics = sam2unet.evaluate(tmp_path / "out", tmp_path / "gt", classes=150)
    assert metrics["mIoU"] == metrics["accuracy"] == 1


def write_names(text):
    return lambda root: (root / "out/classes.txt").write_text(text)


@pytest.mark.parametrize(
    ("change", "classes", "message"),
    [(lambda r: None, 3, r"hold class 3 \(.*\d\.png.*, but there are 3 classes"),
     (write_names("a\nb\nc\n"), None, "but there are 3 classes"),
     (write_names("a\nb\nc\n"), 4, "classes.txt: names 3 classes, but classes is 4"),
     (lambda r: None, 0, "classes is 0"),
     (lambda r: [Image.new("L", (13, 10 + i), 255).save(r / f"gt/{i:04}.png") for i in range(4)], None,
      "gt: masks hold .*with several classes 255 is ignored")],
    ids=["too few classes", "too few names", "another number of names", "no class", "masks of one class"],
)  # fmt: skip
def test_evaluate_several_classes_refuses_whatever_strict(change, classes, message, class_folders):
    change(class_folders)
    for strict in (False, True):
        with pytest.raises(InputError, match=message):
            sam2unet.evaluate(class_folders / "out", class_folders / "gt", classes, strict=strict)


@pytest.mark.parametrize(
    ("change", "message"),
    [(lambda p: p.unlink(), "lacks 1 of 4 predictions, such as 0001.png"), (lambda p: p.write_bytes(b""), "0001.png"),
     (lambda p: mask_image(np.ones((9, 8), np.uint8), 4).save(p), "0001.png is 8x9, but its mask")],
    ids=["missing", "broken", "size"],
)  # fmt: skip
def test_evaluate_several_classes_skips_unless_strict(change, message, class_folders, caplog):
    change(class_folders / "out/0001.png")
    metrics = sam2unet.evaluate(class_folders / "out", class_folders / "gt")
    assert "1 of 4 images skipped" in caplog.text
    assert metrics["images"] == 3
    with pytest.raises(InputError, match=message):
        sam2unet.evaluate(class_folders / "out", class_folders / "gt", strict=True)
    for name in ("out", "gt"):
        (class_folders / name / "0001.png").unlink(missing_ok=True)
    rest = sam2unet.evaluate(class_folders / "out", class_folders / "gt", strict=True)
    assert metrics == pytest.approx(rest, nan_ok=True)


def test_evaluate_folder_reports_images_and_progress_in_order(folders):
    images, done = [], []
    result = evaluate_folder(
        folders / "maps", folders / "gt", on_image=images.append, progress=lambda *n: done.append(n)
    )
    assert [image.name for image in images] == [str(i) for i in range(6)]
    assert np.mean([image.values["MAE"] for image in images]) == pytest.approx(result.metrics()["MAE"])
    assert done == [(6, 6)]


@pytest.fixture(params=["one class", "several", "several, number given"])
def many(request, tmp_path, rng):
    """Predictions and masks of 70 images, of which one has no prediction, and the number of classes."""
    if request.param == "one class":
        write_maps(tmp_path, rng, 70)
        predictions = tmp_path / "maps"
    else:
        write_classes(tmp_path, rng, 70)
        predictions = tmp_path / "out"
    (predictions / "0007.png").unlink()
    return predictions, tmp_path / "gt", 6 if request.param.endswith("given") else None


def test_evaluate_folder_is_the_same_in_any_number_of_processes(many):
    predictions, masks, classes = many
    alone, together = (evaluate_folder(predictions, masks, classes=classes, processes=n) for n in (1, 3))
    assert alone.as_json() == together.as_json()
    assert [alone.worst, alone.best] == [together.worst, together.best]
    assert alone.totals.images == 69


@pytest.mark.parametrize("count", [2, 5, 40])
def test_evaluate_folder_is_the_same_in_any_number_of_shards(count, many):
    predictions, masks, classes = many
    whole = evaluate_folder(predictions, masks, classes=classes)
    parts = [evaluate_folder(predictions, masks, classes=classes, shard=Shard(i + 1, count)) for i in range(count)]
    assert sum(part.totals.images for part in parts) == 69
    assert {part.digest for part in parts} == {whole.digest}
    merged = parts[0]
    for part in parts[1:]:
        merged.merge(part)
    assert merged.as_json() == whole.as_json()


def test_evaluate_folder_of_several_classes_in_processes_and_shards_equals_a_loop(tmp_path, rng):
    write_classes(tmp_path, rng, 140)
    expected = confusion_by_loop(read_all(tmp_path / "out"), read_all(tmp_path / "gt"), 4)
    merged = evaluate_folder(tmp_path / "out", tmp_path / "gt", shard=Shard(1, 2), processes=2)
    merged.merge(evaluate_folder(tmp_path / "out", tmp_path / "gt", shard=Shard(2, 2), processes=2))
    assert merged.as_json()["confusion"] == expected


SCRIPT = """
import sam2unet
print(sam2unet.evaluate({maps!r}, {masks!r}, processes=2)["images"])
"""


@pytest.mark.parametrize("stdin", [False, True])
def test_evaluate_uses_processes_in_a_script_without_a_guard(stdin, tmp_path, rng):
    write_maps(tmp_path, rng, 70)
    script = SCRIPT.format(maps=str(tmp_path / "maps"), masks=str(tmp_path / "gt"))
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, "-" if stdin else str(tmp_path / "script.py")]
    done = subprocess.run(command, input=script * stdin, capture_output=True, text=True, check=True)
    assert done.stdout == "70\n", done.stderr


EVALUATE = """
import sys, sam2unet
print(sam2unet.evaluate(sys.argv[1], sys.argv[2], processes=1)["images"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_the_number_of_images(tmp_path, peak_of, rng):
    write_maps(tmp_path, rng, 100)
    peaks = []
    for number in (100, 1600):
        for name in ("maps", "gt"):
            for i in range(100, number):
                (tmp_path / name / f"{i:04}.png").hardlink_to(tmp_path / name / f"{i % 100:04}.png")
        images, peak = peak_of(EVALUATE, tmp_path / "maps", tmp_path / "gt")
        assert int(images) == number
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 5 * 1500 * 1024  # the curves of 1500 images take 20 MiB


def test_options_reach_the_evaluation(folders):
    result = evaluate_folder(folders / "maps", folders / "gt", Options(0.7, 1.5))
    assert result.options == Options(0.7, 1.5, mask_values="foreground=255")
    assert result.metrics() == sam2unet.evaluate(folders / "maps", folders / "gt", threshold=0.7, beta2=1.5)


def test_examples():
    assert doctest.testmod(folder).failed == 0


def test_evaluate_refuses_masks_of_0_and_255_in_16_bits_but_not_a_faint_map(folders):
    def widen(path, values):
        path.unlink()
        Image.fromarray(values.astype(np.uint16)).save(path)

    paths = sorted((folders / "maps").iterdir())
    widen(paths[2], np.full((42, 50), 200))
    assert evaluate_folder(folders / "maps", folders / "gt").totals.images == 6
    for path in paths:
        widen(path, 255 * (np.asarray(Image.open(path)) >= 128))
    with pytest.raises(
        InputError, match=r"maps: holds no value above 256 in files of 16 bits or more, such as .*\.png"
    ):
        sam2unet.evaluate(folders / "maps", folders / "gt")


def test_evaluate_blames_the_mask_if_the_prediction_has_the_images_size(tmp_path):
    for name, size in (("maps/a", (30, 20)), ("in/images/a", (30, 20)), ("in/masks/a", (20, 20))):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size, 255).save(tmp_path / f"{name}.png")
    with pytest.raises(InputError, match=r"images/a\.png is 30x20, but its mask .*masks/a\.png is 20x20: export"):
        sam2unet.evaluate(tmp_path / "maps", tmp_path / "in", strict=True)


def test_evaluate_remarks_on_the_folder_of_masks_what_check_does(tmp_path):
    truth = np.full((20, 30), 255, np.uint8)
    truth[5:10, 5:15] = 0  # inverted
    exif = Image.Exif()
    exif[0x0112] = 3
    for i in range(2):
        for name in ("maps", "in/images", "in/masks"):
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(truth).save(tmp_path / name / f"{i}.png", exif=exif if name == "in/images" else None)
    (tmp_path / "in/scan.nrrd").write_bytes(b"NRRD")
    found = check_pairs(find_pairs(tmp_path / "in"))
    assert len(found.warnings) == 3
    issues = evaluate_folder(tmp_path / "maps", tmp_path / "in").issues()
    assert sorted(issues) == sorted(found.warnings)


def test_evaluate_needs_no_readable_images(tmp_path):
    for name in ("maps", "in/images", "in/masks"):
        (tmp_path / name).mkdir(parents=True)
        Image.new("L", (30, 20), 255).save(tmp_path / name / "a.png")
    (tmp_path / "in/images/a.png").write_bytes(b"")
    assert sam2unet.evaluate(tmp_path / "maps", tmp_path / "in")["Dice"] == 1
