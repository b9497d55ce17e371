"""Our model files, and reading the authors' release."""

import dataclasses
import json
import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..errors import InputError
from ..files import appearing
from ..network import Card, SAM2UNet, TrunkSource, check_size
from .catalogue import OFFICIAL
from .checkpoint import read_checkpoint
from .hub import cached, fetch
from .state_dict_adapter import from_upstream, to_trunk
from .trunk_file import check_tensors, read_trunk, trunk_digest, trunk_size

FORMAT = "sam2unet-1"


def save_model(model: SAM2UNet, path: str | Path) -> None:
    """Write a network and its card to one safetensors file, which appears only when complete.

    A trunk that is frozen and came from a file is left out: the header names it, with its SHA-256. One that was
    trained on since is kept.
    """
    path = Path(path)
    source = model.trunk_source if model.trunk_frozen else None
    if source and trunk_digest(model.trunk.state_dict()) != source.sha256:
        source = None
    tensors = {
        name: value.detach().contiguous()
        for name, value in model.state_dict().items()
        if source is None or not name.startswith("trunk.")
    }
    header = {
        "format": FORMAT,
        "version": version("sam2unet"),
        "card": json.dumps(dataclasses.asdict(model.card)),
        "trunk_frozen": json.dumps(model.trunk_frozen),
        "trunk_source": json.dumps(source and dataclasses.asdict(source)),
    }
    with appearing(path) as partial:
        save_file(tensors, partial, header)
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
        raise InputError(f"{path}: holds a trunk alone, no trained SAM2-UNet; use it with train --trunk-weights")
    raise InputError(f"{path}: neither a model of sam2unet nor a SAM2-UNet checkpoint of the authors' release")


def _load_ours(
    path: Path, tensors: dict[str, Tensor], header: dict[str, str], trunk_weights: str | Path | None
) -> SAM2UNet:
    try:
        card = read_card(header)
        source = json.loads(header["trunk_source"])
        source = TrunkSource(**source) if source else None
        frozen = json.loads(header["trunk_frozen"])
        if header["format"] != FORMAT:
            raise ValueError(header["format"])
        check_size(*card.size)
        model = _empty(card)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: its header can't be read by this version ({error}); upgrade sam2unet") from error
    if source and not any(name.startswith("trunk.") for name in tensors):
        trunk, file = _find_trunk(path, card.trunk, source, trunk_weights)
        tensors |= {f"trunk.{name}": value for name, value in trunk.items()}
        model.trunk_source = dataclasses.replace(source, path=str(file.absolute()))
    elif trunk_weights is not None:
        raise InputError(f"{path}: holds its own trunk; leave out --trunk-weights")
    return _fill(path, model, tensors, frozen)


def _load_upstream(path: Path, tensors: dict[str, Tensor]) -> SAM2UNet:
    trunk = trunk_size(path, {k.removeprefix("trunk."): v for k, v in tensors.items() if k.startswith("trunk.")})
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


def read_card(header: dict[str, str]) -> Card:
    """The card in a model file's header."""
    content: dict[str, Any] = json.loads(header["card"])
    known = {field.name for field in dataclasses.fields(Card)}
    for key in ("size", "mean", "std"):
        content[key] = tuple(content[key])  # JSON has lists only
    return Card(**{key: value for key, value in content.items() if key in known})


def _find_trunk(
    model_path: Path, trunk: str, source: TrunkSource, given: str | Path | None
) -> tuple[dict[str, Tensor], Path]:
    """The trunk that a model file left out, from the first place that has it."""
    if given is not None:
        tensors = _matching(Path(given), trunk, source)
        if tensors is None:
            raise InputError(
                f"{given}: not the trunk that {model_path} was trained with "
                f"({source.name or trunk}, SHA-256 of its tensors {source.sha256})"
            )
        return tensors, Path(given)
    name = source.name if source.name in OFFICIAL else None
    for candidate in (Path(source.path), name and cached(name)):
        if candidate and candidate.is_file():
            with suppress(InputError):  # a damaged file there is as good as none
                tensors = _matching(candidate, trunk, source)
                if tensors is not None:
                    return tensors, candidate
    missing = f"{model_path}: needs the trunk {name or trunk} (SHA-256 of its tensors {source.sha256[:16]}…)"
    if name is None:
        raise InputError(f"{missing}, which is not at {source.path} any more; pass --trunk-weights FILE")
    try:
        file = fetch(name)
    except InputError as error:
        raise InputError(f"{missing}, which is not at {source.path}; {error}") from error
    tensors = _matching(file, trunk, source)
    if tensors is None:
        raise InputError(f"{missing}, but {file} holds another; pass --trunk-weights FILE")
    return tensors, file


def _matching(file: Path, trunk: str, source: TrunkSource) -> dict[str, Tensor] | None:
    size, tensors = read_trunk(file)
    return tensors if size == trunk and trunk_digest(tensors) == source.sha256 else None
