"""Reading and writing model files; reading checkpoints of the authors' release."""

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
"""Version of our model files, in their header."""


def save_model(model: SAM2UNet, path: str | Path) -> None:
    """Write a network and its card to one safetensors file.

    Tensors of the trunk that are frozen and unchanged since they were loaded from a file are left out; the header names
    that file and its SHA-256. With a frozen official trunk a model file of the large network has 17 MB, not 870.

    Args:
        model: the network; unchanged.
        path: replaced if it exists, once the new file is complete.

    Raises:
        InputError, OSError: the file can't be written; an existing one is kept.
    """
    path = Path(path)
    tensors = model.state_dict()
    source = model.trunk_source
    if source:
        digests = tensor_digests(model.trunk.state_dict())
        trained = {name for name, parameter in model.trunk.named_parameters() if parameter.requires_grad}
        in_file = source.digests.items() | source.bf16_digests.items()
        unchanged = {name for name, digest in digests.items() if (name, digest) in in_file} - trained
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
            raise InputError(f"{path}: can't be written ({error})") from error
        partial.chmod(0o666 & ~_umask())  # safetensors lets only the owner read its files


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def load_model(path: str | Path, trunk_weights: str | Path | None = None) -> SAM2UNet:
    """Load a network from a model file, or from a .pth of the authors' SAM2-UNet with any trunk.

    Args:
        path: the model file.
        trunk_weights: file of the frozen trunk, if the model file leaves it out. By default it is looked for at the
            path that it had in training, in the hub's cache, and on the hub. Its SHA-256 must be that of training.

    Returns:
        The network in eval mode, on the CPU, in float32, with its card. The trunk is frozen unless the file holds a
        trained one.

    Raises:
        InputError: the file can't be read or is not a model, or its trunk can't be found.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(SAM2UNet("tiny"), f"{folder}/model.safetensors")
    ...     model = load_model(f"{folder}/model.safetensors")
    >>> model.card.trunk, model.card.size, model.training
    ('tiny', (352, 352), False)
    """
    path = Path(path)
    tensors, header = read_checkpoint(path)
    if header.get("format", "").startswith("sam2unet"):
        return _load_ours(path, tensors, header, trunk_weights)
    if "encoder.patch_embed.proj.weight" in tensors and "rfb1.conv_cat.conv.weight" in tensors:
        return _load_upstream(path, from_upstream(tensors))
    if to_trunk(tensors):
        raise InputError(
            f"{path}: contains only a trunk, not a trained SAM2-UNet; it can be the start of a training",
            "trunk_weights",
        )
    raise InputError(f"{path}: neither a model file of sam2unet nor a checkpoint of the authors' SAM2-UNet")


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
        model = _network_without_memory(card)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: this version can't read its header ({error}); upgrade sam2unet") from error
    stored = set(tensors)
    if source:
        trunk, model.trunk_source = _find_trunk(path, card.trunk, source, trunk_weights)
        tensors = {f"trunk.{name}": value for name, value in trunk.items()} | tensors
    elif trunk_weights is not None:
        raise InputError(f"{path}: contains its own trunk, so no other can be used", "trunk_weights")
    _fill(path, model, tensors, frozen)
    for name, parameter in model.named_parameters():
        if source and name.startswith("trunk."):
            parameter.requires_grad_(name in stored and not frozen)
    return model


def _load_upstream(path: Path, tensors: dict[str, Tensor]) -> SAM2UNet:
    trunk = identify_trunk(path, {k.removeprefix("trunk."): v for k, v in tensors.items() if k.startswith("trunk.")})
    classes = tensors["decoder.heads.2.bias"].shape[0] if "decoder.heads.2.bias" in tensors else 1
    return _fill(path, _network_without_memory(Card(trunk, classes)), tensors, frozen=True)


def _network_without_memory(card: Card) -> SAM2UNet:
    """Build the network of a card on the meta device, so that its weights are not initialised in vain."""
    with torch.device("meta"):
        model = SAM2UNet(card.trunk, card.classes, card.detail)
    model.card = card
    return model


def _fill(path: Path, model: SAM2UNet, tensors: dict[str, Tensor], frozen: bool) -> SAM2UNet:
    """Check the tensors of a file and make them the network's, in float32."""
    expected = model.state_dict()
    for name in expected.keys() - tensors.keys():
        if name.endswith("num_batches_tracked"):
            tensors[name] = torch.tensor(0)
    check_tensors(path, expected, tensors, f"SAM2-UNet with the {model.card.trunk} trunk")
    tensors = {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    model.load_state_dict(tensors, assign=True)
    model.trunk.requires_grad_(not frozen)
    return model.eval()


def read_recipe(path: str | Path) -> dict[str, Any]:
    """Read the recipe of the training run that wrote a model file.

    Raises:
        InputError: the file can't be read, or holds no recipe.
    """
    header = read_checkpoint(path)[1]
    try:
        recipe = Card.from_json(header["card"]).recipe
    except (KeyError, TypeError, ValueError):
        recipe = {}
    if not recipe:
        raise InputError(f"{path}: contains no recipe; only models trained by sam2unet do")
    return recipe


def _find_trunk(
    model_path: Path, trunk: str, source: dict[str, str | None], given: str | Path | None
) -> tuple[dict[str, Tensor], TrunkSource]:
    """Read the trunk that a model file leaves out from the first place that has it.

    Args:
        model_path: the model file, for messages.
        trunk: the trunk's name, such as "tiny".
        source: "sha256", "name" and "path" of the trunk in the model file's header.
        given: the caller's file of the trunk; no other place is tried then.
    """
    sha256, path = source["sha256"], source["path"]
    if given is not None:
        found = _read_if_matching(Path(given), trunk, sha256)
        if found is None:
            raise InputError(
                f"{given}: not the trunk that {model_path} was trained with "
                f"({source['name'] or trunk}, SHA-256 of its tensors {sha256})"
            )
        return found
    official = source["name"] if source["name"] in OFFICIAL else None  # an untrusted file may name anything
    for candidate in (path and Path(path), official and cached_file(official)):
        if candidate and candidate.is_file():
            with suppress(InputError):  # damaged: try the next place
                found = _read_if_matching(candidate, trunk, sha256)
                if found is not None:
                    return found
    described = f"{official or trunk} (SHA-256 of its tensors {str(sha256)[:16]}…)"
    missing = f"{model_path}: its trunk {described} is no longer at {path}"
    if official is None:
        raise InputError(f"{missing}; pass the trunk's file", "trunk_weights")
    try:
        file = fetch(official)
    except InputError as error:
        raise InputError(f"{missing}; {error}", *error.parameters) from error
    found = _read_if_matching(file, trunk, sha256)
    if found is None:
        raise InputError(f"{missing}, and {file} is another one; pass the trunk's file", "trunk_weights")
    return found


def _read_if_matching(file: Path, trunk: str, sha256: str | None) -> tuple[dict[str, Tensor], TrunkSource] | None:
    """Read a trunk with its source; None if it is another trunk or has another SHA-256."""
    name, tensors = read_trunk(file)
    source = trunk_source(file, tensors)
    return (tensors, source) if name == trunk and source.sha256 == sha256 else None
