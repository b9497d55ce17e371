"""sam2unet evaluate and evaluate-merge."""

import csv
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import sam2unet
from sam2unet.prediction import mask_image
from sam2unet.weights import save_model

from ..evaluation.samples import confusion_by_loop, read_all, write_classes, write_maps


@pytest.fixture
def maps(tmp_path, rng):
    """maps/ and gt/ with five images of one class."""
    write_maps(tmp_path, rng, 5)
    return tmp_path


@pytest.fixture
def class_masks(tmp_path, rng):
    """out/ and gt/ with five images of four classes."""
    write_classes(tmp_path, rng, 5)
    return tmp_path


def test_evaluate_writes_json_csv_and_a_report(run, maps):
    result = run("evaluate", maps / "maps", maps / "gt", "--json", maps / "m.json", "--csv", maps / "m.csv",
                 "--html", maps / "r.html", "--title", "<Scenes> & more")  # fmt: skip
    assert result.code == 0, result.err
    metrics = json.loads((maps / "m.json").read_text())["metrics"]
    assert metrics == sam2unet.evaluate(maps / "maps", maps / "gt")
    assert f"Dice         {metrics['Dice']:.4f}" in result.out
    assert len((maps / "m.csv").read_text().splitlines()) == 6
    assert "&lt;Scenes&gt; &amp; more" in (maps / "r.html").read_text()


def test_evaluate_reads_what_predict_writes(run, trained, scenes, tmp_path):
    out = tmp_path / "out"
    run("predict", trained / "best.safetensors", scenes / "test", "--out", out, "--save", "probability",
        "--device", "cpu")  # fmt: skip
    result = run("evaluate", out, scenes / "test", "--json", tmp_path / "m.json")
    assert result.code == 0, result.err
    found = json.loads((tmp_path / "m.json").read_text())
    assert found["metrics"] == sam2unet.evaluate(out / "probability", scenes / "test")


def test_evaluate_names_what_it_skips_and_converts(run, maps):
    (maps / "maps/0000.png").unlink()
    Image.new("L", (9, 9)).save(maps / "maps/0001.png")
    (maps / "maps/0003.png").write_bytes(b"")
    Image.new("RGB", (30, 24), "red").save(maps / "maps/0004.png")
    result = run("evaluate", maps / "maps", maps / "gt", "--csv", maps / "s.csv")
    assert result.code == 1
    for words in ("1 of 5 images skipped, no prediction: ", "gt/0000.png", "0001.png is 9x9", "0003.png: broken",
                  "0004.png: is in colours", "Masks are read as foreground=255; their values: 0 (",
                  "Predictions are read as 1 maps of grey levels"):  # fmt: skip
        assert words in result.err, words
    assert [line.split(",")[0] for line in (maps / "s.csv").read_text().splitlines()] == ["name", "0002"]


def test_evaluate_prints_the_metrics_of_a_protocol(run, maps):
    result = run("evaluate", maps / "maps", maps / "gt", "--protocol", "mirror", "--latex", maps / "t.tex")
    assert [line.split()[0] for line in result.out.splitlines()] == ["IoU", "F_max", "MAE", "images"]
    metrics = sam2unet.evaluate(maps / "maps", maps / "gt")
    row = " & ".join(f"{metrics[name]:.3f}" for name in ("IoU", "F_max", "MAE"))
    assert rf"maps & {row} \\" in (maps / "t.tex").read_text()
    assert "no task fish" in run("evaluate", maps / "maps", maps / "gt", "--protocol", "fish").err


@pytest.mark.parametrize("command", ["evaluate-merge", "merge"])
@pytest.mark.parametrize("kind", ["maps", "out"])
def test_evaluate_merge_equals_one_evaluation(command, kind, run, request):
    root = request.getfixturevalue("maps" if kind == "maps" else "class_masks")
    (root / kind / "0002.png").unlink()
    shards = [root / f"{k}.json" for k in (3, 1, 2)]
    for file in shards:
        run("evaluate", root / kind, root / "gt", "--shard", f"{file.stem}/3", "--json", file)
    whole = run("evaluate", root / kind, root / "gt", "--json", root / "whole.json")
    result = run(command, *shards, "--json", root / "all.json")
    assert (result.code, result.out) == (1, whole.out)
    assert "1 of 5 images skipped, no prediction" in result.err
    assert json.loads((root / "all.json").read_text()) == json.loads((root / "whole.json").read_text())


def test_evaluate_merge_refuses_a_part_of_the_shards(run, maps):
    run("evaluate", maps / "maps", maps / "gt", "--shard", "1/2", "--json", maps / "1.json")
    result = run("evaluate-merge", maps / "1.json")
    assert result.code == 2
    assert "holds shards 1/2; merge each of 1 to 2 once" in result.err


