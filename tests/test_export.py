"""GraphMetadata graphs against the network, and the files that they are written to."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from fill import image
from PIL import Image

from sam2unet import Predictor, load_model, save_model
from sam2unet.card import Card
from sam2unet.errors import InputError
from sam2unet.export import export_model
from sam2unet.graph import GraphMetadata
from sam2unet.graph.network import network_graph
from sam2unet.network import SAM2UNet
from sam2unet.prediction.views import resized
from sam2unet.runtime import OnnxRuntime, OpenVINORuntime, probabilities
from sam2unet.runtime.base import graph_logits
from sam2unet.system import cpu_has_bf16
from sam2unet.weights.state_dict_adapter import from_upstream

RNG = np.random.default_rng(0)


def lively(model):
    """Norms and biases that would show where they are left out."""
    for name, values in model.state_dict().items():
        if name.endswith("running_var") or ("norm" in name and name.endswith("weight")):
            torch.nn.init.uniform_(values, 0.5, 1.5)
        elif name.endswith(("bias", "running_mean")) or "pos_embed" in name:
            torch.nn.init.normal_(values, std=0.3)
    return model


def pictures(count, height, width):
    return RNG.integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def network_logits(model, given):
    mean, std = (np.array(values) for values in (model.card.mean, model.card.std))
    images = torch.from_numpy(((given / 255 - mean) / std).transpose(0, 3, 1, 2))
    with torch.inference_mode():
        return model.double()(images).numpy()


def graph(model, size, uint8_input=True, probability=False):
    card = Card("nano", model.card.classes, size=size)
    return network_graph(model, GraphMetadata(card, pictures, probability)).SerializeToString()


@pytest.mark.parametrize(
    ("size", "classes"), [((64, 64), 1), ((352, 352), 1), ((224, 480), 3), ((96, 448), 1), ((32, 32), 2)]
)
def test_graphs_do_what_the_network_does(size, classes, network):
    model = lively(network(classes))
    given = pictures(2, *size)
    made = graph(model, size)
    onnx.checker.check_model(made)
    expected = network_logits(model, given)
    for runtime in (OnnxRuntime(made), OpenVINORuntime(made, "float32")):
        assert np.abs(runtime.logits(given) - expected).max() < 2e-5 * expected.std()


def test_a_graph_of_the_authors_weights_gives_their_logits(golden, upstream_state):
    model = SAM2UNet("tiny")
    model.load_state_dict(from_upstream(upstream_state("tiny")))
    model.eval().card = replace(model.card, size=(224, 320))
    session = OnnxRuntime(graph(model, (224, 320), uint8_input=False))._session
    (found,) = session.run(None, {"images": image(224, 320, 2)})
    expected = golden["tiny_224x320/out"]
    assert np.abs(found[:, 0, ::4, ::4].reshape(expected.shape) - expected).max() < 5e-5 * expected.std()


@pytest.mark.parametrize("size", [(64, 64), (352, 352), (96, 448)])
def test_bf16_is_near(size, network):
    """OpenVINO's own fused attention is far off where windows are cut."""
    model = lively(network())
    given = pictures(2, *size)
    expected = network_logits(model, given)
    runtime = OpenVINORuntime(graph(model, size), "bf16")
    assert np.abs(runtime.logits(given) - expected).mean() < 0.05 * expected.std()
    assert ("bf16" in runtime.name) == cpu_has_bf16()


def test_borders_stay_where_probabilities_are_0_and_1(network):
    card = Card("nano", size=(8, 8))
    logits = np.where(np.arange(8) < 4, np.float32(40), np.float32(-40)).reshape(1, 1, 1, 8).repeat(8, axis=2)
    back = graph_logits(probabilities(logits), GraphMetadata(card, uint8_input=True, probability=True))
    assert ((resized(back[0], 80, 80) > 0) == (resized(logits[0], 80, 80) > 0)).all()


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("format", ["onnx", "openvino"])
@pytest.mark.parametrize(("pictures_in", "probability"), [(False, True), (True, False)])
def test_files_predict_as_the_model_does(format, classes, pictures_in, probability, network, tmp_path):
    model = network(classes)
    model.card = replace(model.card, class_names=["ground", "cat", "dog"][:classes] if classes > 1 else [])
    file = export_model(model, tmp_path, "pets", format, uint8_input=pictures_in, probability=probability)
    assert sorted(p.name for p in tmp_path.iterdir()) == (
        ["pets.onnx"] if format == "onnx" else ["pets.bin", "pets.xml"]
    )
    photo = Image.fromarray(pictures(1, 90, 50)[0])
    expected = Predictor(model, "cpu", "torch", "float32").predict(photo)
    for backend in ("openvino", "onnxruntime") if format == "onnx" else ("openvino",):
        predictor = Predictor(file, "cpu", backend, "float32")
        assert predictor.card == model.card
        found = predictor.predict(photo)
        np.testing.assert_allclose(found.probability, expected.probability, atol=2e-5)
        assert (found.mask() == expected.mask()).mean() > 0.999


