"""Validation scores against loops over the pictures."""

import numpy as np
import pytest
import torch

from sam2unet.training.validation_scores import THRESHOLDS, ValidationScores


def dice(found: np.ndarray, truth: np.ndarray) -> float:
    total = found.sum() + truth.sum()
    return 2 * (found & truth).sum() / total if total else 1.0


def iou(found: np.ndarray, truth: np.ndarray) -> float:
    either = (found | truth).sum()
    return (found & truth).sum() / either if either else 1.0


def test_one_class():
    torch.manual_seed(0)
    logits, target = 2 * torch.randn(5, 1, 8, 8), torch.rand(5, 1, 8, 8)
    target[1:3], logits[2:4], target[4, :, :2] = 0, -9, 255
    scores = ValidationScores(1, 5)
    scores.add(logits[:3], target[:3], torch.tensor([3, 0, 4]), torch.tensor(2.0))
    scores.add(logits[3:], target[3:], torch.tensor([1, 2]), torch.tensor(4.0))
    p = logits.sigmoid().numpy()
    pictures = [(x[t != 255], t[t != 255] > 0.5) for x, t in zip(p, target.numpy(), strict=True)]
    each = [dice(x >= 0.5, t) for x, t in pictures]
    np.testing.assert_allclose(scores.dice[[3, 0, 4, 1, 2]], each, rtol=1e-6)
    assert each[2] == 1
    summary = scores.summary()
    assert summary["val_dice"] == pytest.approx(np.mean(each), abs=1e-6)
    assert summary["val_iou"] == pytest.approx(np.mean([iou(x >= 0.5, t) for x, t in pictures]), abs=1e-6)
    assert summary["val_loss"] == pytest.approx((3 * 2 + 2 * 4) / 5)
    curve = [np.mean([dice(x >= float(threshold), t) for x, t in pictures]) for threshold in THRESHOLDS]
    np.testing.assert_allclose(scores.curve / 5, curve, rtol=1e-6)
    assert curve[round(100 * scores.threshold()) - 1] == pytest.approx(max(curve))


def test_the_threshold_nearest_to_a_half_of_equally_good_ones():
    scores = ValidationScores(1, 1)
    target = torch.zeros(1, 1, 4, 4)
    target[..., :2] = 1
    logits = torch.where(target > 0, torch.tensor(0.3).logit(), torch.tensor(0.1).logit())
    scores.add(logits, target, torch.tensor([0]), torch.tensor(0.0))
    assert scores.threshold() == 0.3
    assert scores.dice[0] == 0


def test_several_classes():
    torch.manual_seed(0)
    logits, target = torch.randn(4, 4, 8, 8), torch.randint(0, 3, (4, 8, 8))
    logits[:, 3] = -99  # a class that neither is nor is found
    target[:, 0], target[1] = 255, 0
    logits[1, 0] = 99
    scores = ValidationScores(4, 4)
    scores.add(logits, target, torch.arange(4), torch.tensor(1.0))
    found, truth = logits.argmax(dim=1).numpy(), target.numpy()
    known = truth != 255
    for i in range(4):
        held = [c for c in (1, 2, 3) if ((found[i] == c) & known[i]).any() or (truth[i] == c).any()]
        each = [dice((found[i] == c) & known[i], truth[i] == c) for c in held]
        assert scores.dice[i] == pytest.approx(np.mean(each) if each else 1.0, abs=1e-6)
    assert scores.dice[1] == 1
    summary = scores.summary(["ground", "a", "b", "c"])
    ious = [iou((found == c) & known, (truth == c) & known) for c in range(3)]
    for c, name in enumerate(["ground", "a", "b"]):
        assert summary[f"val_iou/{name}"] == pytest.approx(ious[c], abs=1e-6)
        assert summary[f"val_dice/{name}"] == pytest.approx(dice((found == c) & known, (truth == c) & known), abs=1e-6)
    assert np.isnan(summary["val_dice/c"])
    assert summary["val_iou"] == pytest.approx(np.mean(ious), abs=1e-6)
    assert scores.threshold() == 0.5


def test_processes_add_up():
    torch.manual_seed(1)
    logits, target = torch.randn(5, 3, 8, 8), torch.randint(0, 3, (5, 8, 8))
    whole, parts = ValidationScores(3, 5), [ValidationScores(3, 5), ValidationScores(3, 5)]
    whole.add(logits, target, torch.arange(5), torch.tensor(1.0))
    for rank, part in enumerate(parts):
        mine = torch.arange(rank, 5, 2)
        part.add(logits[mine], target[mine], mine, torch.tensor(1.0))
    names = ("loss", "dice", "curve", "confusion")
    totals = iter([getattr(parts[0], name) + getattr(parts[1], name) for name in names])
    parts[0].gather(lambda counts: next(totals))
    assert parts[0].summary() == whole.summary()
