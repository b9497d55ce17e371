"""The losses against their formulas, written out pixel by pixel in NumPy."""

import numpy as np
import pytest
import torch

from sam2unet.network import structure_loss
from sam2unet.network.loss import boundary_weight


def pooled(target: np.ndarray) -> np.ndarray:
    padded = np.pad(target, 15)
    height, width = target.shape
    return np.array([[padded[y : y + 31, x : x + 31].sum() / 961 for x in range(width)] for y in range(height)])


def iou_term(p: np.ndarray, t: np.ndarray, w: np.ndarray) -> float:
    inter, union = (p * t * w).sum(), ((p + t) * w).sum()
    return 1 - (inter + 1) / (union - inter + 1)


@pytest.mark.parametrize("weighted", [False, True])
def test_one_class(weighted):
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(2, 20, 24)), rng.random((2, 20, 24)).round()
    expected = 0.0
    for z, t in zip(logits, target, strict=True):
        p, w = 1 / (1 + np.exp(-z)), 1 + 5 * np.abs(pooled(t) - t)
        bce = -(t * np.log(p) + (1 - t) * np.log(1 - p))
        expected += ((bce * w).sum() / w.sum() if weighted else bce.mean()) / 2 + iou_term(p, t, w) / 2
    found = structure_loss(torch.tensor(logits)[:, None], torch.tensor(target)[:, None], weighted_bce=weighted)
    assert found.item() == pytest.approx(expected, abs=1e-12)


def test_the_boundary_weight_keeps_its_precision():
    torch.manual_seed(0)
    target = (torch.rand(1, 1, 400, 300) > 0.3).double()
    exact = boundary_weight(target)
    plain = target[0, 0].numpy()
    np.testing.assert_allclose(exact[0, 0], 1 + 5 * np.abs(pooled(plain) - plain))
    assert (boundary_weight(target.float()) - exact).abs().max() < 2e-5
    assert (boundary_weight(target.bfloat16()) - exact).abs().max() < 0.05


def test_several_classes_with_ignored_pixels():
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
                w = (1 + 5 * np.abs(pooled(hot) - hot)) * known
                ious.append(iou_term(p[c], hot, w))
    expected = np.concatenate(entropies).mean() + np.mean(ious)
    assert structure_loss(torch.tensor(logits), torch.tensor(target)).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_ignored_pixels_of_one_class_count_nowhere(weighted):
    rng = np.random.default_rng(2)
    logits, target = rng.normal(size=(2, 20, 24)), rng.random((2, 20, 24)).round()
    target[0, :5] = target[1, :, 20:] = 255
    bces, expected = [], 0.0
    for z, t in zip(logits, target, strict=True):
        known = t != 255
        t = np.where(known, t, 0)
        p, w = 1 / (1 + np.exp(-z)), (1 + 5 * np.abs(pooled(t) - t)) * known
        bce = -(t * np.log(p) + (1 - t) * np.log(1 - p))
        bces.append(bce[known])
        expected += iou_term(p, t, w) / 2 + ((bce * w).sum() / w.sum() / 2 if weighted else 0)
    expected += 0 if weighted else np.concatenate(bces).mean()
    values = torch.tensor(logits)[:, None].requires_grad_()
    found = structure_loss(values, torch.tensor(target)[:, None], weighted_bce=weighted)
    assert found.item() == pytest.approx(expected, abs=1e-12)
    found.backward()
    assert values.grad[0, 0, :5].abs().max() == 0


def test_class_weights():
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
                ious += weight * iou_term(p[c], hot, (1 + 5 * np.abs(pooled(hot) - hot)) * known)
                held += weight
    found = structure_loss(torch.tensor(logits), torch.tensor(target), class_weights=weights)
    assert found.item() == pytest.approx(over / under + ious / held, abs=1e-12)


def test_nothing_labelled_gives_zero_with_a_gradient():
    logits = torch.randn(1, 3, 8, 8, requires_grad=True)
    loss = structure_loss(logits, torch.full((1, 8, 8), 255))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.abs().max() == 0
    alone = torch.randn(1, 1, 8, 8, requires_grad=True)
    loss = structure_loss(alone, torch.full((1, 1, 8, 8), 255.0))
    loss.backward()
    assert loss.isfinite()
    assert alone.grad.abs().max() == 0


def test_weights_that_do_not_fit_raise():
    with pytest.raises(ValueError, match="several classes"):
        structure_loss(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8), class_weights=[1, 2])
    with pytest.raises(ValueError, match="2 class_weights for 3"):
        structure_loss(torch.zeros(1, 3, 8, 8), torch.zeros(1, 8, 8).long(), class_weights=[1, 2])


@pytest.mark.parametrize(
    ("classes", "target", "weighted"),
    [(1, torch.zeros(1, 8, 8), False), (3, torch.zeros(1, 1, 8, 8), False), (3, torch.zeros(1, 8, 8).long(), True)],
)
def test_what_does_not_fit_raises(classes, target, weighted):
    with pytest.raises(ValueError, match=r"target|one class"):
        structure_loss(torch.zeros(1, classes, 8, 8), target, weighted)
