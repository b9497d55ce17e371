"""A training step of ours, as `sam2unet train` does it, or without something of it.

    python our_train.py ours|padded|GAIN TRUNK DEVICE START BATCH [KEY=VALUE ...]

"padded" is the plain network that it began as; GAIN one of GAINS, and then the step is done without that one.

Reads the network's first weights from START, or writes them there if there are none yet; takes the pictures and masks
in BATCH. Keys are those of recipes.
"""

import sys
import tempfile
import time
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
import yaml
from steps import answer, forget_peak, peak_bytes, serve, wait
from torch import Tensor
from torch.utils.data import DataLoader

from sam2unet.network import SAM2UNet, deep_supervision_loss, hiera
from sam2unet.network import loss as network_loss
from sam2unet.network.hiera import Attention
from sam2unet.system import retain_freed_memory
from sam2unet.training import module as training_module
from sam2unet.training.build import build_model, build_trainer
from sam2unet.training.checkpoints import ResumeFiles
from sam2unet.training.module import SegmentationModule
from sam2unet.training.recipe import Recipe, load_recipe
from sam2unet.weights import trunk_source
from sam2unet.weights.state_dict_adapter import from_upstream

ADAMW = torch.optim.AdamW


def padded_attention(self: Attention, x: Tensor) -> Tensor:
    """Windows as SAM2 has them: the map is padded to whole ones, and cut afterwards."""
    batch, height, width, _ = x.shape
    side = self.window or max(height, width)
    if self.window:
        x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
    full = x.shape[1:3]
    cut = (side, side) if self.window else (height, width)
    q, k, v = self.qkv(x).chunk(3, dim=-1)
    stride = 2 if self.pool else 1
    q = hiera.max_pool(q) if self.pool else q
    h, w = cut[0] // stride, cut[1] // stride
    x = hiera.attend(self._partition(q, h, w), self._partition(k, *cut), self._partition(v, *cut), None)
    rows, columns = full[0] // cut[0], full[1] // cut[1]
    x = (
        x.transpose(1, 2)
        .reshape(batch, rows, columns, h, w, -1)
        .transpose(2, 3)
        .reshape(batch, rows * h, columns * w, -1)
    )
    return self.proj(x[:, : height // stride, : width // stride])


def load(model: SAM2UNet, start: Path) -> None:
    """The weights that all sides begin with."""
    if start.exists():
        state = torch.load(start, map_location="cpu")
        model.load_state_dict(from_upstream(state) if "encoder.pos_embed" in state else state)
    else:
        torch.save(model.state_dict(), start)


def train_padded(recipe: Recipe, start: Path, batch: list[Tensor], device: torch.device) -> None:
    """The published step on our network, without any of the gains."""
    for gain in ("windows-not-padded", "attention-by-products", "running-sums", "pooling-by-bytes"):
        setattr(*GAINS[gain])
    model = build_model(recipe, None)
    load(model, start)
    model.to(device).train()
    images, masks = (part.to(device) for part in batch)
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-3, weight_decay=5e-4)

    def step() -> float:
        optimizer.zero_grad()
        loss = deep_supervision_loss(model(images, deep_supervision=True), masks)
        loss.backward()
        optimizer.step()
        return loss.item()

    serve(step, device)


class Answer(pl.Callback):
    """Lets the trainer make a step for each line that comes in."""

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Ready."""
        forget_peak(module.device)
        answer(ready=True)

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Wait until asked."""
        if not sys.stdin.readline():
            sys.exit()
        self.started = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        """Tell."""
        wait(module.device)
        seconds = time.perf_counter() - self.started
        answer(seconds=seconds, loss=module.step_loss, peak_bytes=peak_bytes(module.device))


def train_ours(recipe: Recipe, start: Path, batch: list[Tensor], device: torch.device) -> None:
    """The step of a run."""
    model = build_model(recipe, None)
    load(model, start)
    model.trunk_source = trunk_source(start, model.trunk.state_dict())  # as if it had come from an official file
    images, masks = batch
    endless = DataLoader([(images, masks, torch.zeros(len(images), dtype=torch.int64))] * 10_000, batch_size=None)  # type: ignore[arg-type, var-annotated]
    module = SegmentationModule(model, recipe, [], 0, len(endless))
    with retain_freed_memory(), tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = build_trainer(recipe, Path(folder), device, [Answer()], ResumeFiles(Path(folder)), 0)
        trainer.fit(module, endless)


def pooled_weight(target: Tensor) -> Tensor:
    """The weight of the loss by torch's pooling over 31x31 pixels."""
    return 1 + 5 * (F.avg_pool2d(target, 31, stride=1, padding=15) - target).abs()


def plain_pool(x: Tensor) -> Tensor:
    """torch's own pooling, which keeps what comes in."""
    return F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


GAINS: dict[str, Any] = {
    "bf16": {"precision": "32-true"},
    "windows-not-padded": (Attention, "forward", padded_attention),
    "attention-by-products": (hiera, "MIN_SCORES_FOR_FUSED", 0),
    "trunk-kept-in-bf16": (training_module, "cast_frozen_to_bf16", lambda model: None),
    "running-sums": (network_loss, "boundary_weight", pooled_weight),
    "pooling-by-bytes": (hiera, "max_pool", plain_pool),
    "memory-kept": (sys.modules[__name__], "retain_freed_memory", nullcontext),
    "fused-adamw": (torch.optim, "AdamW", lambda groups, fused, **keys: ADAMW(groups, **keys)),
    "recompute": {"recompute": 0},
}
"""What undoes each: keys of the recipe, or what to put in place of something."""


def main() -> None:
    side, trunk, device, start, batch, *keys = sys.argv[1:]
    parts = torch.load(batch)
    changes = {"trunk": trunk, "train_trunk": "none", "batch_size": len(parts[0]), "warmup": 0}
    changes |= {key: yaml.safe_load(value) for key, value in (pair.split("=") for pair in keys)}
    undone = GAINS.get(side, {})
    if isinstance(undone, dict):
        changes |= undone
    else:
        setattr(*undone)
    run = train_padded if side == "padded" else train_ours
    run(load_recipe("general", changes), Path(start), parts, torch.device(device))


if __name__ == "__main__":
    main()
