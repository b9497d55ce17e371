"""The trunk alone: finding its size, checking it, loading it into a network."""

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
    """The size ("tiny", ...) and the float32 tensors of the trunk in Meta's SAM2 or SAM2.1 .pt or a trunk-only file.

    Raises:
        InputError: no trunk of a known shape is in the file.
    """
    tensors = to_trunk(read_checkpoint(path)[0])
    if not tensors:
        raise InputError(f"{path}: holds no SAM2 trunk (no image_encoder.trunk.*); pass a SAM2 or SAM2.1 checkpoint")
    trunk = identify_trunk(path, tensors)
    return trunk, {name: value.float() for name, value in tensors.items()}


def identify_trunk(path: str | Path, tensors: dict[str, Tensor]) -> str:
    """Which trunk the tensors belong to, every shape checked."""
    width = tensors["patch_embed.proj.weight"].shape[0]
    depth = len({key.split(".")[1] for key in tensors if key.startswith("blocks.")})
    for name, shape in HIERA_CONFIGS.items():
        if (shape.embed_dim, sum(shape.stages)) == (width, depth):
            with torch.device("meta"):
                expected = Hiera(shape).state_dict()
            check_tensors(path, expected, tensors, f"the {name} trunk")
            return name
    known = "; ".join(f"{name} {s.embed_dim}/{sum(s.stages)}" for name, s in HIERA_CONFIGS.items())
    raise InputError(f"{path}: {width} channels in {depth} blocks is no trunk of SAM2 (channels/blocks: {known})")


def check_tensors(path: str | Path, expected: dict[str, Tensor], found: dict[str, Tensor], what: str) -> None:
    """Raise an InputError that names the first tensor that is missing, unknown or of another shape."""
    for name, value in expected.items():
        if name not in found:
            raise InputError(f"{path}: {what} needs {name}, which is missing")
        if found[name].shape != value.shape:
            raise InputError(
                f"{path}: {name} is {tuple(found[name].shape)}, but {what} needs {tuple(value.shape)}: another network"
            )
    if unknown := sorted(found.keys() - expected.keys()):
        raise InputError(f"{path}: {what} has no {unknown[0]}: another network")


def tensor_digests(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """SHA-256 of each tensor in float32, by name."""
    wide = {name: tensor.detach().cpu().float().contiguous().numpy() for name, tensor in tensors.items()}
    return {name: hashlib.sha256(values.data).hexdigest() for name, values in wide.items()}


def trunk_source(path: str | Path, tensors: dict[str, Tensor]) -> TrunkSource:
    """Where the tensors of a trunk came from."""
    name = Path(path).stem
    return TrunkSource(tensor_digests(tensors), name if name in OFFICIAL else None, str(Path(path).absolute()))


def load_trunk(model: SAM2UNet, path: str | Path) -> None:
    """Load the trunk of `model` from Meta's .pt (SAM2 or SAM2.1) or trunk-only safetensors, and freeze it.

    Raises:
        InputError: the file is no such checkpoint, or holds a trunk of another size.
    """
    trunk, tensors = read_trunk(path)
    if trunk != model.card.trunk:
        raise InputError(
            f"{path}: holds the {trunk} trunk, but the network has {model.card.trunk}; make them the same", "trunk"
        )
    model.trunk.load_state_dict(tensors)
    model.trunk.requires_grad_(False)
    model.trunk_source = trunk_source(path, tensors)


def cast_frozen_to_bf16(model: SAM2UNet) -> None:
    """Keep the frozen matrices of a trunk that are as they came from a file in bf16, as mixed training casts them.

    They need not be cast at each step, and take half the memory. A file saved from the network still leaves them out.
    """
    if model.trunk_source is None:
        return
    came = model.trunk_source.digests
    frozen = {
        name: parameter
        for path, module in model.trunk.named_modules() if isinstance(module, nn.Linear)
        for name, parameter in module.named_parameters(prefix=path) if not parameter.requires_grad
    }  # fmt: skip
    unchanged = {name: frozen[name] for name, digest in tensor_digests(frozen).items() if came.get(name) == digest}
    for parameter in unchanged.values():
        parameter.data = parameter.data.bfloat16()
    model.trunk_source = dataclasses.replace(model.trunk_source, bf16_digests=tensor_digests(unchanged))
