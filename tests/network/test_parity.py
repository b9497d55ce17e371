"""The network against the authors' (parity files) and against a padded reference of our own, in float64."""

import numpy as np
import pytest
import torch
from fill import image, mask

from sam2unet.network import HIERA_CONFIGS, SAM2UNet, deep_supervision_loss, structure_loss
from sam2unet.weights.state_dict_adapter import from_upstream

from .padded_reference import forward as padded_forward

CASES = [("tiny", "tiny", (352, 352, 1)), ("small", "small", (352, 352, 1)), ("base_plus", "base_plus", (352, 352, 1)),
         ("large", "large", (352, 352, 1)), ("tiny_224x320", "tiny", (224, 320, 2))]  # fmt: skip


@pytest.mark.parametrize(("case", "trunk", "size"), CASES)
def test_logits_equal_the_authors(case, trunk, size, golden, upstream_state):
    with torch.device("meta"):
        model = SAM2UNet(trunk)
    model.load_state_dict(from_upstream(upstream_state(trunk)), assign=True)
    images = torch.from_numpy(image(*size))
    torch.set_num_threads(2)
    with torch.inference_mode():
        outputs = model.eval()(images, deep_supervision=True)
        features = model.trunk(images, model.adapters)
    torch.set_num_threads(1)
    for name, logits in zip(("out", "out1", "out2"), outputs, strict=True):
        expected = golden[f"{case}/{name}"]
        found = logits[:, 0, ::4, ::4].numpy().reshape(expected.shape)
        assert np.abs(found - expected).max() < 5e-5 * expected.std()
    if case in HIERA_CONFIGS:
        for number, feature in enumerate(features, start=1):
            found = np.array([feature.mean(), feature.std()])
            np.testing.assert_allclose(found, golden[f"{case}/feature{number}_mean_std"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [(352, 352), (224, 320), (96, 448), (32, 32), (480, 64)])
def test_exact_attention_equals_padding(size, network):
    model = network().double()
    # Padded keys matter only if the biases that they are made of do.
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.5)
    images = torch.from_numpy(image(*size, 2)).double()
    with torch.inference_mode():
        found = model(images, deep_supervision=True)
        expected = padded_forward(model.state_dict(), HIERA_CONFIGS["pico"], images)
    for ours, reference in zip(found, expected, strict=True):
        assert (ours - reference).abs().max() < 1e-9 * reference.std()


def test_loss_equals_the_authors(golden):
    logits = (2 * torch.from_numpy(image(96, 128, 2)[:, :1])).double().requires_grad_()
    loss = structure_loss(logits, torch.from_numpy(mask(96, 128, 2)).double())
    loss.backward()
    assert abs(loss.item() - golden["loss/value"]) < 1e-6
    grad, expected = logits.grad.numpy(), golden["loss/grad"]
    assert np.abs(grad.reshape(expected.shape) - expected).max() < 1e-4 * np.abs(expected).max()


def test_training_follows_the_authors(golden, upstream_state):
    model = SAM2UNet("tiny")
    model.load_state_dict(from_upstream(upstream_state("tiny")))
    model.double().train().trunk.requires_grad_(False)
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-3, weight_decay=5e-4)
    images, target = torch.from_numpy(image(128, 128, 2)).double(), torch.from_numpy(mask(128, 128, 2)).double()
    losses = []
    for _ in range(8):
        loss = deep_supervision_loss(model(images, deep_supervision=True), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    np.testing.assert_allclose(losses, golden["train/loss"], rtol=0, atol=1e-6)
