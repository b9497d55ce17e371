"""The arrays on both sides of a graph: images in, logits and probabilities out."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sam2unet.card import Card
from sam2unet.errors import InputError
from sam2unet.graph import GraphMetadata
from sam2unet.runtime import probabilities
from sam2unet.runtime.base import graph_input, graph_logits, readable_graph


def metadata(classes=1, uint8_input=False, probability=True):
    return GraphMetadata(Card("tiny", classes, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)), uint8_input, probability)


def test_graph_input_leaves_uint8_images_to_a_graph_that_normalises(rng):
    images = rng.integers(0, 256, (2, 8, 9, 3), dtype=np.uint8)
    assert graph_input(images, metadata(uint8_input=True)) is images


def test_graph_input_normalises_with_the_cards_mean_and_std(rng):
    images = rng.integers(0, 256, (2, 8, 9, 3), dtype=np.uint8)
    found = graph_input(images, metadata())
    assert (found.shape, found.dtype) == ((2, 3, 8, 9), np.float32)
    for channel, (mean, std) in enumerate(((0.1, 0.4), (0.2, 0.5), (0.3, 0.6))):
        np.testing.assert_allclose(found[:, channel], (images[..., channel] / 255 - mean) / std, atol=1e-6)


@pytest.mark.parametrize("classes", [1, 3])
def test_probabilities_are_sigmoid_and_softmax(classes, rng):
    logits = rng.normal(scale=3, size=(2, classes, 8, 9)).astype(np.float32)
    exact = torch.from_numpy(logits).double()
    expected = exact.sigmoid() if classes == 1 else exact.softmax(dim=1)
    np.testing.assert_allclose(probabilities(logits), expected, atol=1e-6)


@pytest.mark.parametrize("classes", [1, 2])
def test_probabilities_of_extreme_logits_are_0_and_1_without_a_warning(classes):
    logits = np.full((1, classes, 1, 2), -500, np.float32)
    logits[0, 0, 0, 1] = 500
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = probabilities(logits)[0, 0, 0]
    assert found.tolist() == [0 if classes == 1 else 0.5, 1]


def test_graph_logits_are_the_output_of_a_graph_without_probabilities(rng):
    output = rng.normal(size=(2, 3, 8, 9)).astype(np.float32)
    assert graph_logits(output, metadata(3, probability=False)) is output


@pytest.mark.parametrize("classes", [1, 3])
def test_graph_logits_have_the_graphs_probabilities(classes, rng):
    output = probabilities(rng.normal(scale=3, size=(2, classes, 8, 9)).astype(np.float32))
    logits = graph_logits(output, metadata(classes))
    np.testing.assert_allclose(probabilities(logits), output, atol=1e-6)


def test_graph_logits_keep_object_borders_where_probabilities_are_exactly_0_and_1():
    logits = np.where(np.arange(8) < 4, np.float32(40), np.float32(-40)).reshape(1, 1, 1, 8).repeat(8, axis=2)
    restored = graph_logits(probabilities(logits), metadata())
    masks = [F.interpolate(torch.from_numpy(x), (80, 80), mode="bilinear") > 0 for x in (restored, logits)]
    assert torch.equal(*masks)


def test_readable_graph_turns_any_error_into_one_sentence(tmp_path):
    (tmp_path / "m.onnx").touch()
    message = r"^[^\n]*m\.onnx: damaged, or not a graph that X can read[^\n]*$"
    with pytest.raises(InputError, match=message), readable_graph(tmp_path / "m.onnx", "X"):
        raise RuntimeError("line 1\nline 2")


@pytest.mark.parametrize("name", ["m.onnx", "m.xml"])
def test_readable_graph_names_a_missing_file(name, tmp_path):
    with pytest.raises(InputError, match=f"{name}: no such file"), readable_graph(tmp_path / name, "X"):
        (tmp_path / name).read_bytes()


def test_readable_graph_refuses_xml_that_is_not_openvinos(tmp_path):
    (tmp_path / "m.xml").write_text("<svg/>")
    with pytest.raises(InputError, match=r"m\.xml: damaged"), readable_graph(tmp_path / "m.xml", "X"):
        pass
