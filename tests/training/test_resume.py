"""Interrupted runs end with the weights of uninterrupted ones, bit for bit."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sam2unet
from sam2unet.data import write_scenes
from sam2unet.errors import InputError
from sam2unet.training.checkpoints import CheckpointFiles

from ..pico import EVERY_STEP, SHORT
from .interruptions import Killed, assert_same_run, interrupt_after, kill

KILLS = Path(__file__).with_name("kills.py")
EVERYTHING_RANDOM = EVERY_STEP | {
    "workers": 2, "ema": 0.9, "accumulate": 2, "multi_scale": [1.0, 1.5], "rotation": 10, "zoom": [0.8, 1.2],
    "crop": 0.7, "colour": 0.2, "blur": 1.0, "noise": 0.02,
}  # fmt: skip

TILES = EVERY_STEP | {
    "workers": 2, "epochs": None, "epoch_steps": 5, "tile": 48, "tile_zoom": 4 / 3, "object_share": 0.5, "detail": 4,
    "loss": "dice", "quarter_turns": 0.75, "flip_horizontal": 0.5,
}  # fmt: skip


def run_with_kills(data: Path, out: Path, settings: dict, seed: int, max_kills: int) -> int:
    command = [sys.executable, KILLS, data, out, json.dumps(settings), seed, max_kills]
    logs = out.with_suffix(".out"), out.with_suffix(".err")  # no pipes: a loader process whose parent was killed while
    with logs[0].open("w") as output, logs[1].open("w") as errors:  # it started never ends, and would keep them open
        done = subprocess.run([*map(str, command)], stdout=output, stderr=errors, timeout=1800)
    assert done.returncode == 0, logs[1].read_text()
    last_line = logs[0].read_text().splitlines()[-1]
    print(f"{out.name}: {last_line}")
    return json.loads(last_line)["kills"]


@pytest.mark.parametrize("kind", ["images", "tiles"])
def test_killed_at_any_time_it_ends_with_the_same_weights(kind, scenes, tmp_path):
    max_kills = int(os.environ.get("SAM2UNET_KILLS", "5"))  # more of them: make kills
    epochs = 3 + max_kills // 2
    settings = EVERYTHING_RANDOM | {"epochs": epochs} if kind == "images" else TILES | {"steps": 5 * epochs}
    assert run_with_kills(scenes, tmp_path / "whole", settings, 0, 0) == 0
    assert run_with_kills(scenes, tmp_path / "killed", settings, 1, max_kills) >= max_kills // 2
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("checkpoints", [1, 3, 4, 5, 11])
def test_a_run_resumes_after_any_step(checkpoints, scenes, uninterrupted, tmp_path, monkeypatch):
    interrupt_after(monkeypatch, checkpoints, scenes, tmp_path / "run")
    run = sam2unet.train(resume=tmp_path / "run", device="cpu")
    assert_same_run(uninterrupted, tmp_path / "run")
    assert [row["epoch"] for row in run.history] == [1, 2, 3]


def test_a_run_killed_before_its_network_is_built_starts_again(scenes, uninterrupted, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("sam2unet.training.run.build_model", kill)
        with pytest.raises(Killed):
            sam2unet.train(scenes, out=tmp_path / "run", device="cpu", **EVERY_STEP)
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    sam2unet.train(resume=tmp_path / "run", device="cpu")
    assert_same_run(uninterrupted, tmp_path / "run")
    sam2unet.train(scenes, out=tmp_path / "other", device="cpu", **EVERY_STEP | {"epochs": 1})  # it is not in the way


def test_a_run_killed_after_a_model_and_before_a_checkpoint_starts_again(scenes, uninterrupted, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(CheckpointFiles, "save_checkpoint", kill)
        with pytest.raises(Killed):
            sam2unet.train(scenes, out=tmp_path / "run", device="cpu", **SHORT)
    assert (tmp_path / "run/last.safetensors").exists()
    sam2unet.train(resume=tmp_path / "run", device="cpu")
    assert_same_run(uninterrupted, tmp_path / "run")


def test_a_finished_run_says_so_and_stays_as_it_is(uninterrupted, run):
    before = {path: path.stat().st_mtime_ns for path in uninterrupted.rglob("*")}
    result = run("train", "--resume", uninterrupted)
    assert result.code == 0
    assert f"{uninterrupted}: the run is finished" in result.err
    assert f"start_from={uninterrupted / 'last.safetensors'}" in result.err
    assert str(uninterrupted / "best.safetensors") in result.out
    assert {path: path.stat().st_mtime_ns for path in uninterrupted.rglob("*")} == before


def test_a_run_resumes_from_data_that_has_moved(scenes, uninterrupted, tmp_path, monkeypatch):
    shutil.copytree(scenes, tmp_path / "data")
    interrupt_after(monkeypatch, 2, tmp_path / "data", tmp_path / "run")
    (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(InputError, match=f"{tmp_path / 'data'}: no such folder: if the data has moved"):
        sam2unet.train(resume=tmp_path / "run", device="cpu")
    sam2unet.train(tmp_path / "moved", resume=tmp_path / "run", device="cpu")
    assert_same_run(uninterrupted, tmp_path / "run")


def test_a_run_does_not_resume_with_other_images_of_the_same_names(scenes, tmp_path, monkeypatch):
    interrupt_after(monkeypatch, 2, scenes, tmp_path / "run")
    write_scenes(tmp_path / "other", train=8, test=3, side=64, seed=1)
    with pytest.raises(InputError, match=f"{tmp_path / 'other'}: contains other pairs"):
        sam2unet.train(tmp_path / "other", resume=tmp_path / "run", device="cpu")


def test_a_run_does_not_resume_without_one_of_its_pairs(scenes, tmp_path, monkeypatch):
    interrupt_after(monkeypatch, 2, scenes, tmp_path / "run")
    shutil.copytree(scenes, tmp_path / "data")
    image = next((tmp_path / "data/train/images").iterdir())
    image.unlink()
    (tmp_path / "data/train/masks" / image.name).unlink()
    with pytest.raises(InputError, match=rf"when the run in {tmp_path / 'run'} started \({image.stem}\)"):
        sam2unet.train(tmp_path / "data", resume=tmp_path / "run", device="cpu")


@pytest.mark.parametrize("arguments", [["--epochs", 5], ["--recipe", "paper"], ["--set", "lr=1"]])
def test_a_resumed_run_accepts_no_recipe(arguments, uninterrupted, run):
    result = run("train", "--resume", uninterrupted, *arguments)
    assert result.code == 2
    assert "a resumed run keeps its recipe" in result.err


def test_a_run_does_not_resume_with_an_edited_recipe(scenes, tmp_path, monkeypatch):
    interrupt_after(monkeypatch, 2, scenes, tmp_path / "run")
    recipe = tmp_path / "run/recipe.yaml"
    recipe.write_text(recipe.read_text().replace("epochs: 3", "epochs: 9"))
    with pytest.raises(InputError, match=f"{recipe}: epochs differs from when the run started"):
        sam2unet.train(resume=tmp_path / "run", device="cpu")


def test_a_run_resumes_only_with_its_own_loss(scenes, tmp_path, monkeypatch):
    def squares(logits, target):
        return (logits.sigmoid() - target).square().mean()

    interrupt_after(monkeypatch, 1, scenes, tmp_path / "run", EVERY_STEP | {"loss": squares})
    with pytest.raises(InputError, match=r"the loss is the default, but was .*squares"):
        sam2unet.train(resume=tmp_path / "run", device="cpu")
    sam2unet.train(resume=tmp_path / "run", device="cpu", loss=squares)


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path):
    with pytest.raises(InputError, match=r"contains no run to resume \(no recipe.yaml\)"):
        sam2unet.train(resume=tmp_path)


def test_a_run_without_its_record_cannot_be_resumed(scenes, tmp_path, monkeypatch):
    interrupt_after(monkeypatch, 1, scenes, tmp_path / "run")
    (tmp_path / "run/resume/run.json").unlink()
    with pytest.raises(InputError, match=r"contains no run to resume \(no complete resume/run.json\)"):
        sam2unet.train(resume=tmp_path / "run", device="cpu")
