"""Foreign keys and ours; the logits of translated weights are compared in test_model_file and network/test_parity."""

import json

import pytest
import torch

from sam2unet.network import SAM2UNet
from sam2unet.weights import from_upstream
from sam2unet.weights.state_dict_adapter import to_trunk

from ..conftest import PARITY


@pytest.mark.parametrize("trunk", ["tiny", "small", "base_plus", "large"])
def test_from_upstream_names_exactly_the_tensors_of_the_network(trunk):
    shapes = json.loads((PARITY / f"state_dict_{trunk}.json").read_text())
    with torch.device("meta"):
        expected = {name: tuple(value.shape) for name, value in SAM2UNet(trunk).state_dict().items()}
        found = from_upstream({name: torch.empty(shape) for name, shape in shapes.items()})
    assert {name: tuple(value.shape) for name, value in found.items()} == expected


def test_from_upstream_keeps_unknown_keys():
    assert list(from_upstream({"neck.weight": torch.zeros(1)})) == ["neck.weight"]


def test_to_trunk_returns_nothing_for_other_networks():
    assert to_trunk({"conv1.weight": torch.zeros(1), "image_encoder.neck.weight": torch.zeros(1)}) == {}
