"""Structure loss (weighted IoU + BCE), Dice loss, their counterparts for several classes, and deep supervision."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..card import IGNORED


def structure_loss(
    logits: Tensor, target: Tensor, weighted_bce: bool = False, class_weights: Sequence[float] = ()
) -> Tensor:
    """The paper's loss: binary cross-entropy plus boundary-weighted soft IoU loss, averaged over the batch.

    With w = 1 + 5 |avgpool31(target) - target| (F3Net, arXiv 1911.11445, equations 6 to 9) and p = sigmoid(logits):
    IoU loss = 1 - (sum(p t w) + 1) / (sum((p + t) w) - sum(p t w) + 1). As in the authors' release, the BCE term is a
    plain mean. For several classes see `multiclass_structure_loss`.

    Args:
        logits: (B, 1, H, W), or (B, classes, H, W) for several classes.
        target: (B, 1, H, W) in [0, 1]; for several classes (B, H, W) int64. Pixels of 255 are ignored.
        weighted_bce: weight the BCE term by w too, as the formula is printed in papers. One class only.
        class_weights: weight of each class in the loss, background first; equal if empty. Several classes only.

    Returns:
        A scalar.

    Raises:
        ValueError: the shapes don't match, `weighted_bce` with several classes, or `class_weights` with one.

    >>> import torch
    >>> logits, mask = torch.zeros(2, 1, 64, 64), torch.ones(2, 1, 64, 64)
    >>> round(structure_loss(logits, mask).item(), 4)  # log 2, and half of the object is missed
    1.1931
    """
    if logits.shape[1] > 1:
        if weighted_bce:
            raise ValueError("weighted_bce is defined for one class")
        return multiclass_structure_loss(logits, target, class_weights)
    target, known = _known_foreground(logits, target, class_weights)
    weight = boundary_weight(target) * known
    bce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    if weighted_bce:
        bce = ((bce * weight).sum(dim=(2, 3)) / weight.sum(dim=(2, 3)).clamp(min=1)).mean()
    else:
        bce = (bce * known).sum() / known.sum().clamp(min=1)
    return bce + iou_loss(logits.sigmoid(), target, weight).mean()


def dice_loss(logits: Tensor, target: Tensor, class_weights: Sequence[float] = ()) -> Tensor:
    """Cross-entropy plus soft Dice loss, averaged over the batch: for thin objects, where every pixel is a boundary.

    With p = sigmoid(logits): Dice loss = 1 - (2 sum(p t) + 1) / (sum(p) + sum(t) + 1) of each image (V-Net, arXiv
    1606.04797, with p in place of its square; nnU-Net's sum of the two). For several classes it is averaged over the
    classes present in each image.

    Args:
        logits: see `structure_loss`.
        target: see `structure_loss`.
        class_weights: see `structure_loss`.

    Returns:
        A scalar.

    Raises:
        ValueError: the shapes don't match, or `class_weights` with one class.
    """
    if logits.shape[1] > 1:
        return _multiclass_loss(logits, target, class_weights, lambda p, hot, known: _soft_dice(p * known, hot))
    target, known = _known_foreground(logits, target, class_weights)
    bce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (bce * known).sum() / known.sum().clamp(min=1) + _soft_dice(logits.sigmoid() * known, target).mean()


def _known_foreground(logits: Tensor, target: Tensor, class_weights: Sequence[float] = ()) -> tuple[Tensor, Tensor]:
    """Check the arguments of a loss of one class; return the target, 0 where ignored, and 1 where it is known."""
    if class_weights:
        raise ValueError("class_weights are defined for several classes")
    if logits.shape != target.shape:
        raise ValueError(f"logits {tuple(logits.shape)} and target {tuple(target.shape)} differ in shape")
    known = (target != IGNORED).to(logits.dtype)
    return target * known, known


def _soft_dice(probability: Tensor, target: Tensor) -> Tensor:
    """Soft Dice loss of each map: two (B, C, H, W) -> (B, C)."""
    inter = (probability * target).sum(dim=(2, 3))
    return 1 - (2 * inter + 1) / ((probability + target).sum(dim=(2, 3)) + 1)


def multiclass_structure_loss(logits: Tensor, target: Tensor, class_weights: Sequence[float] = ()) -> Tensor:
    """Cross-entropy plus boundary-weighted soft IoU loss, averaged over the classes present in each image.

    Args:
        logits: (B, C, H, W).
        target: (B, H, W) int64; pixels of 255 are ignored.
        class_weights: C weights, of pixels in the cross-entropy and of classes in the IoU loss; equal if empty.

    Returns:
        A scalar; 0 if no pixel is labelled.

    Raises:
        ValueError: the shapes don't match, or there are not C weights.
    """
    return _multiclass_loss(
        logits, target, class_weights, lambda p, hot, known: iou_loss(p, hot, boundary_weight(hot) * known)
    )


def _multiclass_loss(
    logits: Tensor,
    target: Tensor,
    class_weights: Sequence[float],
    region_loss: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> Tensor:
    """Cross-entropy plus a loss (B, C) of the maps (probability, one-hot target, known), over the classes present."""
    if target.shape != logits.shape[:1] + logits.shape[2:]:
        raise ValueError(f"logits {tuple(logits.shape)} need a target (B, H, W), not {tuple(target.shape)}")
    if class_weights and len(class_weights) != logits.shape[1]:
        raise ValueError(f"{len(class_weights)} class_weights for {logits.shape[1]} classes")
    weights = logits.new_tensor(class_weights) if class_weights else logits.new_ones(logits.shape[1])
    known = target != IGNORED
    index = target.where(known, torch.zeros_like(target))
    entropy = F.cross_entropy(logits, target, weights, ignore_index=IGNORED, reduction="sum")
    entropy = entropy / (weights[index] * known).sum().clamp(min=1e-6)
    hot = F.one_hot(index, logits.shape[1]).permute(0, 3, 1, 2).to(logits.dtype) * known[:, None]
    present = hot.amax(dim=(2, 3)) * weights
    region = region_loss(logits.softmax(dim=1), hot, known[:, None])
    return entropy + (region * present).sum() / present.sum().clamp(min=1e-6)


def boundary_weight(target: Tensor) -> Tensor:
    """1 + 5 |mean over 31x31 pixels - target|, zero-padded; (B, C, H, W) -> (B, C, H, W)."""
    return 1 + 5 * (_mean_of_31(_mean_of_31(target, -2), -1) - target).abs()


def _mean_of_31(x: Tensor, dim: int) -> Tensor:
    """Mean over 31 pixels along one dimension, from differences of running sums: much faster than `avg_pool2d`."""
    before_after = (16, 15) if dim == -1 else (0, 0, 16, 15)
    sums = F.pad(x, before_after).cumsum(dim, dtype=torch.promote_types(x.dtype, torch.float32))
    return ((sums.narrow(dim, 31, x.shape[dim]) - sums.narrow(dim, 0, x.shape[dim])) / 31).to(x.dtype)


def iou_loss(probability: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted soft IoU loss of each map: three (B, C, H, W) -> (B, C)."""
    inter = (probability * target * weight).sum(dim=(2, 3))
    union = ((probability + target) * weight).sum(dim=(2, 3))
    return 1 - (inter + 1) / (union - inter + 1)


def deep_supervision_loss(
    outputs: Sequence[Tensor], target: Tensor, loss: Callable[[Tensor, Tensor], Tensor] = structure_loss
) -> Tensor:
    """Sum a loss over all outputs of the network.

    Args:
        outputs: logits (B, classes, H, W) of each output, as the network returns them with `deep_supervision`.
        target: see `structure_loss`.
        loss: a function of (logits, target) that returns a scalar.

    Returns:
        A scalar.
    """
    return torch.stack([loss(logits, target) for logits in outputs]).sum()
