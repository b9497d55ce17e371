"""How well a network does on the validation pictures."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..card import IGNORED
from ..evaluation import class_dice, class_iou, confusion, image_dice

THRESHOLDS = torch.arange(1, 100) / 100
INDEX_OF_HALF = 49


class ValidationScores:
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
            curves = dice_curves(logits, target).cpu().double()
            self.curve += curves.sum(dim=0)
            dice = curves[:, INDEX_OF_HALF]
        else:
            found, truth = (x.to(torch.uint8).cpu().numpy() for x in (logits.argmax(dim=1), target))
            counts = [confusion(f, t, self.classes) for f, t in zip(found, truth, strict=True)]
            self.confusion += torch.from_numpy(sum(counts))
            dice = torch.tensor([image_dice(c) for c in counts])
        self.dice[indices.cpu()] = dice.double()
        self.loss[indices.cpu()] = loss.detach().cpu().double()

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
        counts = self.confusion.long().numpy()
        dice, iou = class_dice(counts), class_iou(counts)
        names = class_names or [str(i) for i in range(self.classes)]
        each = {
            f"val_{kind}/{name}": float(value)
            for kind, values in (("dice", dice), ("iou", iou))
            for name, value in zip(names, values, strict=True)
        }
        return means | {"val_iou": float(np.nanmean(iou))} | each

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
