"""sam2unet export"""

import numpy as np
import pytest
import torch

from sam2unet import save_model
from sam2unet.graph import GraphMetadata
from sam2unet.runtime import OnnxRuntime, OpenVINORuntime, probabilities
from sam2unet.weights import load_model

from ..graph.reference import exact_logits


@pytest.fixture
def export(run, model_file, tmp_path):
    """Runs the command with a model file and an output folder."""
    return lambda *options: run("export", model_file, "--out", tmp_path / "out", *options)


def test_export_prints_the_file_and_writes_it_in_the_models_size(export, tmp_path):
    assert str(tmp_path / "out/model.onnx") in export().out
    assert OnnxRuntime(tmp_path / "out/model.onnx").metadata.card.size == (64, 64)


@pytest.mark.parametrize("word", ["uint8", "pictures"])  # pictures is the name in 0.1
def test_export_passes_its_options_on(word, export, model_file, tmp_path):
    done = export("--size", 96, "--format", "openvino", "--input", word, "--output", "logits")
    assert done.code == 0, done.err
    metadata = OpenVINORuntime(tmp_path / "out/model.xml").metadata
    assert metadata.card.size == (96, 96)
    assert metadata == GraphMetadata(metadata.card, uint8_input=True, probability=False)


def test_export_replaces_a_file_only_with_overwrite(export, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/model.onnx").write_text("old")
    refused = export()
    assert refused.code == 2
    assert refused.err.startswith(f"sam2unet: {tmp_path / 'out/model.onnx'} exists already")
    assert refused.err.endswith("(--out, --overwrite)\n")
    assert (tmp_path / "out/model.onnx").read_text() == "old"
    assert export("--overwrite").code == 0
    OnnxRuntime(tmp_path / "out/model.onnx")


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_export_never_replaces_its_own_model(options, network, run, tmp_path):
    save_model(network(), tmp_path / "m.bin")
    before = (tmp_path / "m.bin").read_bytes()
    refused = run("export", tmp_path / "m.bin", "--out", tmp_path, "--format", "openvino", *options)
    assert refused.code == 2
    assert str(tmp_path / "m.bin") in refused.err
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("m.bin", before)]


@pytest.mark.parametrize(
    ("options", "message"), [(("--size", 100), "nearest: 96 or 128"), (("--input", "text"), "normalised or uint8")]
)
def test_export_refuses_invalid_options(options, message, export, tmp_path):
    refused = export(*options)
    assert refused.code == 2
    assert message in refused.err
    assert not (tmp_path / "out").exists()


def test_export_reads_checkpoints_of_the_authors_release(run, upstream_state, rng, tmp_path):
    torch.save(upstream_state("tiny"), tmp_path / "theirs.pth")
    done = run("export", tmp_path / "theirs.pth", "--out", tmp_path, "--size", "64")
    assert done.code == 0, done.err
    images = rng.integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    expected = probabilities(exact_logits(load_model(tmp_path / "theirs.pth"), images))
    found = probabilities(OnnxRuntime(tmp_path / "theirs.onnx").logits(images))
    np.testing.assert_allclose(found, expected, atol=1e-3)
