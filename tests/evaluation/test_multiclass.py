"""Several classes: metrics against loops over pixels; folders, names, the command and its report."""

import csv
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import sam2unet
from sam2unet.data import class_colours
from sam2unet.errors import InputError
from sam2unet.evaluation import class_dice, class_iou, confusion, evaluate_multiclass, image_dice
from sam2unet.prediction import mask_image
from sam2unet.weights import save_model

RNG = np.random.default_rng(0)
NAMES = ["background", "leaf", "<stem> & root"]


def counted(found, truth, classes):
    """Per class the pixels right, wrongly found and missed, one pixel after the other."""
    right, wrong, missed = [0] * classes, [0] * classes, [0] * classes
    for f, t in zip(found.ravel().tolist(), truth.ravel().tolist(), strict=True):
        if t == 255:
            continue
        if f == t:
            right[t] += 1
        else:
            wrong[f] += 1
            missed[t] += 1
    return right, wrong, missed


def overlaps(found, truth, classes):
    iou, dice = [], []
    for r, w, m in zip(*counted(found, truth, classes), strict=True):
        iou.append(r / (r + w + m) if r + w + m else math.nan)
        dice.append(2 * r / (2 * r + w + m) if r + w + m else math.nan)
    return iou, dice


def index_maps(side, present):
    truth = RNG.choice([*present, 255], (side, side + 3)).astype(np.uint8)
    found = np.where(RNG.random(truth.shape) < 0.6, truth, RNG.choice(present, truth.shape)).astype(np.uint8)
    return np.where(found == 255, np.uint8(0), found), truth


@pytest.mark.parametrize("present", [(0, 1, 2, 3, 4), (0, 2, 4), (0,), (3,)])
def test_metrics_equal_a_loop_over_pixels(present):
    found, truth = index_maps(12, present)
    counts = confusion(found, truth, 5)
    brute = np.zeros((5, 5), int)
    for f, t in zip(found.flat, truth.flat, strict=True):
        if t != 255:
            brute[t, f] += 1
    np.testing.assert_array_equal(counts, brute)
    iou, dice = overlaps(found, truth, 5)
    np.testing.assert_allclose(class_iou(counts), iou)
    np.testing.assert_allclose(class_dice(counts), dice)
    either = [d for d in dice[1:] if not math.isnan(d)]
    assert image_dice(counts) == pytest.approx(sum(either) / len(either) if either else 1)


@pytest.fixture
def folders(tmp_path):
    """Predictions as `predict` writes them, and masks with ignored pixels; class 2 occurs nowhere."""
    (tmp_path / "out").mkdir()
    (tmp_path / "gt").mkdir()
    for i in range(4):
        found, truth = index_maps(10 + i, (0, 1, 3) if i else (0,))
        mask_image(found, 4).save(tmp_path / f"out/{i}.png")
        Image.fromarray(truth).save(tmp_path / f"gt/{i}.png")
    return tmp_path


def read(folder):
    return [np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))]


def test_the_set_is_one_confusion_matrix_and_absent_classes_count_nowhere(folders):
    metrics = sam2unet.evaluate(folders / "out", folders / "gt")
    found, truth = (np.concatenate([m.ravel() for m in read(folders / d)]) for d in ("out", "gt"))
    iou, dice = overlaps(found, truth, 4)
    for name, values in (("IoU", iou), ("Dice", dice)):
        present = [values[0], values[1], values[3]]
        assert metrics[f"m{name}"] == pytest.approx(sum(present) / 3)
        assert metrics[f"m{name}_foreground"] == pytest.approx(sum(present[1:]) / 2)
        assert [metrics[f"{name}/{i}"] for i in range(4)] == pytest.approx(values, nan_ok=True)
    assert math.isnan(metrics["IoU/2"])
    assert metrics["accuracy"] == pytest.approx((found == truth).sum() / (truth != 255).sum())
    assert metrics["images"] == 4
    each = evaluate_multiclass(folders / "out", folders / "gt").items
    assert [item.name for item in each] == ["0", "1", "2", "3"]
    assert each[0].dice == 1  # nothing but background


