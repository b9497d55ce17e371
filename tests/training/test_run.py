"""Whole runs on sample scenes with a small network."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file

import sam2unet
from sam2unet.errors import InputError
from sam2unet.network import SAM2UNet
from sam2unet.weights import load_model

SHORT = {"trunk": "nano", "trunk_weights": "none", "size": 64, "epochs": 1, "batch_size": 4, "workers": 0}


def test_a_run_leaves_models_recipe_and_logs(trained):
    model = load_model(trained / "best.safetensors")
    assert model.card.size == (64, 64)
    assert model.card.recipe == yaml.safe_load((trained / "recipe.yaml").read_text())
    assert 0 <= model.card.metrics["val_dice"] <= 1
    assert load_model(trained / "last.safetensors").card.metrics["epoch"] == 2
    with (trained / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2]
    assert list((trained / "tensorboard").glob("events*"))
    assert not model.trunk_frozen


def test_training_learns(scenes, tmp_path):
    run = sam2unet.train(
        scenes, out=tmp_path / "run", **SHORT | {"epochs": 40, "lr": 3e-3, "trunk_lr": 3e-3}, device="cpu"
    )
    with (tmp_path / "run/metrics.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert np.mean(losses[-5:]) < 0.7 * losses[0]
    with (tmp_path / "run/metrics.csv").open() as file:
        dice = [float(row["val_dice"]) for row in csv.DictReader(file)]
    best, last = (load_model(path).card.metrics for path in (run.best, run.last))
    assert best["val_dice"] == run.metrics["val_dice"] == pytest.approx(max(dice))
    assert best["epoch"] == 1 + int(np.argmax(dice))
    assert (last["val_dice"], last["epoch"]) == (pytest.approx(dice[-1]), 40)


def test_same_seed_same_weights_whatever_the_workers(scenes, tmp_path):
    for name, workers, seed in (("a", 0, 7), ("b", 2, 7), ("c", 0, 8)):
        sam2unet.train(scenes, out=tmp_path / name, **SHORT | {"workers": workers, "seed": seed}, device="cpu")
    a, b, c = (load_file(tmp_path / name / "last.safetensors") for name in "abc")
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not all(torch.equal(a[key], c[key]) for key in a)


def test_given_weights_freeze_the_trunk_and_it_says_so(scenes, tmp_path, run, network):
    trunk = network(seed=4).trunk.state_dict()
    save_file(trunk, tmp_path / "trunk.safetensors")
    settings = [
        f"--set={key}={value}" for key, value in (SHORT | {"trunk_weights": tmp_path / "trunk.safetensors"}).items()
    ]
    result = run("train", scenes, "--out", tmp_path / "run", "--device", "cpu", *settings)
    assert result.code == 0, result.err
    assert f"from {tmp_path / 'trunk.safetensors'}, frozen" in result.err
    model = load_model(tmp_path / "run/best.safetensors")
    assert all(torch.equal(value, trunk[name]) for name, value in model.trunk.state_dict().items())
    assert not any(name.startswith("trunk.") for name in load_file(tmp_path / "run/best.safetensors"))
    scratch = run(
        "train", scenes, "--out", tmp_path / "scratch", "--device", "cpu", *settings, "--set=trunk_weights=none"
    )
    assert "from scratch, trained" in scratch.err


def test_a_run_is_not_written_over(trained, scenes, run):
    before = (trained / "best.safetensors").read_bytes()
    result = run("train", scenes, "--out", trained, "--trunk-weights", "none")
    assert result.code == 2
    assert str(trained) in result.err
    assert (trained / "best.safetensors").read_bytes() == before


def test_what_cannot_be_trained_is_told_before_anything_is_written(scenes, tmp_path, run):
    for arguments in ([scenes, "--device", "gameboy"], [tmp_path / "nowhere"], [scenes, "--seed", 2**33]):
        result = run("train", *arguments, "--out", tmp_path / "run", "--trunk-weights", "none")
        assert result.code == 2
        assert result.err.count("\n") == 1
        assert not (tmp_path / "run").exists()


def test_a_cached_trunk_that_changed_is_an_error_and_no_reason_for_scratch(scenes, tmp_path, run, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "cached.pt").write_bytes(b"other")
    monkeypatch.setattr("sam2unet.weights.hub.cached_file", lambda name: tmp_path / "cached.pt")
    pins = tmp_path / "sam2unet/pins.json"
    pins.parent.mkdir()
    for content, message in (('{"sam2_hiera_tiny": "0"}', "pinned at first use"), ("{", "pins.json: damaged")):
        pins.write_text(content)
        result = run("train", scenes, "--out", tmp_path / "run", "--trunk", "tiny", "--device", "cpu")
        assert result.code == 2
        assert message in result.err


def test_the_folders_and_the_group_of_the_recipe_make_the_split(scenes, tmp_path, run):
    settings = [f"--set={key}={value}" for key, value in SHORT.items()]
    shutil.copytree(scenes / "train", tmp_path / "data/train")
    shutil.copytree(scenes / "test", tmp_path / "data/val")
    shutil.copytree(scenes / "test", tmp_path / "data/test")
    result = run("train", tmp_path / "data", "--out", tmp_path / "run", "--device", "cpu", *settings)
    assert "Training on 8 pairs at 64x64, validating on 3" in result.err
    grouped = run("train", scenes, "--out", tmp_path / "other", *settings, "--set", "val_group=^nothing")
    assert grouped.code == 2
    assert "finds nothing" in grouped.err


def test_polygons_are_trained_on_by_their_class_names(scenes, tmp_path, run):
    settings = [f"--set={key}={value}" for key, value in (SHORT | {"classes": 2}).items()]
    for image in (scenes / "train/images").iterdir():
        (tmp_path / "data").mkdir(exist_ok=True)
        shutil.copy(image, tmp_path / "data")
        shape = {"label": "blob", "points": [[5, 5], [40, 5], [40, 40]], "shape_type": "polygon"}
        text = json.dumps({"shapes": [shape], "imageHeight": 64, "imageWidth": 64})
        (tmp_path / "data" / f"{image.stem}.json").write_text(text)
    for names, code in (("[ground, blob]", 0), ("[ground, other]", 2)):
        command = ("train", tmp_path / "data", "--out", tmp_path / names, "--device", "cpu", *settings)
        result = run(*command, "--set", f"class_names={names}")
        assert result.code == code, result.err
    assert "'blob' is not among" in result.err


def test_a_wrong_trunk_file_is_found_before_training(scenes, tmp_path, run):
    (tmp_path / "x.pt").write_text("no")
    result = run("train", scenes, "--out", tmp_path / "run", "--trunk-weights", tmp_path / "x.pt")
    assert result.code == 2
    assert str(tmp_path / "x.pt") in result.err


@pytest.mark.parametrize("pair", ["epochs", "epochs=[", "nothing=1"])
def test_set_wants_a_known_key_and_a_value(pair, scenes, tmp_path, run):
    result = run("train", scenes, "--out", tmp_path / "run", "--set", pair)
    assert result.code == 2
    assert result.err.count("\n") == 1


def test_several_classes_train_and_predict_indices(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    for i in range(6):
        indices = np.kron(rng.integers(0, 3, (2, 2)), np.ones((32, 32))).astype(np.uint8)
        Image.fromarray(indices * 100).convert("RGB").save(tmp_path / f"data/images/{i}.png")
        Image.fromarray(indices).save(tmp_path / f"data/masks/{i}.png")
    run = sam2unet.train(tmp_path / "data", out=tmp_path / "run", **SHORT | {"classes": 3, "epochs": 2}, device="cpu")
    prediction = sam2unet.Predictor(run.best, device="cpu").predict(tmp_path / "data/images/0.png")
    assert prediction.probability.shape == (3, 64, 64)
    np.testing.assert_allclose(prediction.probability.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(prediction.mask(), prediction.probability.argmax(axis=0))


def test_loading_a_network_that_was_never_trained_is_refused(tmp_path):
    save_file(SAM2UNet("nano").trunk.state_dict(), tmp_path / "t.safetensors")
    with pytest.raises(InputError, match="a trunk alone"):
        sam2unet.Predictor(tmp_path / "t.safetensors", device="cpu")


def test_the_report_is_one_page_that_needs_nothing_else(trained):
    page = (trained / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    for word in (
        "Validation",
        "best epoch",
        "Lowest Dice",
        "trunk_weights",
        "torch 2",
        "train</td>",
        "sam2unet predict",
    ):
        assert word in page
    rows = list(csv.DictReader((trained / "metrics.csv").read_text().splitlines()))
    for row in rows:
        assert f"Dice, epoch {row['epoch']}: {float(row['val_dice']):.4g}" in page
    assert page.count("<figure><div") == 1  # the one validation picture


def test_tensorboard_has_the_same(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained / "tensorboard"))
    events.Reload()
    rows = list(csv.DictReader((trained / "metrics.csv").read_text().splitlines()))
    for name in ("loss", "val_loss", "val_dice", "val_iou", "threshold", "lr"):
        values = [(event.step, event.value) for event in events.Scalars(name)]
        assert values == [(int(row["step"]), pytest.approx(float(row[name]))) for row in rows]
    assert len(events.Scalars("step_loss")) == int(rows[-1]["step"])
    assert events.Tags()["images"]
    assert "recipe/text_summary" in events.Tags()["tensors"]


def test_one_of_three_classes_that_never_comes_is_shown_as_unknown(tmp_path):
    for i in range(4):
        for kind, value in (("images", 100), ("masks", 1)):
            (tmp_path / "data" / kind).mkdir(parents=True, exist_ok=True)
            values = np.full((64, 64), value, np.uint8)
            values[:32] = 0
            Image.fromarray(values).save(tmp_path / "data" / kind / f"{i}.png")
    names = ["ground", "<b>thing</b>", "absent"]
    settings = SHORT | {"classes": 3, "class_names": names, "class_weights": [1, 2, 1], "epochs": 6}
    run = sam2unet.train(tmp_path / "data", out=tmp_path / "run", device="cpu", **settings)
    page = run.report.read_text()
    assert "&lt;b&gt;thing" in page
    assert "<b>thing" not in page
    for name in ("ground", "<b>thing</b>", "absent"):
        for kind in ("dice", "iou"):
            value = run.metrics[f"val_{kind}/{name}"]
            assert f"<td>{'–' if np.isnan(value) else f'{value:.4f}'}</td>" in page