def test_onnx_files_are_what_others_read(network, tmp_path):
    model = onnx.load(export_model(network(), tmp_path, "m", "onnx", size=(96, 64)))
    assert model.opset_import[0].version >= 18
    (taken,), (given,) = model.graph.input, model.graph.output
    assert (taken.name, given.name) == ("images", "probability")
    sides = [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in (taken, given)]
    assert sides == [["batch", 3, 96, 64], ["batch", 1, 96, 64]]
    card = json.loads(model.metadata_props[0].value)["card"]
    assert (card["trunk"], card["size"]) == ("nano", [96, 64])


def test_exporting_leaves_the_network_as_it_was(network, tmp_path):
    model = network().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    export_model(model, tmp_path, "m", "onnx")
    assert model.training
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())


def test_no_file_of_an_exports_names_is_replaced(network, run, tmp_path):
    model = tmp_path / "m.bin"
    save_model(network(), model)
    before = model.read_bytes()
    for words in ((), ("--overwrite",)):
        result = run("export", model, "--out", tmp_path, "--format", "openvino", *words)
        assert result.code == 2
        assert str(model) in result.err
    with pytest.raises(InputError, match="is there already"):
        export_model(network(), tmp_path, "m", "openvino")
    assert model.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["m.bin"]


def test_a_file_that_does_something_else_is_not_kept(network, tmp_path, monkeypatch):
    other = network(seed=1)
    monkeypatch.setattr("sam2unet.graph.network.network_graph", lambda _, exported: network_graph(other, exported))
    for format in ("onnx", "openvino"):
        with pytest.raises(InputError, match="not kept, since it is off by"):
            export_model(network(), tmp_path / "out", "m", format)
    assert list((tmp_path / "out").iterdir()) == []


def test_command_exports_and_replaces_only_when_asked(run, network, tmp_path):
    save_model(network(), tmp_path / "m.safetensors")
    command = ("export", tmp_path / "m.safetensors", "--out", tmp_path / "out", "--size", "96")
    assert "m.onnx" in run(*command).out
    before = (tmp_path / "out/m.onnx").stat().st_mtime_ns
    refused = run(*command)
    assert refused.code == 2
    assert str(tmp_path / "out/m.onnx") in refused.err
    assert "--overwrite" in refused.err
    assert (tmp_path / "out/m.onnx").stat().st_mtime_ns == before
    assert run(*command, "--overwrite").code == 0
    assert (tmp_path / "out/m.onnx").stat().st_mtime_ns > before
    assert run(*command, "--format", "openvino", "--input", "pictures", "--output", "logits").code == 0
    for file in ("m.onnx", "m.xml"):
        assert Predictor(tmp_path / "out" / file, "cpu").card.size == (96, 96)
    wrong = run("export", tmp_path / "m.safetensors", "--out", tmp_path / "other", "--size", "100")
    assert wrong.code == 2
    assert "nearest: 96 or 128" in wrong.err


def foreign(path):
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    value = [onnx.helper.make_tensor_value_info(name, 1, ["b", 3, 64, 64]) for name in "xy"]
    made = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", value[:1], value[1:]),
        opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10,
    )  # fmt: skip
    onnx.save(made, path)


def resized_card(path):
    made = onnx.load(path)
    text = json.loads(made.metadata_props[0].value)
    text["card"]["size"] = [128, 128]
    made.metadata_props[0].value = json.dumps(text)
    onnx.save(made, path)


def fixed_batch(path):
    made = onnx.load(path)
    for value in (*made.graph.input, *made.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(made, path)


def of_other_type(path):
    made = onnx.load(path)
    made.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    made.graph.node.insert(0, onnx.helper.make_node("Cast", ["images"], ["cast"], to=onnx.TensorProto.FLOAT))
    for node in made.graph.node[1:]:
        node.input[:] = ["cast" if name == "images" else name for name in node.input]
    onnx.save(made, path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [(foreign, "no file of sam2unet export"), (resized_card, r"takes float32 batchx3x64x64 .* \(size 128x128"),
     (fixed_batch, "takes float32 1x3x64x64"), (of_other_type, "takes float64 batchx3x64x64"),
     (lambda path: path.write_bytes(path.read_bytes()[:2000]), "damaged, or no graph"),
     (lambda path: path.unlink(), "no such file")],
)  # fmt: skip
@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_files_that_cannot_be_used_are_named(spoil, said, backend, network, tmp_path, run):
    file = export_model(network(), tmp_path, "m", "onnx")
    spoil(file)
    with pytest.raises(InputError, match=said) as error:
        Predictor(file, "cpu", backend)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)


def test_upstream_checkpoints_are_exported(run, upstream_state, tmp_path):
    torch.save(upstream_state("tiny"), tmp_path / "theirs.pth")
    result = run("export", tmp_path / "theirs.pth", "--out", tmp_path, "--size", "64")
    assert result.code == 0, result.err
    photo = pictures(1, 70, 70)[0]
    model = load_model(tmp_path / "theirs.pth")
    model.card = replace(model.card, size=(64, 64))
    expected = Predictor(model, "cpu", "torch", "float32").predict(photo).probability
    found = Predictor(tmp_path / "theirs.onnx", "cpu", precision="float32").predict(photo).probability
    np.testing.assert_allclose(found, expected, atol=1e-3)
