"""Metrics against PySODMetrics and brute force; folders; the report."""

import json
import re

import numpy as np
import py_sod_metrics as sod
import pytest
from PIL import Image

import sam2unet
from sam2unet.errors import InputError
from sam2unet.evaluation import evaluate_each

RNG = np.random.default_rng(0)


def smooth(height, width):
    coarse = Image.fromarray(RNG.random((6, 8)).astype(np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture
def folders(tmp_path):
    """Maps that find their masks roughly; one mask and one map are empty."""
    (tmp_path / "maps").mkdir()
    (tmp_path / "gt").mkdir()
    for i in range(6):
        field = smooth(40 + i, 50)
        truth = (field > 0.55) * np.uint8(255) if i != 2 else np.zeros((42, 50), np.uint8)
        found = ((field + 0.1 * RNG.random(field.shape)).clip(0.2, 0.9) * 255).astype(np.uint8)
        if i == 3:
            found[:] = 0
        Image.fromarray(truth).save(tmp_path / f"gt/{i}.png")
        Image.fromarray(found).save(tmp_path / f"maps/{i}.png")
    return tmp_path


def read(folder):
    return [np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))]


def test_the_dict_equals_pysodmetrics(folders):
    metrics = sam2unet.evaluate(folders / "maps", folders / "gt")
    with pytest.warns(UserWarning, match="FmeasureV2"):  # the older class, which the field's numbers come from
        mae, s, e, f, w = sod.MAE(), sod.Smeasure(), sod.Emeasure(), sod.Fmeasure(), sod.WeightedFmeasure()
    overlap = sod.FmeasureV2(
        {
            "dice": sod.DICEHandler(with_dynamic=True, with_adaptive=False),
            "iou": sod.IOUHandler(with_dynamic=True, with_adaptive=False),
        }
    )
    with np.errstate(all="ignore"):
        for found, truth in zip(read(folders / "maps"), read(folders / "gt"), strict=True):
            for metric in (mae, s, e, f, w, overlap):
                metric.step(pred=found, gt=truth)
    em, fm, both = e.get_results()["em"], f.get_results()["fm"], overlap.get_results()
    expected = {
        "MAE": mae.get_results()["mae"], "S": s.get_results()["sm"], "wF": w.get_results()["wfm"],
        "E_adaptive": em["adp"], "E_mean": em["curve"].mean(), "E_max": em["curve"].max(),
        "F_adaptive": fm["adp"], "F_mean": fm["curve"].mean(), "F_max": fm["curve"].max(),
        "mDice": both["dice"]["dynamic"].mean(), "mIoU": both["iou"]["dynamic"].mean(),
    }  # fmt: skip
    assert set(metrics) == {*expected, "Dice", "IoU", "images"}
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value, abs=1e-6), name
    assert metrics["images"] == 6


def test_dice_and_iou_are_of_the_map_as_saved(folders):
    metrics = sam2unet.evaluate(folders / "maps", folders / "gt")
    dice, iou = [], []
    for found, truth in zip(read(folders / "maps"), read(folders / "gt"), strict=True):
        a, b = found >= 128, truth > 128
        both, either = sum((a & b).flat), sum((a | b).flat)
        dice.append(2 * both / (a.sum() + b.sum()) if either else 1)
        iou.append(both / either if either else 1)
    assert metrics["Dice"] == pytest.approx(np.mean(dice))
    assert metrics["IoU"] == pytest.approx(np.mean(iou))
    empty = evaluate_each(folders / "maps", folders / "gt")[2]
    assert empty.scores.dice == (1.0 if not (read(folders / "maps")[2] >= 128).any() else 0.0)


def test_perfect_and_empty_predictions(tmp_path):
    for name, masks in (("gt", (0, 255)), ("maps", (0, 255))):
        (tmp_path / name).mkdir()
        for i, value in enumerate(masks):
            picture = np.zeros((20, 20), np.uint8)
            picture[5:15, 5:15] = value
            Image.fromarray(picture).save(tmp_path / name / f"{i}.png")
    metrics = sam2unet.evaluate(tmp_path / "maps", tmp_path / "gt")
    assert metrics["Dice"] == metrics["IoU"] == 1
    assert metrics["MAE"] == 0


