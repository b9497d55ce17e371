"""The losses against their formulas, written out pixel by pixel in NumPy."""

import numpy as np
import pytest
import torch

from sam2unet.network import deep_supervision_loss, dice_loss, structure_loss
from sam2unet.network.loss import boundary_weight


def mean_31(target: np.ndarray) -> np.ndarray:
    """Mean over 31x31 pixels, zero-padded."""
    padded = np.pad(target, 15)
    height, width = target.shape
    return np.array([[padded[y : y + 31, x : x + 31].sum() / 961 for x in range(width)] for y in range(height)])


def iou_term(p: np.ndarray, t: np.ndarray, w: np.ndarray) -> float:
    inter, union = (p * t * w).sum(), ((p + t) * w).sum()
    return 1 - (inter + 1) / (union - inter + 1)


@pytest.mark.parametrize("weighted", [False, True])
def test_structure_loss_of_one_class_follows_the_formula(weighted):
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(2, 20, 24)), rng.random((2, 20, 24)).round()
    expected = 0.0
    for z, t in zip(logits, target, strict=True):
        p, w = 1 / (1 + np.exp(-z)), 1 + 5 * np.abs(mean_31(t) - t)
        bce = -(t * np.log(p) + (1 - t) * np.log(1 - p))
        expected += ((bce * w).sum() / w.sum() if weighted else bce.mean()) / 2 + iou_term(p, t, w) / 2
    found = structure_loss(torch.tensor(logits)[:, None], torch.tensor(target)[:, None], weighted_bce=weighted)
    assert found.item() == pytest.approx(expected, abs=1e-12)


def test_boundary_weight_is_exact_in_float32_and_close_in_bf16():
    torch.manual_seed(0)
    target = (torch.rand(1, 1, 400, 300) > 0.3).double()
    exact = boundary_weight(target)
    plain = target[0, 0].numpy()
    np.testing.assert_allclose(exact[0, 0], 1 + 5 * np.abs(mean_31(plain) - plain))
    assert (boundary_weight(target.float()) - exact).abs().max() < 2e-5
    assert (boundary_weight(target.bfloat16()) - exact).abs().max() < 0.05


def test_structure_loss_of_several_classes_follows_the_formula_and_ignores_255():
    rng = np.random.default_rng(1)
    logits, target = rng.normal(size=(2, 3, 20, 24)), rng.integers(0, 3, (2, 20, 24))
    target[0, :5] = 255
    target[1][target[1] == 2] = 1  # a class that is absent from one image
    entropies, ious = [], []
    for z, t in zip(logits, target, strict=True):
        p = np.exp(z) / np.exp(z).sum(axis=0)
        known = t != 255
        entropies += [-np.log(p[c][t == c]) for c in range(3)]
        for c in range(3):
            hot = (t == c).astype(float)
            if hot.any():
                w = (1 + 5 * np.abs(mean_31(hot) - hot)) * known
                ious.append(iou_term(p[c], hot, w))
    expected = np.concatenate(entropies).mean() + np.mean(ious)
    assert structure_loss(torch.tensor(logits), torch.tensor(target)).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_structure_loss_of_one_class_ignores_255(weighted):
    rng = np.random.default_rng(2)
    logits, target = rng.normal(size=(2, 20, 24)), rng.random((2, 20, 24)).round()
    target[0, :5] = target[1, :, 20:] = 255
    bces, expected = [], 0.0
    for z, t in zip(logits, target, strict=True):
        known = t != 255
        t = np.where(known, t, 0)
        p, w = 1 / (1 + np.exp(-z)), (1 + 5 * np.abs(mean_31(t) - t)) * known
        bce = -(t * np.log(p) + (1 - t) * np.log(1 - p))
        bces.append(bce[known])
        expected += iou_term(p, t, w) / 2 + ((bce * w).sum() / w.sum() / 2 if weighted else 0)
    expected += 0 if weighted else np.concatenate(bces).mean()
    values = torch.tensor(logits)[:, None].requires_grad_()
    found = structure_loss(values, torch.tensor(target)[:, None], weighted_bce=weighted)
    assert found.item() == pytest.approx(expected, abs=1e-12)
    found.backward()
    assert values.grad[0, 0, :5].abs().max() == 0


def test_structure_loss_weights_classes():
    rng = np.random.default_rng(3)
    logits, target, weights = rng.normal(size=(2, 3, 20, 24)), rng.integers(0, 3, (2, 20, 24)), [0.5, 1.0, 3.0]
    target[0, :5] = 255
    target[1][target[1] == 1] = 0
    over = under = ious = held = 0.0
    for z, t in zip(logits, target, strict=True):
        p = np.exp(z) / np.exp(z).sum(axis=0)
        known = t != 255
        for c, weight in enumerate(weights):
            over, under = over - weight * np.log(p[c][t == c]).sum(), under + weight * (t == c).sum()
            hot = (t == c).astype(float)
            if hot.any():
                ious += weight * iou_term(p[c], hot, (1 + 5 * np.abs(mean_31(hot) - hot)) * known)
                held += weight
    found = structure_loss(torch.tensor(logits), torch.tensor(target), class_weights=weights)
    assert found.item() == pytest.approx(over / under + ious / held, abs=1e-12)


