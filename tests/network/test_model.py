"""Shapes, sizes, gradients."""

import math

import pytest
import torch
import torch.nn.functional as F

from sam2unet.card import nearest_sizes
from sam2unet.network import SAM2UNet, deep_supervision_loss, hiera
from sam2unet.network.hiera import max_pool


@pytest.mark.parametrize("classes", [1, 4])
def test_outputs_have_the_size_of_the_images(classes, network):
    images = torch.randn(2, 3, 64, 96)
    main, side16, side8 = network(classes)(images, deep_supervision=True)
    assert main.shape == side16.shape == side8.shape == (2, classes, 64, 96)
    torch.testing.assert_close(network(classes)(images), main)


@pytest.mark.parametrize(
    ("height", "width", "named"),
    [(352, 350, "width 350 (nearest: 320 or 352)"), (100, 96, "height 100 (nearest: 96 or 128)"),
     (16, 32, "height 16 (nearest: 32)")],
)  # fmt: skip
def test_sizes_that_do_not_fit_are_named_with_the_nearest(height, width, named, network):
    with pytest.raises(ValueError, match="multiples of 32") as error:
        network()(torch.zeros(1, 3, height, width))
    assert named in str(error.value)


@pytest.mark.parametrize(
    ("length", "nearest"), [(32, (32,)), (1, (32,)), (33, (32, 64)), (64, (64,)), (353, (352, 384))]
)
def test_nearest_sizes(length, nearest):
    assert nearest_sizes(length) == nearest


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("classes", [1, 3])
def test_every_trained_parameter_has_a_gradient(frozen, classes, network):
    model = network(classes).train()
    model.trunk.requires_grad_(not frozen)
    target = torch.randint(0, classes, (2, 96, 96)) if classes > 1 else torch.rand(2, 1, 96, 96).round()
    deep_supervision_loss(model(torch.randn(2, 3, 96, 96), deep_supervision=True), target).backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    assert all(p.grad is None for p in model.trunk.parameters()) == frozen


@pytest.mark.parametrize(("trunk", "classes", "message"), [("huge", 1, "tiny, small"), ("tiny", 0, "classes is 0")])
def test_what_it_cannot_build_is_named(trunk, classes, message):
    with pytest.raises(ValueError, match=message):
        SAM2UNet(trunk, classes)


@pytest.mark.parametrize(("how", "spread"), [("published", None), ("small", 0.02), ("identity", 0.02)])
def test_adapters_start_as_asked(how, spread, network):
    model = network()
    for adapter in model.adapters:
        adapter.initialise(how)
        if spread:
            assert 0.8 * spread < adapter.down.weight.std() < 1.2 * spread
            assert adapter.down.bias.abs().max() == 0
    x = torch.randn(2, 4, 4, model.adapters[0].down.in_features)
    difference = (model.adapters[0](x) - x).abs().max()
    assert (difference == 0) if how == "identity" else (difference > 0)


def test_recomputing_blocks_gives_the_same_gradients(network):
    gradients = []
    for recompute in (0, 3, 5):
        model = network().train()
        model.trunk.recompute = recompute
        model(torch.linspace(-1, 1, 2 * 3 * 64 * 64).view(2, 3, 64, 64)).square().mean().backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    for found in gradients[1:]:
        assert all(torch.equal(a, b) for a, b in zip(gradients[0], found, strict=True))


def test_recomputing_keeps_less(network):
    kept = []
    for recompute in (0, 3, 5):
        model = network().train()
        model.trunk.recompute = recompute
        storages = {p.untyped_storage().data_ptr(): 0 for p in model.parameters()}

        def note(x, storages=storages):
            storages.setdefault(x.untyped_storage().data_ptr(), x.untyped_storage().nbytes())
            return x

        with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
            output = model(torch.ones(1, 3, 64, 64))
        assert output.requires_grad
        kept.append(sum(storages.values()))
    assert kept[0] > 1.1 * kept[1] > 1.1 * kept[2]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])  # bf16 has many equal values
def test_pooling_equals_torch(dtype):
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
def test_attention_by_the_book(fused, biased, monkeypatch):
    monkeypatch.setattr(hiera, "MIN_SCORES_FOR_FUSED", 0 if fused else hiera.MIN_SCORES_FOR_FUSED)
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, n, 5, dtype=torch.float64, requires_grad=True) for n in (4, 7, 7))
    added = torch.randn(7, dtype=torch.float64) if biased else None
    expected, found = written_out(q, k, v, added), hiera.attend(q, k, v, added)
    assert (type(found.grad_fn).__name__ == "WindowAttentionBackward") == (not fused)
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(x.square().sum(), (q, k, v)) for x in (found, expected)]
    torch.testing.assert_close(*gradients)


def written_out(q, k, v, added):
    weights = torch.einsum("bhnd,bhkd->bhnk", q, k) / q.shape[-1] ** 0.5 + (0 if added is None else added)
    weights = weights.exp() / weights.exp().sum(dim=-1, keepdim=True)
    return torch.einsum("bhnk,bhkd->bhnd", weights, v)


def test_large_scores_are_not_rounded_to_bf16():
    torch.manual_seed(0)
    q, k, v = ((3 * torch.randn(1, 2, 196, 72)).bfloat16().requires_grad_() for _ in range(3))
    added = torch.zeros(196)
    added[-1] = math.log(60)
    expected = written_out(q.double(), k.double(), v.double(), added)
    with torch.autocast("cpu", torch.bfloat16):
        found = hiera.attend(q, k, v, added)
    assert (found - expected).std() < 0.003 * expected.std()
    gradients = [torch.autograd.grad(x.double().square().sum(), (q, k, v)) for x in (found, expected)]
    for rounded, exact in zip(*gradients, strict=True):
        assert (rounded - exact).double().std() < 0.02 * exact.double().std()


@pytest.mark.filterwarnings("ignore:.*torch.jit", "ignore::torch.jit.TracerWarning")
def test_what_is_traced_has_operations_of_torch_only(network, tmp_path):
    images = torch.randn(1, 3, 64, 64)
    model = network()
    torch.jit.trace(model, images).save(tmp_path / "traced.pt")
    torch.testing.assert_close(torch.jit.load(tmp_path / "traced.pt")(images), model(images))
