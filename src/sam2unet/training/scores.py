"""How well a network does on the validation pictures."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..network import IGNORED

THRESHOLDS = torch.arange(1, 100) / 100
HALF = 49


class Scores:
    """What is counted over the validation pictures, one class or several."""

    def __init__(self, classes: int, pictures: int):
        self.classes = classes
        self.loss = torch.zeros(pictures, dtype=torch.float64)
        """The mean of the batch that a picture was in."""
        self.dice = torch.zeros(pictures, dtype=torch.float64)
        """Of each picture: at 0.5, 1 where mask and prediction are both empty; of several classes the mean over those
        but background that either holds."""
        self.curve = torch.zeros(len(THRESHOLDS), dtype=torch.float64)
        """One class: the sum of the pictures' Dice at each of `THRESHOLDS`."""
        self.confusion = torch.zeros(classes, classes, dtype=torch.float64)
        """Several classes: pixels of all pictures by true class (row) and found class."""

    def add(self, logits: Tensor, target: Tensor, indices: Tensor, loss: Tensor) -> None:
        """Count a batch: logits (B, classes, H, W), its target, its pictures' indices, and its mean loss."""
        if self.classes == 1:
            curves = dice_curves(logits, target).double().cpu()
            self.curve += curves.sum(dim=0)
            dice = curves[:, HALF]
        else:
            confused = confusions(logits.argmax(dim=1), target, self.classes).double().cpu()
            self.confusion += confused.sum(dim=0)
            dice = class_dice(confused)[:, 1:].nanmean(dim=1).nan_to_num(nan=1.0)
        self.dice[indices.cpu()] = dice
        self.loss[indices.cpu()] = loss.detach().double().cpu()

    def gather(self, total: Callable[[Tensor], Tensor]) -> None:
        """Make all processes hold the counts of all: `total` adds a tensor up over them."""
        self.loss, self.dice = total(self.loss), total(self.dice)
        self.curve, self.confusion = total(self.curve), total(self.confusion)

    def summary(self, class_names: Sequence[str] = ()) -> dict[str, float]:
        """`val_loss`, `val_dice`, `val_iou`; of several classes each one's too, from the confusion of all pixels.

        One class: the means over the pictures. Several: `val_iou` is the mean over the classes that occur, background
        counted, as in PASCAL VOC (Everingham et al., IJCV 2010).
        """
        means = {"val_loss": float(self.loss.mean()), "val_dice": float(self.dice.mean())}
        if self.classes == 1:
            return means | {"val_iou": float((self.dice / (2 - self.dice)).mean())}
        dice = class_dice(self.confusion)
        iou = dice / (2 - dice)
        names = class_names or [str(i) for i in range(self.classes)]
        each = {
            f"val_{k}/{n}": float(v) for k, of in (("dice", dice), ("iou", iou)) for n, v in zip(names, of, strict=True)
        }
        return means | {"val_iou": float(iou.nanmean())} | each

    def threshold(self) -> float:
        """The one of `THRESHOLDS` with the highest mean Dice, the nearest to 0.5 of equals; 0.5 for several classes."""
        best = THRESHOLDS[self.curve >= self.curve.max() - 1e-9]
        return round(float(best[(best - 0.5).abs().argmin()]), 2) if self.classes == 1 else 0.5


def dice_curves(logits: Tensor, target: Tensor) -> Tensor:
    """(B, 99) Dice of each picture where the probability reaches each of `THRESHOLDS`; 1 where both are empty.

    `logits` (B, 1, H, W); `target` likewise, in [0, 1], object from above 0.5, 255 where ignored.
    """
    batch, bins = len(logits), len(THRESHOLDS) + 1
    reached = torch.bucketize(logits.float().sigmoid(), THRESHOLDS.to(logits.device), right=True)
    reached += bins * torch.arange(batch, device=logits.device)[:, None, None, None]
    known = target != IGNORED
    found, both = (
        # From how many pixels reach each threshold exactly to how many reach it at least.
        torch.bincount(reached[where], minlength=batch * bins).view(batch, bins).flip(1).cumsum(1).flip(1)
        for where in (known, known & (target > 0.5))
    )
    either = found[:, 1:] + both[:, :1]
    return torch.where(either > 0, 2 * both[:, 1:] / either.clamp(min=1), 1.0)


def confusions(found: Tensor, target: Tensor, classes: int) -> Tensor:
    """(B, classes, classes) pixels by true class (row) and found class, of (B, H, W) each; 255 is ignored."""
    batch = torch.arange(len(found), device=found.device)[:, None, None].expand_as(found)
    known = target != IGNORED
    places = (batch * classes + target)[known] * classes + found[known]
    return torch.bincount(places, minlength=len(found) * classes**2).view(len(found), classes, classes)


def class_dice(confusion: Tensor) -> Tensor:
    """(..., classes) Dice from (..., classes, classes) pixels; nan where a class neither is nor was found."""
    return 2 * confusion.diagonal(dim1=-2, dim2=-1) / (confusion.sum(dim=-1) + confusion.sum(dim=-2))
