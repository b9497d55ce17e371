"""A timed process of speed/train.py: a training step of this package, whole or without one of its gains.

    python our_train.py ours|padded|GAIN TRUNK DEVICE START BATCH [KEY=VALUE ...]

"ours" is the step of `sam2unet train`; a GAIN (see GAINS) is that without this gain; "padded" is the published step,
with padded windows and without any gain. Reads the network's initial weights from START, or writes them there if it
does not exist; reads images and masks from BATCH. KEY=VALUE change the recipe.
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
from torch import Tensor
from torch.utils.data import DataLoader
from worker import peak_memory, reset_peak_memory, send_reply, serve_steps, synchronize

from sam2unet.network import SAM2UNet, deep_supervision_loss, hiera
from sam2unet.network import loss as network_loss
from sam2unet.system import retain_freed_memory
from sam2unet.training import Recipe, load_recipe
from sam2unet.training import module as training_module
from sam2unet.training.build import build_model, build_trainer
from sam2unet.training.checkpoints import CheckpointFiles
from sam2unet.training.loading import RunLength
from sam2unet.training.module import SegmentationModule
from sam2unet.weights import from_upstream, trunk_source

ADAMW = torch.optim.AdamW


def padded_attention(self: hiera.Attention, x: Tensor) -> Tensor:
    """`Attention.forward` as SAM2 has it: the map is padded to whole windows, and cropped afterwards."""
    batch, height, width, _ = x.shape
    side = self.window or max(height, width)
    if self.window:
        x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
    padded = x.shape[1:3]
    window = (side, side) if self.window else (height, width)
    q, k, v = self.qkv(x).chunk(3, dim=-1)
    stride = 2 if self.pool else 1
    q = hiera.max_pool(q) if self.pool else q
    h, w = window[0] // stride, window[1] // stride
    x = hiera.attend(self._partition(q, h, w), self._partition(k, *window), self._partition(v, *window), None)
    rows, columns = padded[0] // window[0], padded[1] // window[1]
    x = x.transpose(1, 2).reshape(batch, rows, columns, h, w, -1)
    x = x.transpose(2, 3).reshape(batch, rows * h, columns * w, -1)
    result: Tensor = self.proj(x[:, : height // stride, : width // stride])
    return result


def pooled_weight(target: Tensor) -> Tensor:
    """`boundary_weight` by torch's pooling over 31x31 pixels."""
    return 1 + 5 * (F.avg_pool2d(target, 31, stride=1, padding=15) - target).abs()


def plain_pool(x: Tensor) -> Tensor:
    """`max_pool` by torch's own operator, which saves its input for backward."""
    return F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


UNDONE_BY_RECIPE: dict[str, dict[str, Any]] = {
    "bf16": {"precision": "32-true"},
    "activation-checkpointing": {"activation_checkpointing": 0},
}
"""Gain -> the recipe's keys that switch it off."""
UNDONE_BY_PATCH: dict[str, tuple[object, str, Any]] = {
    "unpadded-windows": (hiera.Attention, "forward", padded_attention),
    "matmul-attention": (hiera, "MIN_SCORES_FOR_FUSED", 0),
    "frozen-bf16": (training_module, "cast_frozen_to_bf16", lambda model: None),
    "running-sums": (network_loss, "boundary_weight", pooled_weight),
    "byte-pooling": (hiera, "max_pool", plain_pool),
    "retained-memory": (sys.modules[__name__], "retain_freed_memory", nullcontext),
    "fused-adamw": (torch.optim, "AdamW", lambda groups, fused, **keys: ADAMW(groups, **keys)),
}
"""Gain -> an object, its attribute, and what replaces that to do without the gain."""
GAINS = [*UNDONE_BY_RECIPE, *UNDONE_BY_PATCH]


def load_start(model: SAM2UNet, start: Path) -> None:
    """Load the initial weights, the same for all variants; the first one writes them."""
    if start.exists():
        state = torch.load(start, map_location="cpu")
        model.load_state_dict(from_upstream(state) if "encoder.pos_embed" in state else state)
    else:
        torch.save(model.state_dict(), start)


def train_padded(recipe: Recipe, start: Path, batch: list[Tensor], device: torch.device) -> None:
    """Serve the published step on our network, without any gain."""
    for gain in ("unpadded-windows", "matmul-attention", "running-sums", "byte-pooling"):
        setattr(*UNDONE_BY_PATCH[gain])
    model = build_model(recipe, None)
    load_start(model, start)
    model.to(device).train()
    images, masks = (tensor.to(device) for tensor in batch)
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-3, weight_decay=5e-4)

    def step() -> float:
        optimizer.zero_grad()
        loss = deep_supervision_loss(model(images, deep_supervision=True), masks)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    serve_steps(step, device)


class StepOnRequest(pl.Callback):
    """Makes the trainer wait for a line on standard input before each step, and reply after it."""

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Say that the process is ready."""
        reset_peak_memory(module.device)
        send_reply(ready=True)

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Wait for a line."""
        if not sys.stdin.readline():
            sys.exit()
        self.started = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        """Reply with duration, loss and memory."""
        synchronize(module.device)
        seconds = time.perf_counter() - self.started
        send_reply(seconds=seconds, loss=module.step_loss, peak_bytes=peak_memory(module.device))


def train_ours(recipe: Recipe, start: Path, batch: list[Tensor], device: torch.device) -> None:
    """Serve the step of `sam2unet train`."""
    model = build_model(recipe, None)
    load_start(model, start)
    model.trunk_source = trunk_source(start, model.trunk.state_dict())  # as if it were an official file
    images, masks = batch
    samples: Any = [(images, masks, torch.zeros(len(images), dtype=torch.int64))] * 10_000
    loader: DataLoader[Any] = DataLoader(samples, batch_size=None)
    length = RunLength(1, len(loader))
    module = SegmentationModule(model, recipe, [], 0, length)
    with retain_freed_memory(), tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = CheckpointFiles(Path(folder))
        trainer = build_trainer(recipe, length.epochs, Path(folder), device, [StepOnRequest()], files, 0)
        trainer.fit(module, loader)


def main() -> None:
    variant, trunk, device, start, batch_file, *pairs = sys.argv[1:]
    batch = torch.load(batch_file)
    keys = {"trunk": trunk, "train_trunk": "none", "batch_size": len(batch[0]), "warmup": 0}
    keys |= {key: yaml.safe_load(value) for key, value in (pair.split("=") for pair in pairs)}
    keys |= UNDONE_BY_RECIPE.get(variant, {})
    if variant in UNDONE_BY_PATCH:
        setattr(*UNDONE_BY_PATCH[variant])
    train = train_padded if variant == "padded" else train_ours
    train(load_recipe("general", keys), Path(start), batch, torch.device(device))


if __name__ == "__main__":
    main()
