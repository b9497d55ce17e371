"""Runs and recipes of version 0.1: `tests/version_0_1` was written by it."""

import csv
import gzip
import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

import sam2unet
from sam2unet.network import HIERA_CONFIGS
from sam2unet.training import load_recipe

from .. import pico
from ..pico import SHORT

VERSION_0_1 = Path(__file__).parents[1] / "version_0_1"


@pytest.fixture(autouse=True)
def old_trunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HIERA_CONFIGS, pico.VERSION_0_1, pico.PICO)


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy with its files unpacked, as the working directory: its paths are relative."""
    folder = tmp_path / "version_0_1"
    shutil.copytree(VERSION_0_1, folder)
    for packed in (folder / "trunk.safetensors.gz", *folder.glob("run/resume/*.gz")):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    monkeypatch.chdir(folder)
    return folder


def test_an_interrupted_run_of_0_1_resumes_to_the_result_of_0_1(copy):
    run = sam2unet.train("data", resume="run", device="cpu")
    with (copy / "run/metrics.csv").open() as found, (copy / "resumed-metrics.csv").open() as expected:
        rows = [*zip(csv.DictReader(found), csv.DictReader(expected), strict=True)]
    assert [row["epoch"] for row, _ in rows] == ["1", "2", "3"]
    for row, values in rows:
        for name in ("loss", "val_loss", "val_dice", "val_iou", "threshold", "lr"):
            assert float(row[name]) == pytest.approx(float(values[name]), rel=1e-4), (row["epoch"], name)
    # The sums of each tensor and of its absolute values; the trunk is frozen and not in the file.
    tensors = {name: value.double() for name, value in load_file(run.last).items() if value.is_floating_point()}
    sums = json.loads((copy / "resumed-sums.json").read_text())
    assert sums.keys() == tensors.keys()
    for name, (total, absolute) in sums.items():
        rounding = 1e-6 * tensors[name].numel()  # biases before batch norm get gradients of rounding only
        assert tensors[name].abs().sum().item() == pytest.approx(absolute, rel=1e-3, abs=rounding), name
        assert tensors[name].sum().item() == pytest.approx(total, abs=1e-3 * absolute + rounding), name


def test_a_finished_run_of_0_1_returns_its_metrics(copy):
    shutil.copy(copy / "finished-run.json", copy / "run/resume/run.json")
    expected = json.loads((copy / "finished-run.json").read_text())["finished"]
    run = sam2unet.train(resume="run", device="cpu")
    assert (run.folder, run.metrics, run.history) == (Path("run"), expected["metrics"], expected["history"])


def test_a_recipe_of_0_1_is_read_and_its_keys_are_named_as_today(caplog):
    recipe = load_recipe(VERSION_0_1 / "recipe.yaml")
    assert (recipe.epochs, recipe.normalise_range, recipe.activation_checkpointing) == (7, True, 0.5)
    (line,) = caplog.messages
    assert "recipe.yaml: stretch is now normalise_range, recompute is now activation_checkpointing" in line


def test_set_accepts_the_keys_of_0_1(scenes, tmp_path, run, caplog):
    settings = [f"--set={key}={value}" for key, value in (SHORT | {"epochs": 1}).items()]
    result = run("train", scenes, "--out", tmp_path / "run", "--device", "cpu", *settings, "--set", "stretch=true")
    assert result.code == 0, result.err
    assert any("stretch is now normalise_range" in line for line in caplog.messages)
    assert load_recipe(tmp_path / "run/recipe.yaml").normalise_range is True
