"""TorchRuntime: the network is not changed, whatever is done to the copy that runs."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from sam2unet.errors import InputError
from sam2unet.runtime import TorchRuntime
from sam2unet.runtime.torch_ import fold_batch_norms

from ..graph.reference import exact_logits, randomise_norms


@pytest.mark.parametrize("classes", [1, 3])
def test_logits_equal_the_networks(classes, network, images):
    model = randomise_norms(network(classes))
    expected = exact_logits(model, images)
    found = TorchRuntime(model, "cpu", "float32").logits(images)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 2e-5 * expected.std()


def test_logits_take_images_of_other_sizes(network, rng):
    model, images = network(), rng.integers(0, 256, (2, 96, 32, 3), dtype=np.uint8)
    runtime = TorchRuntime(model, "cpu", "float32")
    assert runtime.any_size
    np.testing.assert_allclose(runtime.logits(images), exact_logits(model, images), atol=1e-4)


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bf16", torch.bfloat16)])
def test_precision_decides_the_dtype_of_linear_layers(precision, dtype, network):
    runtime = TorchRuntime(network(), "cpu", precision)
    assert runtime.model.trunk.blocks[0].attn.qkv.weight.dtype == dtype
    assert runtime.model.trunk.blocks[0].norm1.weight.dtype == torch.float32
    assert runtime.name == f"torch in {precision} on cpu"


@pytest.mark.parametrize(
    ("dtype", "training"),
    [(torch.float32, False), (torch.float32, True), (torch.bfloat16, False), (torch.float64, True)],
)
@pytest.mark.parametrize(("device", "precision"), [("cpu", "bf16"), ("cpu", "float32"), ("meta", "float32")])
def test_the_network_is_unchanged(device, precision, dtype, training, network, images):
    model = network().train(training)
    model.trunk.to(dtype)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    runtime = TorchRuntime(model, device, precision)
    if device == "cpu":
        runtime.logits(images)
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], value) and after[name].dtype == value.dtype for name, value in before.items())
    assert all(module.training == training for module in model.modules())


def test_a_trunk_that_needs_no_conversion_is_shared(network):
    model = network()
    assert TorchRuntime(model, "cpu", "float32").model.trunk is model.trunk
    assert TorchRuntime(model, "cpu", "bf16").model.trunk is not model.trunk


def test_too_little_memory_is_named(network, monkeypatch):
    def run_out(*_, **__):
        raise torch.OutOfMemoryError

    model = network()
    monkeypatch.setattr(torch, "tensor", run_out)
    with pytest.raises(InputError, match="cpu: too little memory for the pico network") as caught:
        TorchRuntime(model, "cpu")
    assert caught.value.parameters == ("device",)


def test_fold_batch_norms_keeps_the_result_in_eval_mode():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()
    nn.init.uniform_(model[1].running_var, 0.5, 1.5)
    nn.init.normal_(model[1].running_mean)
    images, folded = torch.randn(2, 3, 8, 8), copy.deepcopy(model)
    fold_batch_norms(folded)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    torch.testing.assert_close(folded(images), model(images))
