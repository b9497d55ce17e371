"""Graphs, run by OpenVINO and ONNX Runtime, against the network and the authors' logits."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from fill import image

from sam2unet.graph import GraphMetadata, network_graph
from sam2unet.network import HIERA_CONFIGS, SAM2UNet
from sam2unet.runtime import OnnxRuntime, OpenVINORuntime
from sam2unet.system import cpu_has_bf16
from sam2unet.weights import from_upstream

from ..pico import PICO
from .reference import exact_logits, randomise_norms


@pytest.fixture
def images(rng):
    """Draws two images of noise."""
    return lambda height, width: rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)


def serialized(model, size, uint8_input=True):
    metadata = GraphMetadata(replace(model.card, size=size), uint8_input, probability=False)
    return network_graph(model, metadata).SerializeToString()


@pytest.mark.parametrize(
    ("size", "classes", "detail"),
    [((64, 64), 1, 0), ((352, 352), 1, 0), ((224, 480), 3, 0), ((96, 448), 1, 0), ((32, 32), 2, 0), ((96, 64), 3, 4)],
)
def test_network_graph_computes_the_logits_of_the_network(size, classes, detail, network, images):
    model, batch = randomise_norms(network(classes, detail=detail)), images(*size)
    graph = serialized(model, size)
    onnx.checker.check_model(graph)
    expected = exact_logits(model, batch)
    for runtime in (OnnxRuntime(graph), OpenVINORuntime(graph, "float32")):
        # Instance norm divides by a deviation of few pixels, which rounds more.
        assert np.abs(runtime.logits(batch) - expected).max() < (5e-5 if detail else 2e-5) * expected.std()


def test_network_graph_of_the_authors_weights_computes_their_logits(golden, upstream_state):
    model = SAM2UNet("tiny")
    model.load_state_dict(from_upstream(upstream_state("tiny")))
    session = OnnxRuntime(serialized(model.eval(), (224, 320), uint8_input=False))._session
    (found,) = session.run(None, {"images": image(224, 320, 2)})
    expected = golden["tiny_224x320/out"]
    assert np.abs(found[:, 0, ::4, ::4].reshape(expected.shape) - expected).max() < 5e-5 * expected.std()


@pytest.mark.parametrize(("size", "detail"), [((64, 64), 0), ((352, 352), 0), ((96, 448), 0), ((128, 128), 16)])
def test_network_graph_in_bf16_is_close_to_the_network(size, detail, network, images):
    """OpenVINO's own fused attention is far off where windows are cut."""
    model, batch = randomise_norms(network(detail=detail)), images(*size)
    expected = exact_logits(model, batch)
    runtime = OpenVINORuntime(serialized(model, size), "bf16")
    assert np.abs(runtime.logits(batch) - expected).mean() < 0.05 * expected.std()
    assert ("bf16" in runtime.name) == cpu_has_bf16()


@pytest.mark.parametrize(("uint8_input", "input_shape"), [(False, ["batch", 3, 96, 64]), (True, ["batch", 96, 64, 3])])
@pytest.mark.parametrize(("probability", "name"), [(False, "logits"), (True, "probability")])
def test_network_graph_names_and_shapes_its_ports_as_documented(uint8_input, input_shape, probability, name, network):
    model = network(classes=2)
    metadata = GraphMetadata(replace(model.card, size=(96, 64)), uint8_input, probability)
    graph = network_graph(model, metadata).graph
    found = [
        (port.name, [d.dim_param or d.dim_value for d in port.type.tensor_type.shape.dim])
        for port in (*graph.input, *graph.output)
    ]
    assert found == [("images", input_shape), (name, ["batch", 2, 96, 64])]


def test_network_graph_holds_the_metadata(network):
    model = network()
    metadata = GraphMetadata(replace(model.card, size=(96, 64)), uint8_input=True, probability=False)
    (stored,) = network_graph(model, metadata).metadata_props
    assert stored.key == "sam2unet"
    assert json.loads(stored.value)["card"]["size"] == [96, 64]
    assert GraphMetadata.from_json("graph", stored.value) == metadata


def test_network_graph_refuses_windows_that_are_not_whole_cells(monkeypatch):
    monkeypatch.setitem(HIERA_CONFIGS, "pico", replace(PICO, window_spec=(8, 4, 12, 7)))
    model = SAM2UNet("pico")
    with pytest.raises(ValueError, match="do not consist of whole cells"):
        network_graph(model, GraphMetadata(model.card, uint8_input=True, probability=False))
