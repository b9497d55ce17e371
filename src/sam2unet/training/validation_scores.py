"""Scores of the validation images: loss, Dice, IoU, the best threshold."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..card import IGNORED
from ..evaluation import class_dice, class_iou, confusion, image_dice

THRESHOLDS = torch.arange(1, 100) / 100
INDEX_OF_HALF = 49


class ValidationScores:
    """Accumulates the scores of the validation images.

    Args:
        classes: 1, or the number of classes, including background.
        num_images: number of validation images of all processes.
    """

    def __init__(self, classes: int, num_images: int):
        self.classes = classes
        self.loss = torch.zeros(num_images, dtype=torch.float64)
        """Mean loss of the batch that each image was in."""
        self.dice = torch.zeros(num_images, dtype=torch.float64)
        """Dice of each image. One class: at threshold 0.5; 1 if mask and prediction are both empty. Several classes:
        the mean over the classes, background excluded, that mask or prediction contains."""
        self.dice_sums = torch.zeros(len(THRESHOLDS), dtype=torch.float64)
        """One class: sum of the images' Dice at each of `THRESHOLDS`."""
        self.confusion = torch.zeros(classes, classes, dtype=torch.float64)
        """Several classes: number of pixels by true class (row) and predicted class (column)."""

    def add(self, logits: Tensor, target: Tensor, indices: Tensor, loss: Tensor) -> None:
        """Add a batch.

        Args:
            logits: (B, classes, H, W).
            target: (B, 1, H, W) in [0, 1]; for several classes (B, H, W) int64. 255 is ignored.
            indices: (B,), of the images.
            loss: scalar, the batch's mean.
        """
        if self.classes == 1:
            curves = dice_curves(logits, target).cpu().double()
            self.dice_sums += curves.sum(dim=0)
            dice = curves[:, INDEX_OF_HALF]
        else:
            predicted, truth = (x.to(torch.uint8).cpu().numpy() for x in (logits.argmax(dim=1), target))
            counts = [confusion(p, t, self.classes) for p, t in zip(predicted, truth, strict=True)]
            self.confusion += torch.from_numpy(sum(counts))
            dice = torch.tensor([image_dice(c) for c in counts])
        self.dice[indices.cpu()] = dice.double()
        self.loss[indices.cpu()] = loss.detach().cpu().double()

    def gather(self, sum_over_processes: Callable[[Tensor], Tensor]) -> None:
        """Combine the scores of all processes; each of them has added other images."""
        self.loss, self.dice = sum_over_processes(self.loss), sum_over_processes(self.dice)
        self.dice_sums, self.confusion = sum_over_processes(self.dice_sums), sum_over_processes(self.confusion)

    def summary(self, class_names: Sequence[str] = ()) -> dict[str, float]:
        """Return `val_loss`, `val_dice` and `val_iou`; for several classes also `val_dice/NAME` and `val_iou/NAME`.

        All are means over the images, but for the scores of single classes, which follow from the pixels of all images,
        and the `val_iou` of several classes: the mean over the classes that occur, including background, as in
        PASCAL VOC (Everingham et al., IJCV 2010). The scores of a class that does not occur are nan.
        """
        means = {"val_loss": float(self.loss.mean()), "val_dice": float(self.dice.mean())}
        if self.classes == 1:
            return means | {"val_iou": float((self.dice / (2 - self.dice)).mean())}
        counts = self.confusion.long().numpy()
        dice, iou = class_dice(counts), class_iou(counts)
        names = class_names or [str(i) for i in range(self.classes)]
        per_class = {
            f"val_{kind}/{name}": float(value)
            for kind, values in (("dice", dice), ("iou", iou))
            for name, value in zip(names, values, strict=True)
        }
        return means | {"val_iou": float(np.nanmean(iou))} | per_class

    def best_threshold(self) -> float:
        """Return the threshold of highest mean Dice, of equal ones the nearest to 0.5; 0.5 for several classes."""
        if self.classes > 1:
            return 0.5
        best = THRESHOLDS[self.dice_sums >= self.dice_sums.max() - 1e-9]
        return round(float(best[(best - 0.5).abs().argmin()]), 2)


def dice_curves(logits: Tensor, target: Tensor) -> Tensor:
    """Compute each image's Dice at each of `THRESHOLDS`; 1 where mask and prediction are both empty.

    Args:
        logits: (B, 1, H, W).
        target: (B, 1, H, W) in [0, 1], foreground above 0.5; 255 is ignored.

    Returns:
        (B, 99).
    """
    batch, bins = len(logits), len(THRESHOLDS) + 1
    # The number of thresholds that each pixel's probability reaches, offset so that each image has its own bins.
    reached = torch.bucketize(logits.float().sigmoid(), THRESHOLDS.to(logits.device), right=True)
    reached += bins * torch.arange(batch, device=logits.device)[:, None, None, None]
    known = target != IGNORED
    predicted, intersection = (
        # The reversed cumulative sum turns "reach exactly k thresholds" into "reach at least k".
        torch.bincount(reached[where], minlength=batch * bins).view(batch, bins).flip(1).cumsum(1).flip(1)
        for where in (known, known & (target > 0.5))
    )
    total = predicted[:, 1:] + intersection[:, :1]
    return torch.where(total > 0, 2 * intersection[:, 1:] / total.clamp(min=1), 1.0)
