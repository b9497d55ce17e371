"""SAM2UNet: shapes, sizes, gradients."""

import pytest
import torch

from sam2unet.network import SAM2UNet, deep_supervision_loss, dice_loss


@pytest.mark.parametrize("classes", [1, 4])
def test_forward_returns_logits_of_the_images_size(classes, network):
    assert network(classes)(torch.ones(2, 3, 64, 96)).shape == (2, classes, 64, 96)


def test_forward_with_deep_supervision_returns_the_same_logits_first(network):
    torch.manual_seed(0)
    images = torch.randn(2, 3, 64, 96)
    main, side16, side8 = network(classes=4)(images, deep_supervision=True)
    assert main.shape == side16.shape == side8.shape == (2, 4, 64, 96)
    torch.testing.assert_close(network(classes=4)(images), main)


def test_forward_names_a_size_that_is_no_multiple_of_32(network):
    with pytest.raises(ValueError, match=r"multiples of 32: width 350 \(nearest: 320 or 352\)"):
        network()(torch.zeros(1, 3, 352, 350))


@pytest.mark.parametrize("detail", [-4, 6])
def test_the_detail_branch_has_a_multiple_of_4_channels(detail):
    with pytest.raises(ValueError, match=f"detail is {detail}: it must be 0 or a multiple of 4"):
        SAM2UNet("tiny", detail=detail)


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("classes", [1, 3])
def test_backward_reaches_every_trained_parameter(frozen, classes, network):
    torch.manual_seed(0)
    model = network(classes).train()
    model.trunk.requires_grad_(not frozen)
    target = torch.randint(0, classes, (2, 96, 96)) if classes > 1 else torch.rand(2, 1, 96, 96).round()
    deep_supervision_loss(model(torch.randn(2, 3, 96, 96), deep_supervision=True), target).backward()
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    assert all(p.grad is None for p in model.trunk.parameters()) == frozen


def test_trunk_frozen_is_false_if_one_parameter_is_trained(network):
    model = network()
    model.trunk.requires_grad_(False)
    assert model.trunk_frozen
    model.trunk.blocks[0].norm1.bias.requires_grad_(True)
    assert not model.trunk_frozen


@pytest.mark.parametrize(("trunk", "classes", "message"), [("huge", 1, "tiny, small"), ("tiny", 0, "classes is 0")])
def test_constructor_names_an_invalid_argument(trunk, classes, message):
    with pytest.raises(ValueError, match=message):
        SAM2UNet(trunk, classes)


@pytest.mark.filterwarnings("ignore:.*torch.jit", "ignore::torch.jit.TracerWarning")
def test_traced_networks_need_no_operators_of_our_own(network, tmp_path):
    torch.manual_seed(0)
    images, model = torch.randn(1, 3, 64, 64), network()
    torch.jit.trace(model, images).save(tmp_path / "traced.pt")
    torch.testing.assert_close(torch.jit.load(tmp_path / "traced.pt")(images), model(images))


def test_the_detail_branch_resolves_single_pixels():
    """Stripes one pixel wide: logits that are enlarged from stride 4 can't follow them."""
    stripes = torch.zeros(1, 1, 64, 64)
    stripes[..., ::2] = 1
    images = 2 * stripes.expand(2, 3, 64, 64).clone() - 1
    images[1] = -images[1]
    target = images[:, :1].clamp(min=0)

    def dice(detail):
        torch.manual_seed(0)
        model = SAM2UNet("pico", detail=detail)
        optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
        for _ in range(25):
            optimizer.zero_grad()
            outputs = model(images, deep_supervision=True)
            assert [output.shape for output in outputs] == [target.shape] * (4 if detail else 3)
            deep_supervision_loss(outputs, target, dice_loss).backward()
            optimizer.step()
        found = outputs[0] > 0
        return 2 * (found * target).sum() / (found.sum() + target.sum())

    assert dice(8) > 0.9
    assert dice(0) < 0.75