def test_names_match_through_suffixes_and_pairs_folders(folders, tmp_path):
    expected = sam2unet.evaluate(folders / "maps", folders / "gt")
    for i in range(6):
        (folders / f"gt/{i}.png").rename(folders / f"gt/{i}_mask.png")
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.new("RGB", (50, 40 + i)).save(tmp_path / f"images/{i}.jpg")
    assert sam2unet.evaluate(folders / "maps", folders / "gt") == expected
    (tmp_path / "pairs").mkdir()
    (folders / "gt").rename(tmp_path / "pairs/masks")
    (tmp_path / "images").rename(tmp_path / "pairs/images")
    items = evaluate_each(folders / "maps", tmp_path / "pairs")
    assert [item.image for item in items] == [tmp_path / f"pairs/images/{i}.jpg" for i in range(6)]
    assert sam2unet.evaluate(folders / "maps", tmp_path / "pairs") == expected


def test_probability_maps_are_preferred_and_overlays_left_out(folders):
    expected = sam2unet.evaluate(folders / "maps", folders / "gt")
    out = folders / "out"
    out.mkdir()
    (folders / "maps").rename(out / "probability")
    for i in range(6):
        for name in (f"{i}.png", f"overlays/{i}.png"):
            (out / name).parent.mkdir(exist_ok=True)
            Image.new("L", (50, 40 + i)).save(out / name)
    assert sam2unet.evaluate(out, folders / "gt") == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [(lambda r: (r / "maps/4.png").unlink(), "lacks 1 of 6 predictions, such as 4.png"),
     (lambda r: Image.new("L", (9, 9)).save(r / "maps/4.png"), "4.png is 9x9, but its mask"),
     (lambda r: (r / "maps/4.png").write_bytes(b""), "4.png"),
     (lambda r: Image.new("RGB", (50, 44), "red").save(r / "maps/4.png"), "4.png: has colours"),
     (lambda r: Image.new("I;16", (50, 44), 300).save(r / "maps/4.png"), "4.png: has more than 8 bits"),
     (lambda r: (r / "maps").rename(r / "moved"), "no such folder")],
)  # fmt: skip
def test_what_cannot_be_compared_is_named(change, message, folders):
    change(folders)
    with pytest.raises(InputError, match=message):
        sam2unet.evaluate(folders / "maps", folders / "gt")


def test_a_faint_map_is_a_map_but_masks_of_0_and_1_are_refused(folders):
    Image.new("L", (50, 42), 1).save(folders / "maps/2.png")  # the scene without the object, nearly sure of it
    assert evaluate_each(folders / "maps", folders / "gt")[2].scores.dice == 1
    for path in (folders / "maps").iterdir():
        Image.fromarray((np.asarray(Image.open(path)) >= 128).astype(np.uint8)).save(path)
    with pytest.raises(InputError, match="0 and 1"):
        sam2unet.evaluate(folders / "maps", folders / "gt")


def test_a_report_takes_pictures_of_another_size(folders, run):
    (folders / "pairs").mkdir()
    (folders / "gt").rename(folders / "pairs/masks")
    (folders / "pairs/images").mkdir()
    for i in range(6):
        Image.new("RGB", (100, 80)).save(folders / f"pairs/images/{i}.png")
    result = run("evaluate", folders / "maps", folders / "pairs", "--html", folders / "r.html")
    assert result.code == 0, result.err


def test_command_writes_json_csv_and_a_report_of_its_own(run, trained, scenes, tmp_path):
    out = tmp_path / "out"
    run(
        "predict",
        trained / "best.safetensors",
        scenes / "test",
        "--out",
        out,
        "--save",
        "probability",
        "--device",
        "cpu",
    )
    result = run("evaluate", out, scenes / "test", "--json", tmp_path / "m.json", "--csv", tmp_path / "m.csv",
                 "--html", tmp_path / "r.html", "--title", "<Scenes> & more")  # fmt: skip
    assert result.code == 0, result.err
    metrics = json.loads((tmp_path / "m.json").read_text())["metrics"]
    assert metrics == sam2unet.evaluate(out, scenes / "test")
    assert f"Dice         {metrics['Dice']:.4f}" in result.out
    assert len((tmp_path / "m.csv").read_text().splitlines()) == 4
    page = (tmp_path / "r.html").read_text()
    assert "&lt;Scenes&gt; &amp; more" in page
    assert f"{metrics['Dice']:.3f}" in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)  # nothing from outside
    assert page.count("data:image/jpeg;base64,") == 2 * 3