def test_structure_loss_of_several_classes_is_zero_if_no_pixel_is_labelled():
    logits = torch.linspace(-2, 2, 3 * 64).view(1, 3, 8, 8).requires_grad_()
    loss = structure_loss(logits, torch.full((1, 8, 8), 255))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.abs().max() == 0


def test_structure_loss_of_one_class_has_no_gradient_if_no_pixel_is_labelled():
    logits = torch.linspace(-2, 2, 64).view(1, 1, 8, 8).requires_grad_()
    loss = structure_loss(logits, torch.full((1, 1, 8, 8), 255.0))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.abs().max() == 0


def test_deep_supervision_loss_sums_over_the_outputs():
    target = (torch.arange(64).view(1, 1, 8, 8) % 3 == 0).float()
    outputs = [torch.full((1, 1, 8, 8), value) for value in (-1.0, 0.0, 2.0)]
    expected = sum(structure_loss(logits, target).item() for logits in outputs)
    assert deep_supervision_loss(outputs, target).item() == pytest.approx(expected)


def test_structure_loss_of_one_class_refuses_class_weights():
    with pytest.raises(ValueError, match="several classes"):
        structure_loss(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8), class_weights=[1, 2])


def test_structure_loss_needs_a_weight_per_class():
    with pytest.raises(ValueError, match="2 class_weights for 3"):
        structure_loss(torch.zeros(1, 3, 8, 8), torch.zeros(1, 8, 8).long(), class_weights=[1, 2])


@pytest.mark.parametrize(
    ("classes", "target", "weighted"),
    [(1, torch.zeros(1, 8, 8), False), (3, torch.zeros(1, 1, 8, 8), False), (3, torch.zeros(1, 8, 8).long(), True)],
)
def test_structure_loss_refuses_other_shapes_and_weighted_bce_of_several_classes(classes, target, weighted):
    with pytest.raises(ValueError, match=r"target|one class"):
        structure_loss(torch.zeros(1, classes, 8, 8), target, weighted)


def dice_term(p: np.ndarray, t: np.ndarray) -> float:
    return 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)


@pytest.mark.parametrize("ignored", [False, True])
def test_dice_loss_of_one_class_follows_the_formula(ignored):
    rng = np.random.default_rng(3)
    logits, target = rng.normal(size=(2, 20, 24)), rng.random((2, 20, 24)).round()
    if ignored:
        target[0, :5] = target[1, :, 20:] = 255
    bces, expected = [], 0.0
    for z, t in zip(logits, target, strict=True):
        z, t = z[t != 255], t[t != 255]
        p = 1 / (1 + np.exp(-z))
        bces.append(-(t * np.log(p) + (1 - t) * np.log(1 - p)))
        expected += dice_term(p, t) / 2
    found = dice_loss(torch.tensor(logits)[:, None], torch.tensor(target)[:, None])
    assert found.item() == pytest.approx(expected + np.concatenate(bces).mean(), abs=1e-12)


def test_dice_loss_of_several_classes_follows_the_formula_and_ignores_255():
    rng = np.random.default_rng(4)
    logits, target = rng.normal(size=(2, 3, 20, 24)), rng.integers(0, 3, (2, 20, 24))
    target[0, :5] = 255
    target[1][target[1] == 2] = 1  # a class that is absent from one image
    weights = np.array([1.0, 2.0, 3.0])
    entropy, total, dice, present = 0.0, 0.0, 0.0, 0.0
    for z, t in zip(logits, target, strict=True):
        p = np.exp(z) / np.exp(z).sum(axis=0)
        for c in range(3):
            entropy -= weights[c] * np.log(p[c][t == c]).sum()
            total += weights[c] * (t == c).sum()
            if (t == c).any():
                dice += weights[c] * dice_term(p[c][t != 255], (t == c)[t != 255])
                present += weights[c]
    found = dice_loss(torch.tensor(logits), torch.tensor(target), weights.tolist())
    assert found.item() == pytest.approx(entropy / total + dice / present, abs=1e-12)


def test_dice_loss_refuses_what_it_is_not_defined_for():
    with pytest.raises(ValueError, match="several classes"):
        dice_loss(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), [1.0])
    with pytest.raises(ValueError, match="differ in shape"):
        dice_loss(torch.zeros(1, 1, 4, 4), torch.zeros(1, 4, 4))
