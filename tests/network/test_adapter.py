"""The adapters' formula and initialisations."""

import math

import pytest
import torch

from sam2unet.network import Adapter


def gelu(x):
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def test_forward_is_a_residual_bottleneck():
    torch.manual_seed(0)
    adapter, x = Adapter(16).double(), torch.randn(5, 16, dtype=torch.float64)
    hidden = gelu(x @ adapter.down.weight.T + adapter.down.bias)
    torch.testing.assert_close(adapter(x), x + gelu(hidden @ adapter.up.weight.T + adapter.up.bias))


@pytest.mark.parametrize("how", ["small", "identity"])
def test_small_weights_have_deviation_002_and_no_bias(how):
    torch.manual_seed(0)
    adapter = Adapter(96)
    adapter.initialise(how)
    assert 0.8 * 0.02 < adapter.down.weight.std() < 1.2 * 0.02
    assert adapter.down.bias.abs().max() == 0


@pytest.mark.parametrize(("how", "unchanged"), [("published", False), ("small", False), ("identity", True)])
def test_only_identity_leaves_its_input_unchanged(how, unchanged):
    torch.manual_seed(0)
    adapter, x = Adapter(16), torch.randn(2, 4, 4, 16)
    adapter.initialise(how)
    assert torch.equal(adapter(x), x) == unchanged
