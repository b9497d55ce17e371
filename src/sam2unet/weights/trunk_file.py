"""Files that hold a trunk: identifying and checking it, and loading it into a network."""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..network import HIERA_CONFIGS, Hiera, SAM2UNet, TrunkSource
from .catalogue import OFFICIAL
from .checkpoint import read_checkpoint
from .state_dict_adapter import to_trunk


def read_trunk(path: str | Path) -> tuple[str, dict[str, Tensor]]:
    """Read a trunk from Meta's .pt (SAM2 or SAM2.1) or a trunk-only file.

    Returns:
        The trunk's name ("tiny", ...) and its float32 tensors under our names.

    Raises:
        InputError: the file can't be read, or holds no trunk with the shapes of a known one.
    """
    tensors = to_trunk(read_checkpoint(path)[0])
    if not tensors:
        raise InputError(f"{path}: contains no SAM2 trunk (image_encoder.trunk.*); pass a SAM2 or SAM2.1 checkpoint")
    trunk = identify_trunk(path, tensors)
    return trunk, {name: value.float() for name, value in tensors.items()}


def identify_trunk(path: str | Path, tensors: dict[str, Tensor]) -> str:
    """Identify a trunk by the shapes of its tensors.

    Args:
        path: the file of the tensors, for messages.
        tensors: the trunk's tensors under our names.

    Returns:
        The trunk's name, such as "tiny".

    Raises:
        InputError: the tensors are not exactly those of a known trunk.
    """
    width = tensors["patch_embed.proj.weight"].shape[0]
    depth = len({key.split(".")[1] for key in tensors if key.startswith("blocks.")})
    for name, config in HIERA_CONFIGS.items():
        if (config.embed_dim, sum(config.stages)) == (width, depth):
            with torch.device("meta"):
                expected = Hiera(config).state_dict()
            check_tensors(path, expected, tensors, f"the {name} trunk")
            return name
    known = "; ".join(f"{name} {config.embed_dim}/{sum(config.stages)}" for name, config in HIERA_CONFIGS.items())
    raise InputError(
        f"{path}: its trunk has {width} channels and {depth} blocks, unlike all of SAM2 (channels/blocks: {known})"
    )


def check_tensors(path: str | Path, expected: dict[str, Tensor], found: dict[str, Tensor], what: str) -> None:
    """Check that tensors have the expected names and shapes.

    Args:
        path: the file of the tensors, for messages.
        expected: the state dict that they are to fill; may be on the meta device.
        found: the tensors.
        what: what the state dict belongs to, such as "the tiny trunk", for messages.

    Raises:
        InputError: a tensor is missing, unknown or of another shape; the message names the first.
    """
    for name, value in expected.items():
        if name not in found:
            raise InputError(f"{path}: {what} needs {name}, which is missing")
        if found[name].shape != value.shape:
            raise InputError(
                f"{path}: {name} has shape {tuple(found[name].shape)}, but {what} needs {tuple(value.shape)}"
            )
    if unknown := sorted(found.keys() - expected.keys()):
        raise InputError(f"{path}: contains {unknown[0]}, which {what} doesn't have")


def tensor_digests(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the SHA-256 of each tensor's values in float32, by name."""
    arrays = {name: tensor.detach().cpu().float().contiguous().numpy() for name, tensor in tensors.items()}
    return {name: hashlib.sha256(array.data).hexdigest() for name, array in arrays.items()}


def trunk_source(path: str | Path, tensors: dict[str, Tensor]) -> TrunkSource:
    """Describe the file that a trunk's tensors were read from; it is an official trunk if it is named like one."""
    name = Path(path).stem
    return TrunkSource(tensor_digests(tensors), name if name in OFFICIAL else None, str(Path(path).absolute()))


def load_trunk(model: SAM2UNet, path: str | Path) -> None:
    """Load a pretrained trunk into a network, and freeze it.

    Files that are saved from the network leave the trunk out as long as it stays frozen; see `save_model`.

    Args:
        model: its trunk is overwritten; its adapters and decoder stay as they are.
        path: Meta's .pt (SAM2 or SAM2.1), or safetensors of the trunk alone.

    Raises:
        InputError: the file can't be read, or its trunk is not the network's.
    """
    trunk, tensors = read_trunk(path)
    if trunk != model.card.trunk:
        raise InputError(
            f"{path}: contains the {trunk} trunk, but the network has {model.card.trunk}; use the same for both",
            "trunk",
        )
    model.trunk.load_state_dict(tensors)
    model.trunk.requires_grad_(False)
    model.trunk_source = trunk_source(path, tensors)


def cast_frozen_to_bf16(model: SAM2UNet) -> None:
    """Convert the frozen linear layers of a network's trunk to bf16, for training in mixed precision.

    Autocast would convert them at each step, with the same result; converted once, they also take half the memory.
    Only tensors that are as they were in the trunk's file are converted, so that `save_model` can still leave them out.

    Args:
        model: changed in place; unchanged if its trunk is from no file.
    """
    if model.trunk_source is None:
        return
    digests = model.trunk_source.digests
    frozen = {
        name: parameter
        for path, module in model.trunk.named_modules() if isinstance(module, nn.Linear)
        for name, parameter in module.named_parameters(prefix=path) if not parameter.requires_grad
    }  # fmt: skip
    unchanged = {name: frozen[name] for name, digest in tensor_digests(frozen).items() if digests.get(name) == digest}
    for parameter in unchanged.values():
        parameter.data = parameter.data.bfloat16()
    model.trunk_source = dataclasses.replace(model.trunk_source, bf16_digests=tensor_digests(unchanged))
