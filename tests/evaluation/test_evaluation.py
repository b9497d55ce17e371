"""Metrics against PySODMetrics and brute force; folders; the report."""

import json
import re
import subprocess
import sys

import numpy as np
import py_sod_metrics as sod
import pytest
from PIL import Image

import sam2unet
from sam2unet.errors import InputError
from sam2unet.evaluation import Options, evaluate_folder
from sam2unet.evaluation.prediction_file import read_map

RNG = np.random.default_rng(0)
AS_SAVED = ("Dice", "IoU", "precision", "recall", "specificity", "BER", "HD95", "ASD", "boundary_F")


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
    assert set(metrics) == {*expected, *AS_SAVED, "images"}
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
    assert not read(folders / "gt")[2].any()
    assert dice[2] == (1.0 if not (read(folders / "maps")[2] >= 128).any() else 0.0)


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
    items = []
    evaluate_folder(folders / "maps", tmp_path / "pairs", on_picture=items.append)
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
        sam2unet.evaluate(folders / "maps", folders / "gt", strict=True)


def test_what_is_left_out_or_converted_is_said(folders, run):
    (folders / "maps/0.png").unlink()
    Image.new("L", (9, 9)).save(folders / "maps/1.png")
    wide = read(folders / "maps")[-1].astype(np.uint16) * 257
    (folders / "maps/3.png").write_bytes(b"")
    Image.fromarray(wide).save(folders / "maps/5.png")
    Image.new("RGB", (50, 44), "red").save(folders / "maps/4.png")
    result = run("evaluate", folders / "maps", folders / "gt", "--csv", folders / "s.csv")
    assert result.code == 1
    for words in ("1 of 6 have no prediction and no score: ", "gt/0.png", "1.png is 9x9", "3.png: broken",
                  "1 of 6 have colours, their luminance was taken: ", "1 of 6 have more than 8 bits"):  # fmt: skip
        assert words in result.err, words
    assert [line.split(",")[0] for line in (folders / "s.csv").read_text().splitlines()] == ["name", "2", "4", "5"]
    with pytest.warns(UserWarning, match="prediction|colours|8 bits") as said:
        metrics = sam2unet.evaluate(folders / "maps", folders / "gt")
    assert len(said) == 5
    assert metrics["images"] == 3
    for number, level in ((4, 76), (5, None)):  # Rec. 601's luminance of red is 76
        plain = np.full((44, 50), level, np.uint8) if level else (wide // 257).astype(np.uint8)
        Image.fromarray(plain).save(folders / f"maps/{number}.png")
    for number in (0, 1, 3):
        (folders / f"gt/{number}.png").unlink()
    assert sam2unet.evaluate(folders / "maps", folders / "gt", strict=True) == metrics


def test_a_faint_map_is_a_map_but_masks_of_0_and_1_are_refused(folders):
    Image.new("L", (50, 42), 1).save(folders / "maps/2.png")  # the scene without the object, nearly sure of it
    values = {}
    evaluate_folder(folders / "maps", folders / "gt", on_picture=lambda item: values.update({item.name: item.values}))
    assert values["2"]["Dice"] == 1
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


def many(folder, number, height=24, width=30):
    """Folders of so many maps and masks."""
    for name in ("maps", "gt"):
        (folder / name).mkdir()
    for i in range(number):
        field = smooth(height, width)
        Image.fromarray((field > 0.5) * np.uint8(255)).save(folder / f"gt/{i:04}.png")
        found = (field + 0.2 * RNG.random(field.shape)).clip(0, 1)
        Image.fromarray((found * 255).astype(np.uint8)).save(folder / f"maps/{i:04}.png")


def test_processes_and_machines_change_no_digit(tmp_path, run):
    many(tmp_path, 90)
    maps, masks = tmp_path / "maps", tmp_path / "gt"
    (maps / "0007.png").unlink()
    alone, together = (evaluate_folder(maps, masks, processes=n) for n in (1, 3))
    assert alone.as_json() == together.as_json()
    assert [alone.worst, alone.best] == [together.worst, together.best]
    assert alone.totals.images == 89
    for k in (1, 2, 3):
        run("evaluate", maps, masks, "--shard", f"{k}/3", "--json", tmp_path / f"{k}.json")
    parts = [tmp_path / f"{k}.json" for k in (3, 1, 2)]
    result = run("merge", *parts, "--json", tmp_path / "all.json")
    assert result.code == 1
    assert "1 of 90 have no prediction" in result.err
    found = json.loads((tmp_path / "all.json").read_text())
    assert found["metrics"] == alone.totals.metrics()
    assert found["kept"]["totals"] == alone.totals.as_json()
    cases = [(parts[:2], "not each share once: 1/3, 3/3"), ([*parts, parts[0]], "not each share once")]
    cases += [([tmp_path / "all.json", parts[0]], "not each share once"), ([maps / "0001.png"], "no share")]
    other = json.loads(parts[0].read_text())
    for number, (key, value) in enumerate((("shard", "x"), ("kept", {}), ("predictions", None))):
        (tmp_path / f"broken{number}.json").write_text(json.dumps(other | {key: value}))
        cases.append(([tmp_path / f"broken{number}.json"], "no share"))
    run("evaluate", maps, masks, "--shard", "1/3", "--json", tmp_path / "loose.json", "--threshold", "0.4")
    cases.append(([tmp_path / "loose.json", *parts[:1]], "with other options"))
    for wrong, words in cases:
        result = run("merge", *wrong)
        assert result.code == 2
        assert words in result.err


SCRIPT = """
import sam2unet
print(sam2unet.evaluate({maps!r}, {masks!r}, processes=2)["images"])
"""


def test_a_script_without_a_guard_and_standard_input_may_use_processes(tmp_path):
    many(tmp_path, 70)
    script = SCRIPT.format(maps=str(tmp_path / "maps"), masks=str(tmp_path / "gt"))
    (tmp_path / "script.py").write_text(script)
    for command, given in (([sys.executable, str(tmp_path / "script.py")], ""), ([sys.executable, "-"], script)):
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
        assert done.stdout == "70\n", done.stderr


def test_the_threshold_and_beta_are_used(folders):
    strict, loose = (sam2unet.evaluate(folders / "maps", folders / "gt", threshold=t) for t in (0.8, 0.3))
    assert strict["recall"] < loose["recall"]
    assert strict["E_mean"] == loose["E_mean"]
    maps, masks = read(folders / "maps"), read(folders / "gt")
    handler = {"f": sod.FmeasureHandler(beta=2.5, with_adaptive=True, with_dynamic=True)}
    reference = sod.FmeasureV2(handler)
    for found, truth in zip(maps, masks, strict=True):
        reference.step(pred=found, gt=truth)
    f = reference.get_results()["f"]
    metrics = sam2unet.evaluate(folders / "maps", folders / "gt", beta2=2.5)
    assert metrics["F_adaptive"] == pytest.approx(f["adaptive"], abs=1e-6)
    assert metrics["F_max"] == pytest.approx(f["dynamic"].max(), abs=1e-6)
    for wrong in ({"threshold": 0}, {"threshold": 1.5}, {"beta2": -1}, {"beta2": float("inf")}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Options(**wrong)


def test_a_protocol_chooses_what_is_shown(folders, run):
    result = run("evaluate", folders / "maps", folders / "gt", "--protocol", "mirror", "--latex", folders / "t.tex")
    metrics = sam2unet.evaluate(folders / "maps", folders / "gt")
    assert [line.split()[0] for line in result.out.splitlines()] == ["IoU", "F_max", "MAE", "images"]
    row = " & ".join(f"{metrics[name]:.3f}" for name in ("IoU", "F_max", "MAE"))
    assert rf"maps & {row} \\" in (folders / "t.tex").read_text()
    assert r"Method & IoU & F\_max & MAE \\" in (folders / "t.tex").read_text()
    assert "no task fish" in run("evaluate", folders / "maps", folders / "gt", "--protocol", "fish").err


EVALUATE = """
import sys, sam2unet
print(sam2unet.evaluate(sys.argv[1], sys.argv[2], processes=1)["images"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read as Linux tells it")
def test_memory_does_not_grow_with_the_pictures(tmp_path, peak_of):
    many(tmp_path, 100)
    peaks = []
    for number in (100, 1600):
        for name in ("maps", "gt"):
            for i in range(100, number):
                (tmp_path / name / f"{i:04}.png").hardlink_to(tmp_path / name / f"{i % 100:04}.png")
        images, peak = peak_of(EVALUATE, tmp_path / "maps", tmp_path / "gt")
        assert int(images) == number
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 5 * 1500 * 1024  # the curves of 1500 pictures take 20 MiB


def test_shares_may_be_empty_or_faint(folders, run):
    for i in range(6):
        if i != 4:
            for name in ("gt", "maps"):
                (folders / f"{name}/{i}.png").unlink() if i > 2 else None
    Image.new("L", (50, 40), 1).save(folders / "maps/0.png")
    whole = evaluate_folder(folders / "maps", folders / "gt")
    parts = [folders / f"{k}.json" for k in range(1, 8)]
    for k, part in enumerate(parts, start=1):
        assert run("evaluate", folders / "maps", folders / "gt", "--shard", f"{k}/7", "--json", part).code == 0
    assert run("evaluate", folders / "maps", folders / "gt", "--shard", "7/7", "--protocol", "polyp").code == 0
    nothing = run("evaluate", folders / "maps", folders / "gt", "--shard", "7/7", "--html", folders / "r.html")
    assert (nothing.code, "no picture to report on" in nothing.err) == (2, True)
    result = run("merge", *parts, "--json", folders / "all.json")
    assert result.code == 0, result.err
    assert "1 of 4 have no value above 1, which was taken as 1 of 255" in result.err
    assert json.loads((folders / "all.json").read_text())["metrics"] == whole.totals.metrics()


@pytest.mark.parametrize("values", [[0.2, 300], [0.5, float("nan")], [-3, 0.5], [0, 70000]])
def test_floats_that_are_no_probabilities_are_refused(values, tmp_path):
    Image.fromarray(np.array([values], np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="no probabilities"):
        read_map(tmp_path / "a.tif")


def test_wide_maps_are_on_one_scale(tmp_path):
    for values, kind, expected in (
        ([0, 199, 65535], np.uint16, [0, 0, 255]), ([0, 0.5, 1], np.float32, [0, 127, 255]),
        ([0, 100, 200], np.float32, [0, 100, 200]),
    ):  # fmt: skip
        Image.fromarray(np.array([values], kind)).save(tmp_path / "a.tif")
        grey, odd = read_map(tmp_path / "a.tif")
        assert grey.tolist() == [expected]
        assert odd == "more than 8 bits"


def test_a_mask_with_a_prediction_counts_without_its_picture(folders):
    expected = sam2unet.evaluate(folders / "maps", folders / "gt")
    (folders / "pairs/images").mkdir(parents=True)
    (folders / "gt").rename(folders / "pairs/masks")
    Image.new("RGB", (50, 40)).save(folders / "pairs/images/0.jpg")
    assert sam2unet.evaluate(folders / "maps", folders / "pairs") == expected


def test_signs_of_latex_are_escaped(folders, run):
    (folders / "maps").rename(folders / "50% & #1_x")
    run("evaluate", folders / "50% & #1_x", folders / "gt", "--latex", folders / "t.tex", "--protocol", "polyp")
    assert r"50\% \& \#1\_x & 0." in (folders / "t.tex").read_text()
