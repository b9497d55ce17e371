"""One step of training and of validation, as a Lightning module."""

import math
from typing import Any

import lightning.pytorch as pl
import torch
import torch.distributed as dist
from torch import Tensor

from ..network import IGNORED, SAM2UNet, deep_supervision_loss
from .recipe import Recipe


class SegmentationModule(pl.LightningModule):
    """Trains what requires a gradient in the network; logs `loss` and `val_dice`."""

    def __init__(self, model: SAM2UNet, recipe: Recipe):
        super().__init__()
        self.model = model
        self.recipe = recipe
        self.dice: list[Tensor] = []

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The sum of the structure losses of the three outputs, computed in float32 or wider."""
        images, target = batch
        outputs = self.model(images, deep_supervision=True)
        wide = torch.promote_types(target.dtype if target.is_floating_point() else torch.float32, torch.float32)
        with torch.autocast(images.device.type, enabled=False):
            loss = deep_supervision_loss([x.to(wide) for x in outputs], target)
        self.log("loss", loss, on_step=True, on_epoch=True, batch_size=len(images), sync_dist=False)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """The Dice of each picture at the size of training, threshold 0.5."""
        images, target = batch
        self.dice.append(batch_dice(self.model(images), target))

    def on_validation_epoch_end(self) -> None:
        """The mean over the pictures of all processes, however many each had."""
        dice = torch.cat(self.dice)
        self.dice.clear()
        both = self.trainer.strategy.reduce(torch.stack([dice.sum(), dice.new_tensor(len(dice))]), reduce_op="sum")
        self.log("val_dice", both[0] / both[1])

    def on_validation_start(self) -> None:
        """All processes validate and save with the running statistics of the first."""
        if dist.is_available() and dist.is_initialized():
            for buffer in self.model.buffers():
                dist.broadcast(buffer, src=0)

    def configure_optimizers(self) -> Any:
        """AdamW with a warm-up and a cosine."""
        trained = [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]
        groups = [
            {"params": [p for name, p in trained if name.startswith("trunk.") == in_trunk], "lr": lr}
            for in_trunk, lr in ((False, self.recipe.lr), (True, self.recipe.trunk_lr))
        ]
        optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]], lr=self.recipe.lr, weight_decay=self.recipe.weight_decay
        )
        total = int(self.trainer.estimated_stepping_batches)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: lr_factor(self.recipe, step, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def lr_factor(recipe: Recipe, step: int, total: int) -> float:
    """What lr is multiplied by at `step` of `total`: a linear warm-up, then a cosine down to min_lr."""
    warmup = round(recipe.warmup * total)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    if recipe.lr_schedule == "epoch":
        progress = math.floor(progress * recipe.epochs + 1e-9) / recipe.epochs
    low = recipe.min_lr / recipe.lr
    return low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def batch_dice(logits: Tensor, target: Tensor) -> Tensor:
    """(B,) Dice of each picture: 2 |P and T| / (|P| + |T|), 1 where both are empty.

    One class: logits (B, 1, H, W) cut at 0, target at 0.5. Several: the mean over the classes but background that
    either holds; pixels of 255 count nowhere.
    """
    if logits.shape[1] == 1:
        found, truth = logits > 0, target > 0.5
    else:
        known = (target != IGNORED)[:, None]
        classes = torch.arange(1, logits.shape[1], device=logits.device)[:, None, None]
        found = (logits.argmax(dim=1, keepdim=True) == classes) & known
        truth = (target[:, None] == classes) & known
    both = (found & truth).sum(dim=(2, 3)).float()
    either = (found.sum(dim=(2, 3)) + truth.sum(dim=(2, 3))).float()
    dice = torch.where(either > 0, 2 * both / either.clamp(min=1), 1.0)
    if logits.shape[1] == 1:
        return dice[:, 0]
    held = either > 0
    return torch.where(held.any(dim=1), (dice * held).sum(dim=1) / held.sum(dim=1).clamp(min=1), 1.0)
