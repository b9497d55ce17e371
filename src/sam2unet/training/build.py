"""Builds the network and the trainer of a recipe."""

import dataclasses
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn

from ..errors import InputError
from ..network import Adapter, SAM2UNet
from ..system import has_bf16, local_world_size, world_size
from ..weights import OFFICIAL, HubUnreachable, cached_file, fetch, load_model, load_trunk, tensor_digests
from .checkpoints import CheckpointFiles
from .recipe import Recipe

PrintLine = Callable[[str], object]


def build_model(recipe: Recipe, trunk_file: Path | str | None, print_line: PrintLine = lambda text: None) -> SAM2UNet:
    """Build the network of a recipe, with new weights or those of `start_from`.

    Args:
        recipe: the recipe.
        trunk_file: the trunk's weights; None: new ones.
        print_line: gets a sentence about the trunk.

    Raises:
        InputError: a file can't be used, or does not match the recipe.
    """
    model = SAM2UNet(recipe.trunk, recipe.classes, recipe.detail)
    model.card = dataclasses.replace(
        model.card, size=recipe.height_width, tile=recipe.tile, tile_overlap=recipe.tile_overlap,
        normalise_range=recipe.normalise_range, class_names=recipe.class_names, recipe=recipe.model_dump(mode="json"),
    )  # fmt: skip
    for adapter in model.adapters:
        assert isinstance(adapter, Adapter)
        adapter.initialise(recipe.adapter_init)
    origin = "from scratch"
    if recipe.start_from:
        origin = f"from {recipe.start_from}"
        _copy_weights(model, recipe.start_from)
    elif trunk_file:
        origin = f"from {trunk_file}"
        load_trunk(model, trunk_file)
    _freeze_trunk(model, recipe.train_trunk)
    print_line(f"Trunk: {recipe.trunk}, {origin}, {_describe_trained(model)}.")
    return model


def _describe_trained(model: SAM2UNet) -> str:
    def millions(module: nn.Module, trained_only: bool) -> float:
        return sum(p.numel() for p in module.parameters() if p.requires_grad or not trained_only) / 1e6

    trained, total = millions(model.trunk, True), millions(model.trunk, False)
    state = "frozen" if trained == 0 else "fully trained" if trained == total else "partly trained"
    return f"{state}. {millions(model, True):.1f} of {millions(model, False):.1f} million parameters are trained"


def _copy_weights(model: SAM2UNet, file: str) -> None:
    """Copy the weights of another model, except the heads' and the detail branch's where they differ in shape."""
    other = load_model(file)
    if other.card.trunk != model.card.trunk:
        raise InputError(
            f"{file}: has the {other.card.trunk} trunk, not {model.card.trunk}: set trunk to {other.card.trunk}"
        )
    same_classes, same_detail = other.card.classes == model.card.classes, other.card.detail == model.card.detail
    new = [*([] if same_classes else ["decoder.heads.", "detail.head."]), *([] if same_detail else ["detail."])]
    state = {name: value for name, value in other.state_dict().items() if not name.startswith(tuple(new))}
    model.load_state_dict(state, strict=not new)
    model.trunk_source = other.trunk_source
    for own, theirs in zip(model.trunk.parameters(), other.trunk.parameters(), strict=True):
        own.requires_grad_(theirs.requires_grad)


def _freeze_trunk(model: SAM2UNet, train_trunk: str | int) -> None:
    """Freeze the blocks of the trunk that `train_trunk` excludes; "auto" leaves what the weights' origin implies."""
    if train_trunk == "auto":
        return
    model.trunk.requires_grad_(train_trunk == "all")
    if isinstance(train_trunk, int):
        num_blocks = len(model.trunk.blocks)
        if train_trunk > num_blocks:
            raise InputError(f"train_trunk is {train_trunk}: the {model.card.trunk} trunk has {num_blocks} blocks")
        model.trunk.blocks[-train_trunk:].requires_grad_(True)


def digest_frozen(model: SAM2UNet) -> str:
    """Return the SHA-256 of all frozen parameters."""
    frozen = {name: p for name, p in model.named_parameters() if not p.requires_grad}
    return hashlib.sha256(repr(sorted(tensor_digests(frozen).items())).encode()).hexdigest()


def find_trunk_weights(recipe: Recipe, print_line: PrintLine) -> Path | None:
    """Return the file of the trunk's weights; None to start from scratch or from another model.

    "auto" takes the official weights from the hub's cache, else from the hub, else none.
    """
    if recipe.trunk_weights == "none" or recipe.start_from:
        return None
    if recipe.trunk_weights in OFFICIAL:
        return fetch(recipe.trunk_weights)
    if recipe.trunk_weights != "auto":
        return Path(recipe.trunk_weights)
    names = [name for name, entry in OFFICIAL.items() if entry.trunk == recipe.trunk]
    if not names:
        return None
    try:
        return fetch(next((name for name in names if cached_file(name)), names[0]))
    except HubUnreachable as error:
        print_line(
            f"warning: {error}. Training from scratch instead, which needs more data and time for the same quality"
        )
        return None


def precision_of(recipe: Recipe, device: torch.device) -> Any:
    """Return Lightning's name of the precision, with "auto" resolved for the device."""
    if recipe.precision != "auto":
        return recipe.precision
    return "bf16-mixed" if has_bf16(device) else "32-true"


def build_trainer(
    recipe: Recipe, epochs: int, folder: Path, device: torch.device, callbacks: list[pl.Callback],
    files: CheckpointFiles, steps_done: int,
) -> pl.Trainer:  # fmt: skip
    """Build Lightning's trainer, on one device, or under torchrun on one per process.

    Args:
        recipe: the recipe.
        epochs: of the whole run.
        folder: the run's folder.
        device: where to train.
        callbacks: Lightning's callbacks.
        files: writes and reads the checkpoints.
        steps_done: steps made before; logs of later steps, left by a run that was killed, are discarded.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    world, local_world = world_size(), local_world_size()
    devices: Any = local_world if world > 1 or device.index is None else [device.index]
    return pl.Trainer(
        accelerator=device.type,
        devices=devices,
        num_nodes=world // local_world,
        strategy="ddp" if world > 1 else "auto",
        sync_batchnorm=device.type == "cuda" and world > 1,  # torch has it for CUDA only
        precision=precision_of(recipe, device),
        max_epochs=epochs,
        accumulate_grad_batches=recipe.accumulate,
        gradient_clip_val=recipe.clip_norm,
        callbacks=callbacks,
        # Given, so that Lightning doesn't take over a Slurm job: torchrun starts the processes there too.
        plugins=[files, TorchElasticEnvironment() if world > 1 else LightningEnvironment()],
        logger=TensorBoardLogger(folder, name="tensorboard", version="", purge_step=steps_done + 1),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )
