"""Exported files: which are written, what they compute, and which can't be used."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from sam2unet import Predictor
from sam2unet.errors import InputError
from sam2unet.export import export_model, exported_files
from sam2unet.graph import GraphMetadata, network_graph
from sam2unet.runtime import OnnxRuntime, OpenVINORuntime, probabilities

from .graph.reference import exact_logits


@pytest.mark.parametrize(("format", "suffixes"), [("onnx", [".onnx"]), ("openvino", [".bin", ".xml"])])
def test_export_model_writes_the_files_of_its_format(format, suffixes, network, tmp_path):
    file = export_model(network(), tmp_path / "new", "m", format)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [f"m{suffix}" for suffix in suffixes]
    assert sorted(exported_files(tmp_path / "new", "m", format)) == sorted((tmp_path / "new").iterdir())
    assert file == exported_files(tmp_path / "new", "m", format)[0]


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize(
    ("format", "runtime"), [("onnx", OnnxRuntime), ("onnx", OpenVINORuntime), ("openvino", OpenVINORuntime)]
)
@pytest.mark.parametrize(("uint8_input", "probability"), [(False, True), (True, False)])
def test_exported_files_compute_what_the_network_computes(
    format, runtime, classes, uint8_input, probability, network, rng, tmp_path
):
    model, images = network(classes), rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    model.card = replace(model.card, class_names=["ground", "cat", "dog"] if classes > 1 else [])
    file = export_model(model, tmp_path, "pets", format, uint8_input=uint8_input, probability=probability)
    precision = ("float32",) if runtime is OpenVINORuntime else ()
    opened = runtime(file, *precision)
    assert opened.metadata == GraphMetadata(model.card, uint8_input, probability)
    expected = probabilities(exact_logits(model, images))
    np.testing.assert_allclose(probabilities(opened.logits(images)), expected, atol=2e-5)


def test_exported_size_is_the_cards_unless_another_is_passed(network, tmp_path):
    assert OnnxRuntime(export_model(network(), tmp_path, "own", "onnx")).metadata.card.size == (64, 64)
    file = export_model(network(), tmp_path, "other", "onnx", size=(96, 32))
    assert OnnxRuntime(file).metadata.card.size == (96, 32)


def test_export_model_names_an_invalid_size_and_the_nearest(network, tmp_path):
    with pytest.raises(InputError, match=r"height 100 \(nearest: 96 or 128\)") as caught:
        export_model(network(), tmp_path, "m", "onnx", size=(100, 96))
    assert caught.value.parameters == ("size",)


def test_export_model_needs_onnx(network, tmp_path, monkeypatch):
    monkeypatch.setattr("sam2unet.system.packages.find_spec", lambda name: None)
    with pytest.raises(InputError, match="onnx is not installed: pip install"):
        export_model(network(), tmp_path, "m", "onnx")


def test_export_model_leaves_the_network_unchanged(network, tmp_path):
    model = network().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    card = model.card
    export_model(model, tmp_path, "m", "onnx", size=(96, 32))
    assert model.training
    assert model.card == card
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())


@pytest.mark.parametrize(("format", "existing"), [("onnx", "m.onnx"), ("openvino", "m.xml"), ("openvino", "m.bin")])
def test_export_model_refuses_to_replace_a_file(format, existing, network, tmp_path):
    (tmp_path / existing).write_text("old")
    with pytest.raises(InputError, match=f"{existing} exists already") as caught:
        export_model(network(), tmp_path, "m", format)
    assert caught.value.parameters == ("out", "overwrite")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(existing, "old")]


def test_export_model_replaces_files_if_it_may(network, tmp_path):
    (tmp_path / "m.onnx").write_text("old")
    OnnxRuntime(export_model(network(), tmp_path, "m", "onnx", overwrite=True))


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_a_file_that_computes_something_else_is_not_kept(format, network, tmp_path, monkeypatch):
    other = network(seed=1)
    monkeypatch.setattr("sam2unet.graph.network.network_graph", lambda _, metadata: network_graph(other, metadata))
    with pytest.raises(InputError, match="not kept, since its probabilities are off by"):
        export_model(network(), tmp_path / "out", "m", format)
    assert list((tmp_path / "out").iterdir()) == []


def write_foreign(path):
    """A graph that sam2unet did not export."""
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    value = [onnx.helper.make_tensor_value_info(name, 1, ["b", 3, 64, 64]) for name in "xy"]
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", value[:1], value[1:]),
        opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10,
    )  # fmt: skip
    onnx.save(model, path)


def change_the_cards_size(path):
    model = onnx.load(path)
    metadata = json.loads(model.metadata_props[0].value)
    metadata["card"]["size"] = [128, 128]
    model.metadata_props[0].value = json.dumps(metadata)
    onnx.save(model, path)


def fix_the_batch_size(path):
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, path)


def change_the_input_to_float64(path):
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    model.graph.node.insert(0, onnx.helper.make_node("Cast", ["images"], ["cast"], to=onnx.TensorProto.FLOAT))
    for node in model.graph.node[1:]:
        node.input[:] = ["cast" if name == "images" else name for name in node.input]
    onnx.save(model, path)


@pytest.mark.parametrize(
    ("change", "message"),
    [(write_foreign, "not exported by sam2unet"),
     (change_the_cards_size, "its graph maps float32 batchx3x64x64 .* its card says size 128x128"),
     (fix_the_batch_size, "its graph maps float32 1x3x64x64"),
     (change_the_input_to_float64, "its graph maps float64 batchx3x64x64"),
     (lambda path: path.write_bytes(path.read_bytes()[:2000]), "damaged, or not a graph that"),
     (lambda path: path.unlink(), "no such file")],
    ids=["foreign", "size", "batch", "dtype", "truncated", "missing"],
)  # fmt: skip
@pytest.mark.parametrize("runtime", [OpenVINORuntime, OnnxRuntime])
def test_files_that_cannot_be_used_are_refused_in_one_sentence(change, message, runtime, network, tmp_path):
    file = export_model(network(), tmp_path, "m", "onnx")
    change(file)
    with pytest.raises(InputError, match=message) as caught:
        runtime(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_an_exported_file_predicts_in_tiles_as_its_model_does(format, network, tmp_path, photo):
    model = network(detail=4)
    model.card = replace(model.card, tile=32, tile_overlap=0.5, size=(64, 64))
    image = photo(50, 70)
    expected = Predictor(model, "cpu", "torch", "float32").predict(image).probability
    file = export_model(model, tmp_path, "m", format)
    predictor = Predictor(file, "cpu", precision="float32")
    assert (predictor.views.tile, predictor.views.overlap) == (32, 0.5)
    np.testing.assert_allclose(predictor.predict(image).probability, expected, atol=1e-4)
    larger = Predictor(export_model(model, tmp_path, "larger", format, size=(96, 96)), "cpu")
    assert (larger.views.tile, larger.card.tile_zoom) == (48, 2)