def test_evaluate_accepts_an_empty_shard(run, maps):
    for i in range(1, 5):
        for name in ("maps", "gt"):
            (maps / f"{name}/{i:04}.png").unlink()
    outcomes = [run("evaluate", maps / "maps", maps / "gt", "--shard", f"{k}/2", "--json", maps / f"{k}.json",
                    "--protocol", "polyp") for k in (1, 2)]  # fmt: skip
    assert [outcome.code for outcome in outcomes] == [0, 0]
    assert sorted(outcome.out.split()[-1] for outcome in outcomes) == ["0", "1"]
    assert run("evaluate-merge", maps / "1.json", maps / "2.json").code == 0
    empty = next(k for k, outcome in enumerate(outcomes, start=1) if outcome.out.split()[-1] == "0")
    result = run("evaluate", maps / "maps", maps / "gt", "--shard", f"{empty}/2", "--html", maps / "r.html")
    assert (result.code, "no image to report on" in result.err) == (2, True)


@pytest.mark.parametrize("words", [["--protocol", "polyp"], ["--threshold", "0.4"], ["--beta2", "1"]])
def test_evaluate_refuses_options_of_one_class_for_several(words, run, class_masks):
    result = run("evaluate", class_masks / "out", class_masks / "gt", *words)
    assert result.code == 2
    assert f"{words[0]} is for one class" in result.err


def test_evaluate_several_classes_takes_all_other_options(run, class_masks):
    root = class_masks
    result = run("evaluate", root / "out", root / "gt", "--strict", "--processes", 2, "--latex", root / "t.tex",
                 "--json", root / "m.json", "--csv", root / "m.csv", "--html", root / "r.html")  # fmt: skip
    assert result.code == 0, result.err
    content = json.loads((root / "m.json").read_text())
    assert content["confusion"] == confusion_by_loop(read_all(root / "out"), read_all(root / "gt"), 4)
    assert content["metrics"]["IoU/2"] is None
    assert re.search("^2 +– +–$", result.out, re.MULTILINE)
    assert rf"out & {content['metrics']['mIoU']:.3f} & " in (root / "t.tex").read_text()
    with (root / "m.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["name", "mDice"]
    assert [row[0] for row in rows[1:]] == [f"{i:04}" for i in range(5)]
    assert (root / "r.html").is_file()


def test_evaluate_several_classes_skips_broken_predictions(run, class_masks):
    (class_masks / "out/0001.png").write_bytes(b"")
    result = run("evaluate", class_masks / "out", class_masks / "gt")
    assert result.code == 1
    assert "1 of 5 images skipped, a broken prediction" in result.err
    assert run("evaluate", class_masks / "out", class_masks / "gt", "--strict").code == 2


def test_predict_and_evaluate_three_named_classes(run, network, tmp_path, rng, photo):
    names = ["background", "leaf", "<stem> & root"]
    model = network(classes=3)
    model.card = replace(model.card, class_names=names)
    save_model(model, tmp_path / "model.safetensors")
    for folder in ("images", "masks"):
        (tmp_path / "pairs" / folder).mkdir(parents=True)
    for i in range(3):
        Image.fromarray(photo(40 + i, 50)).save(tmp_path / f"pairs/images/{i}.png")
        truth = rng.choice([0, 1, 2, 255], (40 + i, 50)).astype(np.uint8)
        Image.fromarray(truth).save(tmp_path / f"pairs/masks/{i}.png")
    out = tmp_path / "out"
    result = run("predict", tmp_path / "model.safetensors", tmp_path / "pairs", "--out", out, "--overlay",
                 "--save", "probability", "--device", "cpu")  # fmt: skip
    assert result.code == 0, result.err
    result = run("evaluate", out, tmp_path / "pairs", "--json", tmp_path / "m.json")
    assert result.code == 0, result.err
    content = json.loads((tmp_path / "m.json").read_text())
    metrics = {name: math.nan if value is None else value for name, value in content["metrics"].items()}
    assert metrics == pytest.approx(sam2unet.evaluate(out, tmp_path / "pairs"), nan_ok=True)
    assert content["class_names"] == names
    assert content["confusion"] == confusion_by_loop(read_all(out), read_all(tmp_path / "pairs/masks"), 3)
    assert re.search(rf"^leaf +{metrics['IoU/leaf']:.4f} +{metrics['Dice/leaf']:.4f}$", result.out, re.MULTILINE)
    assert re.search(rf"^mIoU_foreground +{metrics['mIoU_foreground']:.4f}$", result.out, re.MULTILINE)


def test_evaluate_reads_class_masks_of_one_class_with_classes_1(run, class_masks):
    mask_image(np.ones((10, 13), np.uint8), 4).save(class_masks / "out/0000.png")
    result = run("evaluate", class_masks / "out", class_masks / "gt", "--classes", 1)
    assert "5 of 5 scored predictions have colours" in result.err
    assert "MAE" in result.out
