"""The network and the trainer that a recipe asks for."""

import dataclasses
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from torch import nn

from ..errors import InputError
from ..network import Adapter, SAM2UNet
from ..system import has_bf16, local_world_size, world_size
from ..weights import OFFICIAL, HubUnreachable, cached_file, fetch, load_model, load_trunk, tensor_digests
from .checkpoints import ResumeFiles
from .recipe import Recipe

Say = Callable[[str], object]


def build_model(recipe: Recipe, trunk_file: Path | str | None, say: Say = lambda text: None) -> SAM2UNet:
    """The network of a recipe: fresh but for the trunk in `trunk_file`, or from the model in `start_from`; says which.

    Raises:
        InputError: a file can't be used, or doesn't fit the recipe.
    """
    model = SAM2UNet(recipe.trunk, recipe.classes)
    model.card = dataclasses.replace(
        model.card, size=recipe.height_width, normalise_range=recipe.normalise_range, class_names=recipe.class_names,
        recipe=recipe.model_dump(mode="json"),
    )  # fmt: skip
    for adapter in model.adapters:
        assert isinstance(adapter, Adapter)
        adapter.initialise(recipe.adapter_init)
    origin = "from scratch"
    if recipe.start_from:
        origin = f"from {recipe.start_from}"
        _start_from(model, recipe.start_from)
    elif trunk_file:
        origin = f"from {trunk_file}"
        load_trunk(model, trunk_file)
    _choose_trained(model, recipe.train_trunk)
    say(f"Trunk: {recipe.trunk}, {origin}, {_trained_part(model)}.")
    return model


def _trained_part(model: SAM2UNet) -> str:
    """What is trained, in words."""

    def millions(module: nn.Module, trained: bool) -> float:
        return sum(p.numel() for p in module.parameters() if p.requires_grad or not trained) / 1e6

    part, whole = millions(model.trunk, True), millions(model.trunk, False)
    state = "frozen" if part == 0 else "trained with the rest" if part == whole else "trained in part"
    return f"{state}. {millions(model, True):.1f} of {millions(model, False):.1f} million parameters are trained"


def _start_from(model: SAM2UNet, file: str) -> None:
    """Take over another model's weights, but for the heads where it has other classes."""
    other = load_model(file)
    if other.card.trunk != model.card.trunk:
        raise InputError(f"{file}: has the {other.card.trunk} trunk; use --trunk {other.card.trunk}")
    same = other.card.classes == model.card.classes
    state = {name: value for name, value in other.state_dict().items() if same or "decoder.heads" not in name}
    model.load_state_dict(state, strict=same)
    model.trunk_source = other.trunk_source
    for own, theirs in zip(model.trunk.parameters(), other.trunk.parameters(), strict=True):
        own.requires_grad_(theirs.requires_grad)


def _choose_trained(model: SAM2UNet, wanted: str | int) -> None:
    """Which part of the trunk is trained, where the recipe says it."""
    if wanted == "auto":
        return
    model.trunk.requires_grad_(wanted == "all")
    if isinstance(wanted, int):
        if wanted > len(model.trunk.blocks):
            raise InputError(
                f"train_trunk is {wanted}: the {model.card.trunk} trunk has {len(model.trunk.blocks)} blocks"
            )
        model.trunk.blocks[-wanted:].requires_grad_(True)


def frozen_digest(model: SAM2UNet) -> str:
    """SHA-256 of what is not trained."""
    frozen = {name: p for name, p in model.named_parameters() if not p.requires_grad}
    return hashlib.sha256(repr(sorted(tensor_digests(frozen).items())).encode()).hexdigest()


def find_trunk_weights(recipe: Recipe, say: Say) -> Path | None:
    """The file of the trunk's weights; None to start from scratch, or from another model.

    "auto" takes an official trunk from the hub's cache, else from the hub; if neither has it, it says so.
    """
    if recipe.trunk_weights == "none" or recipe.start_from:
        return None
    if recipe.trunk_weights in OFFICIAL:
        return fetch(recipe.trunk_weights)
    if recipe.trunk_weights != "auto":
        return Path(recipe.trunk_weights)
    names = [name for name, entry in OFFICIAL.items() if entry.trunk == recipe.trunk]
    try:
        return fetch(next((name for name in names if cached_file(name)), names[0]))
    except HubUnreachable as error:
        say(f"{error}. Training from scratch instead, which needs more data and time for the same quality.")
        return None


def precision_of(recipe: Recipe, device: torch.device) -> Any:
    """The recipe's, "auto" resolved for the device."""
    return recipe.precision if recipe.precision != "auto" else "bf16-mixed" if has_bf16(device) else "32-true"


def build_trainer(
    recipe: Recipe, folder: Path, device: torch.device, callbacks: list[pl.Callback], files: ResumeFiles, done: int
) -> pl.Trainer:
    """Lightning's trainer as a recipe wants it, on one device, or under torchrun on one for each process.

    `done`: how many steps were made before; what the logs say of later ones is of a run that was cut off.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    world, local = world_size(), local_world_size()
    devices: Any = local if world > 1 or device.index is None else [device.index]
    return pl.Trainer(
        accelerator=device.type,
        devices=devices,
        num_nodes=world // local,
        strategy="ddp" if world > 1 else "auto",
        sync_batchnorm=device.type == "cuda" and world > 1,  # torch has it for CUDA only
        precision=precision_of(recipe, device),
        max_epochs=recipe.epochs,
        accumulate_grad_batches=recipe.accumulate,
        gradient_clip_val=recipe.clip_norm,
        callbacks=callbacks,
        # Named, so that Lightning doesn't take a Slurm job for its own: torchrun starts the processes there too.
        plugins=[files, TorchElasticEnvironment() if world > 1 else LightningEnvironment()],
        logger=TensorBoardLogger(folder, name="tensorboard", version="", purge_step=done + 1),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )
