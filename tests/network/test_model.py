"""Shapes, sizes, gradients."""

import pytest
import torch

from sam2unet.network import SAM2UNet, deep_supervision_loss, nearest_sizes


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
