"""Files that version 0.1 wrote: models and exports; other tests read the run, shards and tables in `version_0_1/`."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from sam2unet import Predictor, load_model
from sam2unet.network import HIERA_CONFIGS
from sam2unet.weights import inspect_file

from . import pico

FILES = Path(__file__).parent / "version_0_1"


@pytest.fixture(autouse=True)
def old_trunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HIERA_CONFIGS, pico.VERSION_0_1, pico.PICO)


@pytest.fixture(scope="module")
def old_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files, unpacked."""
    folder = tmp_path_factory.mktemp("version_0_1")
    for path in FILES.glob("*.gz"):
        (folder / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    return folder


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    """An image (1, 64, 96, 3) uint8, and what version 0.1's networks computed for it."""
    with np.load(FILES / "logits.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", ["model", "classes"])
def test_load_model_of_0_1_computes_the_same_logits(name, old_files, expected):
    model = load_model(old_files / f"{name}.safetensors")
    pixels = torch.from_numpy(expected["image"]).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (model.card.mean, model.card.std))
    with torch.inference_mode():
        logits = model((pixels - mean) / std).numpy()
    np.testing.assert_allclose(logits, expected[name], atol=1e-4 * expected[name].std())  # CPUs round differently


def test_load_model_of_0_1_reads_its_card(old_files):
    card = load_model(old_files / "model.safetensors").card
    assert (card.size, card.threshold, card.normalise_range) == ((64, 96), 0.42, True)
    assert card.metrics == {"val_dice": 0.75, "epoch": 3}
    assert load_model(old_files / "classes.safetensors").card.class_names == ["ground", "striped", "dotted"]


def test_inspect_file_of_0_1_tells_trunk_and_size(old_files):
    facts = inspect_file(old_files / "model.safetensors")
    assert (facts["trunk"], facts["size"]) == ("nano", "64x96")


@pytest.mark.parametrize(
    ("file", "backend"), [("model.onnx", "onnxruntime"), ("model.onnx", "openvino"), ("model.xml", "openvino")]
)
def test_predictor_of_0_1s_exports_predicts_the_same(file, backend, old_files, expected):
    predictor = Predictor(old_files / file, "cpu", backend, "float32")
    probability = predictor.predict(expected["image"][0]).probability
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-expected["exported"][0, 0])), atol=1e-4)
    assert predictor.card.normalise_range
