"""The training and validation step, as a Lightning module."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
import torch.distributed as dist
from PIL import Image
from torch import Tensor

from ..card import IGNORED
from ..data import ImageSource, Mask
from ..errors import InputError
from ..network import SAM2UNet, deep_supervision_loss, dice_loss, structure_loss
from ..prediction import Views
from ..weights import cast_frozen_to_bf16
from .loading import RunLength
from .packed_mask import cut
from .recipe import Recipe
from .samples import Preprocessing
from .validation_scores import ValidationScores

Loss = Callable[[Tensor, Tensor], Tensor]
"""(logits (B, classes, H, W), target) -> scalar; target (B, 1, H, W) in [0, 1], or (B, H, W) int64; 255 is ignored."""


class SegmentationModule(pl.LightningModule):
    """Trains the parameters that require a gradient, and scores the network on the validation images.

    Args:
        model: the network.
        recipe: learning rates, precision and the like.
        train_images: files of the training images by index, named in errors.
        num_val_images: number of validation images of all processes.
        length: of the whole run.
        loss: loss of each of the three outputs; default the recipe's.
    """

    strict_loading = False  # checkpoints hold only what is trained

    def __init__(
        self, model: SAM2UNet, recipe: Recipe, train_images: Sequence[ImageSource], num_val_images: int,
        length: RunLength, loss: Loss | None = None,
    ):  # fmt: skip
        super().__init__()
        self.model = model
        self.recipe = recipe
        self.train_images = train_images
        self.loss = loss or self._recipe_loss
        self.num_val_images, self.length = num_val_images, length
        self.scores = ValidationScores(recipe.classes, num_val_images)
        self.losses: list[tuple[Tensor, Tensor]] = []
        """Mean loss and image indices of each batch since the last optimizer step."""
        self.step_loss = math.nan
        """Mean loss over the images of the last optimizer step."""
        self.loss_sum, self.num_images = 0.0, 0
        """Over the images of this epoch and process so far."""

    def on_fit_start(self) -> None:
        """Save memory where device and precision allow it."""
        self.prepare(self.device, self.trainer.precision == "bf16-mixed")

    def prepare(self, device: torch.device, is_bf16: bool) -> None:
        """Save memory where device and precision allow it."""
        blocks = self.model.trunk.blocks
        self.model.trunk.checkpointed_blocks = num_checkpointed_blocks(self.recipe, device, len(blocks))
        if is_bf16:
            cast_frozen_to_bf16(self.model)

    def _recipe_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        if self.recipe.loss == "dice":
            return dice_loss(logits, target, self.recipe.class_weights)
        return structure_loss(logits, target, self.recipe.weighted_bce, self.recipe.class_weights)

    def total_loss(self, outputs: Sequence[Tensor], target: Tensor) -> Tensor:
        """Sum the losses of the outputs, computed in the target's dtype but at least in float32."""
        dtype = torch.promote_types(target.dtype if target.is_floating_point() else torch.float32, torch.float32)
        with torch.autocast(target.device.type, enabled=False):
            return deep_supervision_loss([x.to(dtype) for x in outputs], target, self.loss)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed torch, so that a loss that draws random numbers depends on seed, epoch and batch alone."""
        place = (self.recipe.seed, self.current_epoch, batch_idx, self.global_rank)
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Return the loss of a batch."""
        images, target, indices = batch
        loss = self.total_loss(self.model(images, deep_supervision=True), target)
        self.losses.append((loss.detach(), indices))
        return loss

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip the gradient; stop before a step that would make weights NaN."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, gradient_clip_val or math.inf)
        self._check_finite(norm)
        sums = [loss.item() * len(indices) for loss, indices in self.losses]
        num_images = sum(len(indices) for _, indices in self.losses)
        self.loss_sum, self.num_images = self.loss_sum + sum(sums), self.num_images + num_images
        self.step_loss = sum(sums) / num_images
        self.losses.clear()
        for logger in self.loggers:
            logger.log_metrics({"step_loss": self.step_loss, "gradient_norm": float(norm)}, self.global_step + 1)

    def _check_finite(self, norm: Tensor) -> None:
        """Raise an InputError in all processes if a loss of any process, or the gradient, is not finite."""
        bad = [(loss, indices) for loss, indices in self.losses if not torch.isfinite(loss)]
        num_bad = norm.new_tensor(float(bool(bad)))
        if self.trainer.world_size > 1:
            num_bad = self.trainer.strategy.reduce(num_bad, reduce_op="sum")
        if not num_bad and torch.isfinite(norm):
            return
        batches = bad or ([] if num_bad else self.losses)
        names = ", ".join(str(self.train_images[i]) for _, indices in batches for i in indices.tolist())
        raise InputError(
            f"the {'loss' if num_bad else 'gradient'} became {bad[0][0] if bad else norm:.3g} in epoch "
            f"{self.current_epoch + 1}, with {names or 'images of another process'}: check these images and masks, or "
            "train with a lower lr, adapter_init small, or precision 32-true. The models saved before are unharmed"
        )

    def mean_loss(self) -> float:
        """Return the mean loss over this epoch's images of this process so far."""
        return self.loss_sum / max(1, self.num_images)

    def on_train_epoch_start(self) -> None:
        """Reset the mean loss; Lightning skips this hook when it resumes inside an epoch."""
        self.loss_sum, self.num_images = 0.0, 0

    def on_validation_start(self) -> None:
        """Give all processes the batch-norm statistics of the first, so that they validate the model that is saved."""
        self.scores = ValidationScores(self.recipe.classes, self.num_val_images)
        if dist.is_available() and dist.is_initialized():
            for buffer in self.model.buffers():
                dist.broadcast(buffer, src=0)

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor]) -> None:
        """Add the scores of a batch, or of one whole image that is predicted in tiles."""
        images, target, indices = batch
        if self.model.card.tile:
            logits, loss = self._predict_tiles(images[0], target[0])
            target = target.long() if self.recipe.classes > 1 else target[:, None].float()
            self.scores.add(logits[None], target, indices, loss)
            return
        outputs = self.model(images, deep_supervision=True)
        self.scores.add(outputs[0], target, indices, self.total_loss(outputs, target))

    def _predict_tiles(self, image: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Predict an image in overlapping tiles, as `Predictor` does.

        Args:
            image: (H, W, 3) uint8.
            labels: (H, W) uint8.

        Returns:
            Logits (classes, H, W), and the mean loss of the tiles.
        """
        card = self.model.card
        options = Preprocessing(card.size, card.mean, card.std, card.classes)
        views = Views().of(Image.fromarray(image.cpu().numpy()), card)
        truth, side = labels.cpu().numpy(), card.tile or 0
        merged = np.zeros((card.classes, *labels.shape), np.float32)
        losses = []
        for row in range(len(views.grid.rows.starts)):
            tiles = torch.from_numpy(views.render(row)[0]).permute(0, 3, 1, 2)
            boxes = views.grid.boxes(row)
            targets = torch.stack([options.resize_mask(Mask(cut(truth, top, left, side, IGNORED)), card.size)
                                   for left, top, _, _ in boxes])  # fmt: skip
            logits = []
            for part in (slice(i, i + self.recipe.batch_size) for i in range(0, len(boxes), self.recipe.batch_size)):
                images = options.normalise(tiles[part].float() / 255).to(self.device)
                outputs = self.model(images, deep_supervision=True)
                losses.append(len(images) * self.total_loss(outputs, targets[part].to(self.device)))
                logits.append(outputs[0].float().cpu().numpy())
            views.grid.add_row(merged, 0, views.merge([np.concatenate(logits)]), row)
        return torch.from_numpy(merged), torch.stack(losses).sum() / len(views.grid)

    def on_validation_epoch_end(self) -> None:
        """Combine the scores of all processes, which may have different numbers of images."""
        if self.trainer.world_size > 1:
            strategy = self.trainer.strategy
            self.scores.gather(lambda counts: strategy.reduce(counts.to(self.device), reduce_op="sum").cpu())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave out frozen parameters; add the mean loss so far."""
        frozen = {f"model.{name}" for name, p in self.model.named_parameters() if not p.requires_grad}
        checkpoint["state_dict"] = {k: v for k, v in checkpoint["state_dict"].items() if k not in frozen}
        checkpoint["loss"] = {"sum": self.loss_sum, "seen": self.num_images}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the mean loss so far."""
        self.loss_sum, self.num_images = checkpoint["loss"]["sum"], checkpoint["loss"]["seen"]

    def configure_optimizers(self) -> Any:
        """Return AdamW, with separate learning rates for the trunk and the rest, and their schedule."""
        trained = [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]
        groups = [
            {"params": [p for name, p in trained if name.startswith("trunk.") == in_trunk], "lr": lr}
            for in_trunk, lr in ((False, self.recipe.lr), (True, self.recipe.trunk_lr))
        ]
        optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]], weight_decay=self.recipe.weight_decay, fused=True
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: lr_factor(self.recipe, step, self.length))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def num_checkpointed_blocks(recipe: Recipe, device: torch.device, num_blocks: int) -> int:
    """Return the number of the trunk's blocks with activation checkpointing."""
    fraction = recipe.activation_checkpointing
    if fraction == "auto":
        fraction = 0.5 if device.type == "cpu" and recipe.trunk in ("base_plus", "large") else 0.0
    return round(fraction * num_blocks)


def lr_factor(recipe: Recipe, step: int, length: RunLength) -> float:
    """Return the factor of the peak learning rate: a linear warm-up, then a cosine decay down to min_lr / lr.

    Args:
        recipe: for `warmup`, `lr_schedule`, `min_lr` and `lr`.
        step: from 0.
        length: of the whole run.
    """
    warmup = round(recipe.warmup * length.steps)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, length.steps - warmup)
    if recipe.lr_schedule == "epoch":
        progress = math.floor(progress * length.epochs + 1e-9) / length.epochs
    low = recipe.min_lr / recipe.lr
    return low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
