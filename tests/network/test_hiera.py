"""The trunk's pooling, attention and activation checkpointing, against torch's own and against formulas."""

import math

import pytest
import torch
import torch.nn.functional as F

from sam2unet.network import hiera
from sam2unet.network.hiera import max_pool


def test_checkpointed_blocks_give_the_same_gradients(network):
    gradients = []
    for checkpointed_blocks in (0, 3, 5):
        model = network().train()
        model.trunk.checkpointed_blocks = checkpointed_blocks
        model(torch.linspace(-1, 1, 2 * 3 * 64 * 64).view(2, 3, 64, 64)).square().mean().backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    for found in gradients[1:]:
        assert all(torch.equal(a, b) for a, b in zip(gradients[0], found, strict=True))


def test_checkpointed_blocks_save_less_for_backward(network):
    saved_bytes = []
    for checkpointed_blocks in (0, 3, 5):
        model = network().train()
        model.trunk.checkpointed_blocks = checkpointed_blocks
        storages = {p.untyped_storage().data_ptr(): 0 for p in model.parameters()}

        def record(x, storages=storages):
            storages.setdefault(x.untyped_storage().data_ptr(), x.untyped_storage().nbytes())
            return x

        with torch.autograd.graph.saved_tensors_hooks(record, lambda x: x):
            output = model(torch.ones(1, 3, 64, 64))
        assert output.requires_grad
        saved_bytes.append(sum(storages.values()))
    assert saved_bytes[0] > 1.1 * saved_bytes[1] > 1.1 * saved_bytes[2]


def test_checkpointed_blocks_change_nothing_without_gradients(network):
    model, images = network(), torch.linspace(-1, 1, 3 * 64 * 64).view(1, 3, 64, 64)
    with torch.inference_mode():
        expected = model(images)
        model.trunk.checkpointed_blocks = 5
        assert torch.equal(model(images), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])  # bf16 has many equal values
def test_max_pool_equals_torch_in_values_and_gradients(dtype):
    torch.manual_seed(0)
    x = torch.randn(2, 6, 8, 3, dtype=dtype, requires_grad=True)
    x.data[0, :4, :4] = 1.0  # equal values
    gradient = torch.randn(2, 3, 4, 3, dtype=dtype)
    expected = F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    found = max_pool(x)
    assert type(found.grad_fn).__name__ == "MaxPoolBackward"
    assert torch.equal(found, expected)
    assert torch.equal(*(torch.autograd.grad(y, x, gradient)[0] for y in (found, expected)))


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_attend_follows_the_formula_in_values_and_gradients(fused, biased, monkeypatch):
    monkeypatch.setattr(hiera, "MIN_SCORES_FOR_FUSED", 0 if fused else hiera.MIN_SCORES_FOR_FUSED)
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, n, 5, dtype=torch.float64, requires_grad=True) for n in (4, 7, 7))
    score_bias = torch.randn(7, dtype=torch.float64) if biased else None
    expected, found = attention_formula(q, k, v, score_bias), hiera.attend(q, k, v, score_bias)
    assert (type(found.grad_fn).__name__ == "WindowAttentionBackward") == (not fused)
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(x.square().sum(), (q, k, v)) for x in (found, expected)]
    torch.testing.assert_close(*gradients)


def attention_formula(q, k, v, score_bias):
    weights = torch.einsum("bhnd,bhkd->bhnk", q, k) / q.shape[-1] ** 0.5 + (0 if score_bias is None else score_bias)
    weights = weights.exp() / weights.exp().sum(dim=-1, keepdim=True)
    return torch.einsum("bhnk,bhkd->bhnd", weights, v)


def test_attend_does_not_round_large_scores_to_bf16():
    torch.manual_seed(0)
    q, k, v = ((3 * torch.randn(1, 2, 196, 72)).bfloat16().requires_grad_() for _ in range(3))
    score_bias = torch.zeros(196)
    score_bias[-1] = math.log(60)
    expected = attention_formula(q.double(), k.double(), v.double(), score_bias)
    with torch.autocast("cpu", torch.bfloat16):
        found = hiera.attend(q, k, v, score_bias)
    assert (found - expected).std() < 0.003 * expected.std()
    gradients = [torch.autograd.grad(x.double().square().sum(), (q, k, v)) for x in (found, expected)]
    for rounded, exact in zip(*gradients, strict=True):
        assert (rounded - exact).double().std() < 0.02 * exact.double().std()