def test_grey_index_masks_of_other_tools_are_asked_for(folders):
    expected = sam2unet.evaluate(folders / "out", folders / "gt", classes=4)
    for path in (folders / "out").iterdir():
        Image.fromarray(np.asarray(Image.open(path))).save(path)
    assert sam2unet.evaluate(folders / "out", folders / "gt", classes=4) == pytest.approx(expected, nan_ok=True)
    assert "IoU/5" in sam2unet.evaluate(folders / "out", folders / "gt", classes=6)
    assert "MAE" in sam2unet.evaluate(folders / "gt", folders / "gt")


def test_a_hundred_classes_with_gaps_are_no_soft_edges(tmp_path):
    for folder in ("out", "gt"):
        (tmp_path / folder).mkdir()
    indices = np.arange(0, 150, 5, dtype=np.uint8).reshape(5, 6)
    Image.fromarray(indices).save(tmp_path / "out/a.png")
    mask_image(indices, 150).save(tmp_path / "gt/a.png")
    metrics = sam2unet.evaluate(tmp_path / "out", tmp_path / "gt", classes=150)
    assert metrics["mIoU"] == metrics["accuracy"] == 1


def change_names(text):
    return lambda root: (root / "out/classes.txt").write_text(text)


def paint(name, value, mode="L"):
    return lambda root: Image.new(mode, (14, 11), value).save(root / name)


@pytest.mark.parametrize(
    ("change", "classes", "message"),
    [(lambda r: None, 3, r"0.png|1.png: holds class 3, but there are 3 classes"),
     (paint("gt/1.png", 7), 4, r"gt/1.png: holds class 7, but there are 4 classes"),
     (paint("out/1.png", 255), None, r"out/1.png: holds 255"),
     (lambda r: (r / "out/1.png").unlink(), None, "lacks 1 of 4 predictions, such as 1.png"),
     (lambda r: mask_image(np.ones((9, 8), np.uint8), 4).save(r / "out/1.png"), None, "1.png is 8x9, but its mask"),
     (lambda r: (r / "out/1.png").write_bytes(b""), None, "1.png"),
     (paint("out/1.png", "red", "RGB"), None, "1.png: a mask of colours holds no class indices"),
     (lambda r: [Image.new("L", (13 + i, 10 + i), 255).save(r / f"gt/{i}.png") for i in range(4)], None, "0 and 255"),
     (change_names("a\nb\nc\n"), None, "holds class 3, but there are 3 classes"),
     (change_names("a\nb\nc\n"), 4, "classes.txt: names 3 classes, but classes is 4"),
     (change_names("a\nb\nc\nb\n"), None, "classes.txt: names 'b' twice"),
     (lambda r: (r / "out/classes.txt").write_bytes(b"\xff\xff"), None, "classes.txt: no UTF-8"),
     (lambda r: None, 0, "classes is 0"),
     (lambda r: None, 1, "has colours")],
)  # fmt: skip
def test_what_cannot_be_compared_is_named(change, classes, message, folders):
    change(folders)
    with pytest.raises(InputError, match=message):
        sam2unet.evaluate(folders / "out", folders / "gt", classes, strict=True)


@pytest.mark.parametrize("words", [["--strict"], ["--shard", "1/2"], ["--protocol", "polyp"], ["--beta2", "1"]])
def test_options_of_one_class_are_refused(words, folders, run):
    result = run("evaluate", folders / "out", folders / "gt", *words)
    assert result.code == 2
    assert f"{words[0]} is for one class" in result.err


