"""Our model files, and reading the authors' release."""

import json
import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from ..card import Card, check_size
from ..errors import InputError
from ..files import atomic_path
from ..network import SAM2UNet, TrunkSource
from .catalogue import OFFICIAL
from .checkpoint import read_checkpoint
from .hub import cached_file, fetch
from .state_dict_adapter import from_upstream, to_trunk
from .trunk_file import check_tensors, identify_trunk, read_trunk, tensor_digests, trunk_source

FORMAT = "sam2unet-1"


def save_model(model: SAM2UNet, path: str | Path) -> None:
    """Write a network and its card to one safetensors file, which appears only when complete.

    What of the trunk is frozen and still as it came from a file is left out: the header names the file and its SHA-256.

    Raises:
        InputError: the file can't be written; what was there under its name is kept.
    """
    path = Path(path)
    tensors = model.state_dict()
    source = model.trunk_source
    if source:
        digests = tensor_digests(model.trunk.state_dict())
        trained = {name for name, parameter in model.trunk.named_parameters() if parameter.requires_grad}
        known = source.digests.items() | source.bf16_digests.items()
        unchanged = {name for name, digest in digests.items() if (name, digest) in known} - trained
        tensors = {name: value for name, value in tensors.items() if name.removeprefix("trunk.") not in unchanged}
        source = source if unchanged else None
    reference = source and {"sha256": source.sha256, "name": source.name, "path": source.path}
    header = {
        "format": FORMAT,
        "version": version("sam2unet"),
        "card": model.card.to_json(),
        "trunk_frozen": json.dumps(model.trunk_frozen),
        "trunk_source": json.dumps(reference),
    }
    with atomic_path(path) as partial:
        try:
            save_file({name: value.detach().contiguous() for name, value in tensors.items()}, partial, header)
        except SafetensorError as error:
            raise InputError(f"{path}: cannot be written ({error}); what was there is kept") from error
        partial.chmod(0o666 & ~_umask())  # safetensors writes for the owner alone


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def load_model(path: str | Path, trunk_weights: str | Path | None = None) -> SAM2UNet:
    """A network from our own file or from an upstream SAM2-UNet .pth (any trunk), in eval mode.

    The trunk is frozen unless the file itself holds a trained one. A trunk that the file leaves out is taken from
    `trunk_weights`, else from where it was, else from the hub's cache, else from the hub; its SHA-256 is checked.

    Raises:
        InputError: the file is no model, or its trunk is nowhere to be found.
    """
    path = Path(path)
    tensors, header = read_checkpoint(path)
    if header.get("format", "").startswith("sam2unet"):
        return _load_ours(path, tensors, header, trunk_weights)
    if "encoder.patch_embed.proj.weight" in tensors and "rfb1.conv_cat.conv.weight" in tensors:
        return _load_upstream(path, from_upstream(tensors))
    if to_trunk(tensors):
        raise InputError(
            f"{path}: holds only a trunk, not a trained SAM2-UNet; it can start a training", "trunk_weights"
        )
    raise InputError(f"{path}: neither a model of sam2unet nor a SAM2-UNet checkpoint of the authors' release")


def _load_ours(
    path: Path, tensors: dict[str, Tensor], header: dict[str, str], trunk_weights: str | Path | None
) -> SAM2UNet:
    try:
        card = Card.from_json(header["card"])
        source = json.loads(header["trunk_source"])
        frozen = json.loads(header["trunk_frozen"])
        if header["format"] != FORMAT:
            raise ValueError(header["format"])
        check_size(*card.size)
        model = _empty(card)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: its header can't be read by this version ({error}); upgrade sam2unet") from error
    own = set(tensors)
    if source:
        trunk, model.trunk_source = _find_trunk(path, card.trunk, source, trunk_weights)
        tensors = {f"trunk.{name}": value for name, value in trunk.items()} | tensors
    elif trunk_weights is not None:
        raise InputError(f"{path}: holds its own trunk, so no other can be given", "trunk_weights")
    _fill(path, model, tensors, frozen)
    for name, parameter in model.named_parameters():
        if source and name.startswith("trunk."):
            parameter.requires_grad_(name in own and not frozen)
    return model


def _load_upstream(path: Path, tensors: dict[str, Tensor]) -> SAM2UNet:
    trunk = identify_trunk(path, {k.removeprefix("trunk."): v for k, v in tensors.items() if k.startswith("trunk.")})
    classes = tensors["decoder.heads.2.bias"].shape[0] if "decoder.heads.2.bias" in tensors else 1
    return _fill(path, _empty(Card(trunk, classes)), tensors, frozen=True)


def _empty(card: Card) -> SAM2UNet:
    """The network of a card, without memory for its weights."""
    with torch.device("meta"):
        model = SAM2UNet(card.trunk, card.classes)
    model.card = card
    return model


def _fill(path: Path, model: SAM2UNet, tensors: dict[str, Tensor], frozen: bool) -> SAM2UNet:
    expected = model.state_dict()
    for name in expected.keys() - tensors.keys():
        if name.endswith("num_batches_tracked"):
            tensors[name] = torch.tensor(0)
    check_tensors(path, expected, tensors, f"SAM2-UNet with the {model.card.trunk} trunk")
    wide = {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    model.load_state_dict(wide, assign=True)
    model.trunk.requires_grad_(not frozen)
    return model.eval()


def read_recipe(path: str | Path) -> dict[str, Any]:
    """The recipe that a model file of ours was trained by.

    Raises:
        InputError: no such file, or no model of ours.
    """
    header = read_checkpoint(path)[1]
    try:
        recipe = Card.from_json(header["card"]).recipe
    except (KeyError, TypeError, ValueError):
        recipe = {}
    if not recipe:
        raise InputError(f"{path}: holds no recipe; only models that sam2unet trained do")
    return recipe


def _find_trunk(
    model_path: Path, trunk: str, wanted: dict[str, str | None], given: str | Path | None
) -> tuple[dict[str, Tensor], TrunkSource]:
    """The trunk that a model file left out, from the first place that has it."""
    sha256, name, path = wanted["sha256"], wanted["name"], wanted["path"]
    if given is not None:
        found = _matching(Path(given), trunk, sha256)
        if found is None:
            raise InputError(
                f"{given}: not the trunk that {model_path} was trained with "
                f"({name or trunk}, SHA-256 of its tensors {sha256})"
            )
        return found
    official = name if name in OFFICIAL else None
    for candidate in (path and Path(path), official and cached_file(official)):
        if candidate and candidate.is_file():
            with suppress(InputError):  # a damaged file there is as good as none
                found = _matching(candidate, trunk, sha256)
                if found is not None:
                    return found
    missing = f"{model_path}: needs the trunk {official or trunk} (SHA-256 of its tensors {str(sha256)[:16]}…)"
    if official is None:
        raise InputError(f"{missing}, which is not at {path} any more; name its file", "trunk_weights")
    try:
        file = fetch(official)
    except InputError as error:
        raise InputError(f"{missing}, which is not at {path}; {error}") from error
    found = _matching(file, trunk, sha256)
    if found is None:
        raise InputError(f"{missing}, but {file} holds another; name its file", "trunk_weights")
    return found


def _matching(file: Path, trunk: str, sha256: str | None) -> tuple[dict[str, Tensor], TrunkSource] | None:
    size, tensors = read_trunk(file)
    source = trunk_source(file, tensors)
    return (tensors, source) if size == trunk and source.sha256 == sha256 else None
