"""Validation scores against loops over the images."""

import numpy as np
import pytest
import torch

from sam2unet.training.validation_scores import THRESHOLDS, ValidationScores


def dice(predicted: np.ndarray, truth: np.ndarray) -> float:
    total = predicted.sum() + truth.sum()
    return 2 * (predicted & truth).sum() / total if total else 1.0


def iou(predicted: np.ndarray, truth: np.ndarray) -> float:
    union = (predicted | truth).sum()
    return (predicted & truth).sum() / union if union else 1.0


def test_scores_of_one_class_equal_a_loop_over_images_and_thresholds():
    torch.manual_seed(0)
    logits, target = 2 * torch.randn(5, 1, 8, 8), torch.rand(5, 1, 8, 8)
    target[1:3], logits[2:4], target[4, :, :2] = 0, -9, 255
    scores = ValidationScores(1, 5)
    scores.add(logits[:3], target[:3], torch.tensor([3, 0, 4]), torch.tensor(2.0))
    scores.add(logits[3:], target[3:], torch.tensor([1, 2]), torch.tensor(4.0))
    p = logits.sigmoid().numpy()
    images = [(x[t != 255], t[t != 255] > 0.5) for x, t in zip(p, target.numpy(), strict=True)]
    each = [dice(x >= 0.5, t) for x, t in images]
    np.testing.assert_allclose(scores.dice[[3, 0, 4, 1, 2]], each, rtol=1e-6)
    assert each[2] == 1  # empty, and predicted empty
    summary = scores.summary()
    assert summary["val_dice"] == pytest.approx(np.mean(each), abs=1e-6)
    assert summary["val_iou"] == pytest.approx(np.mean([iou(x >= 0.5, t) for x, t in images]), abs=1e-6)
    assert summary["val_loss"] == pytest.approx((3 * 2 + 2 * 4) / 5)
    curve = [np.mean([dice(x >= float(threshold), t) for x, t in images]) for threshold in THRESHOLDS]
    np.testing.assert_allclose(scores.dice_sums / 5, curve, rtol=1e-6)
    assert curve[round(100 * scores.best_threshold()) - 1] == pytest.approx(max(curve))


def test_best_threshold_is_the_nearest_to_a_half_of_equally_good_ones():
    scores = ValidationScores(1, 1)
    target = torch.zeros(1, 1, 4, 4)
    target[..., :2] = 1
    logits = torch.where(target > 0, torch.tensor(0.3).logit(), torch.tensor(0.1).logit())
    scores.add(logits, target, torch.tensor([0]), torch.tensor(0.0))
    assert scores.best_threshold() == 0.3
    assert scores.dice[0] == 0


def test_scores_of_several_classes_equal_a_loop_over_images_and_classes():
    torch.manual_seed(0)
    logits, target = torch.randn(4, 4, 8, 8), torch.randint(0, 3, (4, 8, 8))
    logits[:, 3] = -99  # a class that neither occurs nor is predicted
    target[:, 0], target[1] = 255, 0
    logits[1, 0] = 99
    scores = ValidationScores(4, 4)
    scores.add(logits, target, torch.arange(4), torch.tensor(1.0))
    predicted, truth = logits.argmax(dim=1).numpy(), target.numpy()
    known = truth != 255
    for i in range(4):
        present = [c for c in (1, 2, 3) if ((predicted[i] == c) & known[i]).any() or (truth[i] == c).any()]
        each = [dice((predicted[i] == c) & known[i], truth[i] == c) for c in present]
        assert scores.dice[i] == pytest.approx(np.mean(each) if each else 1.0, abs=1e-6)
    assert scores.dice[1] == 1
    summary = scores.summary(["ground", "a", "b", "c"])
    ious = [iou((predicted == c) & known, (truth == c) & known) for c in range(3)]
    for c, name in enumerate(["ground", "a", "b"]):
        assert summary[f"val_iou/{name}"] == pytest.approx(ious[c], abs=1e-6)
        assert summary[f"val_dice/{name}"] == pytest.approx(
            dice((predicted == c) & known, (truth == c) & known), abs=1e-6
        )
    assert np.isnan(summary["val_dice/c"])
    assert summary["val_iou"] == pytest.approx(np.mean(ious), abs=1e-6)
    assert scores.best_threshold() == 0.5


def test_gather_adds_the_scores_of_processes():
    torch.manual_seed(1)
    logits, target = torch.randn(5, 3, 8, 8), torch.randint(0, 3, (5, 8, 8))
    whole, parts = ValidationScores(3, 5), [ValidationScores(3, 5), ValidationScores(3, 5)]
    whole.add(logits, target, torch.arange(5), torch.tensor(1.0))
    for rank, part in enumerate(parts):
        own = torch.arange(rank, 5, 2)
        part.add(logits[own], target[own], own, torch.tensor(1.0))
    names = ("loss", "dice", "dice_sums", "confusion")
    totals = iter([getattr(parts[0], name) + getattr(parts[1], name) for name in names])
    parts[0].gather(lambda counts: next(totals))
    assert parts[0].summary() == whole.summary()
