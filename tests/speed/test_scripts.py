"""The timing scripts run, and the sides that they compare do the same work."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sam2unet import SAM2UNet, evaluate, save_model
from sam2unet.export import export_model

SPEED = Path(__file__).parents[2] / "speed"


@pytest.fixture
def scripts(monkeypatch):
    """speed/ as what it is for its own scripts: the place of their imports."""
    monkeypatch.syspath_prepend(SPEED)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read as Linux tells it")
def test_all_sides_begin_with_the_same_loss_and_are_told(tmp_path):
    words = ["--trunks", "tiny:2", "--size", "64", "--steps", "1", "--warm-up", "1", "--without", "bf16"]
    done = subprocess.run(
        [sys.executable, SPEED / "train.py", *words, "--json", tmp_path / "figures.json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    figures = json.loads((tmp_path / "figures.json").read_text())
    padded, single, ours = figures["rows"]
    assert [row["side"] for row in figures["rows"]] == ["padded", "without bf16", "ours"]
    assert padded["first_loss"] == pytest.approx(single["first_loss"], rel=1e-4)
    assert padded["first_loss"] == pytest.approx(ours["first_loss"], rel=1e-2)
    assert figures["ratios"]["tiny"]["time"] == ours["seconds"] / padded["seconds"]
    assert figures["ratios"]["tiny"]["memory"] == ours["peak_bytes"] / padded["peak_bytes"]
    assert all(row["peak_bytes"] > 2**26 for row in figures["rows"])
    assert all(f"| {row['side']} | tiny | 2 |" in done.stdout for row in figures["rows"])


def test_both_sides_of_an_evaluation_give_the_same_metrics(tmp_path):
    words = ["--sizes", "40x50", "--pictures", "70", "--steps", "1", "--processes", "2", "--json", tmp_path / "f.json"]
    done = subprocess.run([sys.executable, SPEED / "evaluate.py", *words], capture_output=True, text=True, check=True)
    theirs, ours = json.loads((tmp_path / "f.json").read_text())["rows"]
    assert ours["apart"] < 1e-6
    assert ours["ratio"] == pytest.approx(theirs["seconds"][0] / ours["seconds"][0])
    assert "| 40x50 | ours, 2 processes |" in done.stdout
    assert "leaked" not in done.stderr


def test_predictions_are_timed_against_each_other_and_compared(tmp_path):
    words = ["--trunks", "tiny:1", "--ours", "torch:float32", "openvino:float32", "--steps", "1", "--warm-up", "0"]
    done = subprocess.run(
        [sys.executable, SPEED / "predict.py", *words, "--json", tmp_path / "figures.json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    figures = json.loads((tmp_path / "figures.json").read_text())
    eager, compiled = figures["rows"]
    assert (eager["mean_apart"], eager["times"]) == (0, 1)
    assert 0 < compiled["mean_apart"] < 1e-5
    assert compiled["turned"] == 0
    assert figures["ratios"]["tiny"]["ours openvino:float32"] == eager["seconds"] / compiled["seconds"]
    assert "| ours openvino:float32 | tiny |" in done.stdout


def test_a_folder_is_timed_beside_the_network_alone(scenes, tmp_path):
    model = SAM2UNet("tiny")
    model.card = replace(model.card, size=(32, 32))
    save_model(model, tmp_path / "model.safetensors")
    words = [tmp_path / "model.safetensors", scenes / "test", "--rounds", "1", "--backend", "torch"]
    done = subprocess.run(
        [sys.executable, SPEED / "predict_folder.py", *words], capture_output=True, text=True, check=True
    )
    found = re.fullmatch(
        r"torch in .*, tiny: 3 pictures, file to file ([\d.]+) a second, .* alone ([\d.]+): ([\d.]+) .*\n",
        done.stdout,
    )
    assert found
    whole, alone, share = map(float, found.groups())
    assert share == pytest.approx(whole / alone, rel=0.01)


def test_shards_are_timed_beside_one_process(network, tmp_path):
    words = [export_model(network(), tmp_path, "m", "onnx"), "--pictures", "4", "--rounds", "1"]
    done = subprocess.run([sys.executable, SPEED / "shards.py", *words], capture_output=True, text=True, check=True)
    assert "| one process, all cores |" in done.stdout
    assert f"| {os.cpu_count()} shards, a core each |" in done.stdout


def test_waiting_for_pictures_is_a_share_of_the_time(scenes):
    words = ["--size", "64", "--batch", "2", "--warm-up", "1", "--batches", "2", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, SPEED / "loading.py", scenes / "train", *words], capture_output=True, text=True, check=True
    )
    found = re.fullmatch(r"2 batches of 2 at 64x64, 1 readers: .* waiting ([\d.]+) % of the time\n", done.stdout)
    assert found
    assert 0 <= float(found[1]) < 100


def test_recipes_are_compared_on_the_test_pictures(scenes, tmp_path):
    words = ["--epochs", "1", "--size", "32", "--out", tmp_path, "general:workers=0;batch_size=3"]
    done = subprocess.run(
        [sys.executable, SPEED / "quality.py", scenes, *words], capture_output=True, text=True, check=True
    )
    cells = done.stdout.splitlines()[-1].strip("| ").split(" | ")
    (run,) = tmp_path.iterdir()
    expected = evaluate(run / "maps-last", scenes / "test")
    assert cells[:2] == ["general:workers=0;batch_size=3", "1"]
    assert cells[-2:] == [f"{expected['mDice']:.4f}", f"{expected['mIoU']:.4f}"]


@pytest.mark.parametrize("size", [(96, 64), (224, 160)])
def test_the_padded_network_is_ours(size, network, scripts):
    from our_train import padded_attention

    model = network().double()
    images = torch.randn(2, 3, *size, dtype=torch.float64)
    with torch.inference_mode():
        ours = model(images)
        for block in model.trunk.blocks:
            block.attn.forward = padded_attention.__get__(block.attn)
        torch.testing.assert_close(model(images), ours)


def test_tiles_are_compared_on_cracks(tmp_path):
    words = ["--epochs", "1", "--pieces", "8", "--pictures", "1", "--ways", "1"]
    done = subprocess.run([sys.executable, SPEED / "tiles.py", *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].startswith("| whole | 0.")


def test_a_side_that_fails_is_named(scripts):
    from sides import Side

    with pytest.raises(SystemExit, match="odd: ended with exit code 3"), Side("odd", ["bash", "-c", "exit 3"]):
        pass