def test_names_say_how_many_classes_and_what_polygons_mean(folders, tmp_path):
    (folders / "out/classes.txt").write_text("a\nb\nc\nd\ne\n")
    assert "Dice/e" in sam2unet.evaluate(folders / "out", folders / "gt")
    (tmp_path / "drawn").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "drawn/x.jpg")
    corners = [[2, 2], [9, 2], [9, 9], [2, 9]]
    shapes = [{"label": "d", "points": corners}, {"label": "b", "points": [[x + 9, y + 9] for x, y in corners]}]
    label_me = {"shapes": shapes, "imageWidth": 20, "imageHeight": 20}
    (tmp_path / "drawn/x.json").write_text(json.dumps(label_me))
    found = np.zeros((20, 20), np.uint8)
    found[2:10, 2:10], found[11:19, 11:19] = 3, 1
    mask_image(found, 5).save(folders / "out/x.png")
    metrics = sam2unet.evaluate(folders / "out", tmp_path / "drawn")
    assert [metrics[f"IoU/{name}"] for name in "abd"] == [1, 1, 1]


def test_predict_and_evaluate_three_named_classes(run, network, tmp_path):
    model = network(classes=3)
    model.card = replace(model.card, class_names=NAMES)
    save_model(model, tmp_path / "model.safetensors")
    for folder in ("images", "masks"):
        (tmp_path / "pairs" / folder).mkdir(parents=True)
    for i in range(3):
        pixels = RNG.integers(0, 256, (40 + i, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"pairs/images/{i}.png")
        Image.fromarray(index_maps(50, (0, 1, 2))[1][: 40 + i, :50]).save(tmp_path / f"pairs/masks/{i}.png")
    out, page = tmp_path / "out", tmp_path / "r.html"
    result = run("predict", tmp_path / "model.safetensors", tmp_path / "pairs", "--out", out, "--overlay",
                 "--save", "probability", "--device", "cpu")  # fmt: skip
    assert result.code == 0, result.err
    assert (out / "classes.txt").read_text().splitlines() == NAMES
    result = run("evaluate", out, tmp_path / "pairs", "--json", tmp_path / "m.json", "--csv", tmp_path / "m.csv",
                 "--html", page)  # fmt: skip
    assert result.code == 0, result.err
    expected = sam2unet.evaluate(out, tmp_path / "pairs")
    content = json.loads((tmp_path / "m.json").read_text())
    assert {k: math.nan if v is None else v for k, v in content["metrics"].items()} == pytest.approx(
        expected, nan_ok=True
    )
    found, truth = (np.concatenate([m.ravel() for m in read(d)]) for d in (out, tmp_path / "pairs/masks"))
    assert content["confusion"] == [[int(((truth == t) & (found == f)).sum()) for f in range(3)] for t in range(3)]
    assert content["class_names"] == NAMES
    assert re.search(rf"^leaf +{expected['IoU/leaf']:.4f} +{expected['Dice/leaf']:.4f}$", result.out, re.MULTILINE)
    assert re.search(rf"^mIoU_foreground +{expected['mIoU_foreground']:.4f}$", result.out, re.MULTILINE)
    with (tmp_path / "m.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows] == ["name", "0", "1", "2"]
    assert all(0 <= float(row[1]) <= 1 for row in rows[1:])
    text = page.read_text()
    assert "&lt;stem&gt; &amp; root" in text
    assert "<stem>" not in text
    assert all("rgb({}, {}, {})".format(*colour) in text for colour in class_colours(3))
    assert text.count("data:image/jpeg;base64,") == 3 * 3
    assert not re.findall(r'(?:src|href)="(?!data:)', text)  # nothing from outside


def test_nothing_to_measure_is_null_and_a_dash(run, folders):
    result = run(
        "evaluate", folders / "out", folders / "gt", "--json", folders / "m.json", "--html", folders / "r.html"
    )
    assert result.code == 0, result.err
    assert json.loads((folders / "m.json").read_text())["metrics"]["IoU/2"] is None
    assert re.search("^2 +– +–$", result.out, re.MULTILINE)
    assert "<td>–</td><td>–</td>" in (folders / "r.html").read_text()
    assert (folders / "r.html").read_text().count("data:image/jpeg;base64,") == 4 * 2  # no pictures at hand
