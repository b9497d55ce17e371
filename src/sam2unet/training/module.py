"""One step of training and of validation, as a Lightning module."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from ..errors import InputError
from ..network import SAM2UNet, deep_supervision_loss, structure_loss
from ..weights import cast_frozen_to_bf16
from .recipe import Recipe
from .validation_scores import ValidationScores

Loss = Callable[[Tensor, Tensor], Tensor]
"""(logits (B, classes, H, W), target) -> scalar; target (B, 1, H, W), or (B, H, W) int64, 255 where ignored."""


class SegmentationModule(pl.LightningModule):
    """Trains what requires a gradient in the network, and scores it on the validation pictures.

    Args:
        model: the network.
        recipe: how it is trained.
        pictures: the training pictures by index, to name them where a loss is no number.
        validation_pictures: how many there are in all processes.
        total_steps: of the whole run.
        loss: of each of the three outputs; by default the structure loss.
    """

    strict_loading = False  # a file to resume from holds only what is trained

    def __init__(
        self, model: SAM2UNet, recipe: Recipe, pictures: Sequence[Path], validation_pictures: int,
        total_steps: int, loss: Loss | None = None,
    ):  # fmt: skip
        super().__init__()
        self.model = model
        self.recipe = recipe
        self.pictures = pictures
        self.loss = loss or self._structure_loss
        self.validation_pictures, self.total_steps = validation_pictures, total_steps
        self.scores = ValidationScores(recipe.classes, validation_pictures)
        self.since_step: list[tuple[Tensor, Tensor]] = []
        """Loss and pictures of the batches since the last step."""
        self.step_loss = math.nan
        self.loss_sum, self.seen = 0.0, 0
        """Over the pictures of this epoch and process."""

    def on_fit_start(self) -> None:
        """Use less memory, where this device and precision allow it."""
        self.model.trunk.checkpointed_blocks = num_checkpointed_blocks(
            self.recipe, self.device, len(self.model.trunk.blocks)
        )
        if self.trainer.precision == "bf16-mixed":
            cast_frozen_to_bf16(self.model)

    def _structure_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        return structure_loss(logits, target, self.recipe.weighted_bce, self.recipe.class_weights)

    def _loss(self, outputs: Sequence[Tensor], target: Tensor) -> Tensor:
        """The sum of the losses of the three outputs, computed in float32 or wider."""
        wide = torch.promote_types(target.dtype if target.is_floating_point() else torch.float32, torch.float32)
        with torch.autocast(target.device.type, enabled=False):
            return deep_supervision_loss([x.to(wide) for x in outputs], target, self.loss)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Whatever a loss draws follows from the seed, the epoch and the batch."""
        place = (self.recipe.seed, self.current_epoch, batch_idx, self.global_rank)
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """The loss of a batch."""
        images, target, indices = batch
        loss = self._loss(self.model(images, deep_supervision=True), target)
        self.since_step.append((loss.detach(), indices))
        return loss

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip, and stop before a step that would spoil the weights."""
        norm = torch.nn.utils.clip_grad_norm_(
            [p for group in optimizer.param_groups for p in group["params"]], gradient_clip_val or math.inf
        )
        spoilt = [(loss, indices) for loss, indices in self.since_step if not torch.isfinite(loss)]
        anywhere = norm.new_tensor(float(bool(spoilt)))
        if self.trainer.world_size > 1:  # all processes stop together
            anywhere = self.trainer.strategy.reduce(anywhere, reduce_op="sum")
        if anywhere or not torch.isfinite(norm):
            batches = spoilt or ([] if anywhere else self.since_step)
            names = ", ".join(str(self.pictures[i]) for _, indices in batches for i in indices.tolist())
            raise InputError(
                f"the {'loss' if anywhere else 'gradient'} became {spoilt[0][0] if spoilt else norm:.3g} in epoch "
                f"{self.current_epoch + 1}, with {names or 'the pictures of another process'}; look at these, or "
                "train with a lower lr, adapter_init small or precision 32-true. What was saved before is kept"
            )
        sums = [loss.item() * len(indices) for loss, indices in self.since_step]
        pictures = sum(len(indices) for _, indices in self.since_step)
        self.loss_sum, self.seen, self.step_loss = self.loss_sum + sum(sums), self.seen + pictures, sum(sums) / pictures
        self.since_step.clear()
        for logger in self.loggers:
            values = {"step_loss": self.step_loss, "gradient_norm": float(norm)}
            logger.log_metrics(values, self.global_step + 1)

    def mean_loss(self) -> float:
        """Over this epoch's pictures of this process so far."""
        return self.loss_sum / max(1, self.seen)

    def on_train_epoch_start(self) -> None:
        """The mean begins anew; not where a run goes on inside an epoch."""
        self.loss_sum, self.seen = 0.0, 0

    def on_validation_start(self) -> None:
        """All processes validate and save with the running statistics of the first."""
        self.scores = ValidationScores(self.recipe.classes, self.validation_pictures)
        if dist.is_available() and dist.is_initialized():
            for buffer in self.model.buffers():
                dist.broadcast(buffer, src=0)

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor]) -> None:
        """Scores at the size of prediction."""
        images, target, indices = batch
        outputs = self.model(images, deep_supervision=True)
        self.scores.add(outputs[0], target, indices, self._loss(outputs, target))

    def on_validation_epoch_end(self) -> None:
        """The scores of the pictures of all processes, however many each had."""
        if self.trainer.world_size > 1:
            strategy = self.trainer.strategy
            self.scores.gather(lambda counts: strategy.reduce(counts.to(self.device), reduce_op="sum").cpu())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave out what is frozen."""
        frozen = {f"model.{name}" for name, p in self.model.named_parameters() if not p.requires_grad}
        checkpoint["state_dict"] = {k: v for k, v in checkpoint["state_dict"].items() if k not in frozen}
        checkpoint["loss"] = {"sum": self.loss_sum, "seen": self.seen}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on inside an epoch."""
        self.loss_sum, self.seen = checkpoint["loss"]["sum"], checkpoint["loss"]["seen"]

    def configure_optimizers(self) -> Any:
        """AdamW with a warm-up and a cosine."""
        trained = [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]
        groups = [
            {"params": [p for name, p in trained if name.startswith("trunk.") == in_trunk], "lr": lr}
            for in_trunk, lr in ((False, self.recipe.lr), (True, self.recipe.trunk_lr))
        ]
        optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]], weight_decay=self.recipe.weight_decay, fused=True
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: lr_factor(self.recipe, step, self.total_steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def num_checkpointed_blocks(recipe: Recipe, device: torch.device, blocks: int) -> int:
    """How many of the trunk's blocks are computed again on the way back; "auto": half of a big trunk's on a CPU."""
    share = recipe.activation_checkpointing
    if share == "auto":
        share = 0.5 if device.type == "cpu" and recipe.trunk in ("base_plus", "large") else 0.0
    return round(share * blocks)


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
