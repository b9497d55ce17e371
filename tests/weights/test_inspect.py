"""What is said of a file."""

import json
from dataclasses import replace

import torch
from safetensors.torch import save_file

from sam2unet.weights import inspect_file, load_trunk, save_model

from ..conftest import PARITY


def test_inspect_file_shows_the_card_of_a_model_file(network, tmp_path):
    model = network(classes=3)
    model.card = replace(model.card, class_names=["ground", "a", "b"], metrics={"val_dice": 0.5})
    save_model(model, tmp_path / "model.safetensors")
    facts = inspect_file(tmp_path / "model.safetensors")
    assert facts["kind"].startswith("model of sam2unet ")
    assert (facts["trunk"], facts["classes"], facts["class names"]) == ("pico", "3", "ground, a, b")
    assert (facts["size"], facts["metrics"], facts["frozen trunk"]) == ("64x64", "{'val_dice': 0.5}", "in the file")


def test_inspect_file_names_the_frozen_trunk_that_is_left_out(network, trunk_file, tmp_path):
    model = network()
    load_trunk(model, trunk_file)
    save_model(model, tmp_path / "model.safetensors")
    source = json.loads(inspect_file(tmp_path / "model.safetensors")["frozen trunk"])
    assert source == {"sha256": model.trunk_source.sha256, "name": None, "path": str(trunk_file)}


def test_inspect_file_identifies_a_trunk(trunk_file):
    facts = inspect_file(trunk_file)
    assert (facts["kind"], facts["trunk"]) == ("SAM2 trunk", "pico")


def test_inspect_file_identifies_the_authors_release(tmp_path):
    shapes = json.loads((PARITY / "state_dict_tiny.json").read_text())
    torch.save({name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}, tmp_path / "SAM2-UNet.pth")
    facts = inspect_file(tmp_path / "SAM2-UNet.pth")
    assert facts["kind"] == "SAM2-UNet checkpoint of the authors' release"
    assert facts["width"] == "96"


def test_inspect_file_counts_the_tensors_of_unknown_files(tmp_path):
    save_file({"a": torch.zeros(1000, 1000), "b": torch.zeros(500_000)}, tmp_path / "x.safetensors")
    assert inspect_file(tmp_path / "x.safetensors") == {"kind": "unknown", "tensors": "2, 1.5 million values"}
