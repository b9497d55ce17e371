"""Identifying the content of a checkpoint or a model file."""

from pathlib import Path

from ..card import Card
from ..errors import InputError
from .checkpoint import read_checkpoint
from .state_dict_adapter import to_trunk
from .trunk_file import identify_trunk


def inspect_file(path: str | Path) -> dict[str, str]:
    """Describe a checkpoint or a model file.

    Args:
        path: a model file of sam2unet, a checkpoint of the authors' release or of SAM2, or any other checkpoint.

    Returns:
        Text by label: "kind" and "tensors" always, "trunk" where it is known, and the card of our own files.

    Raises:
        InputError: the file is missing, damaged, or not a checkpoint.
    """
    tensors, header = read_checkpoint(path)
    facts = {"tensors": f"{len(tensors)}, {sum(t.numel() for t in tensors.values()) / 1e6:.1f} million values"}
    if header.get("format", "").startswith("sam2unet"):
        try:
            card = Card.from_json(header["card"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: this version can't read its header ({error}); upgrade sam2unet") from error
        return {
            "kind": f"model of sam2unet {header.get('version')}", "trunk": card.trunk,
            "frozen trunk": header.get("trunk_source", "") if header.get("trunk_source") != "null" else "in the file",
            "classes": str(card.classes), "class names": ", ".join(card.class_names) or "–",
            "size": "{}x{}".format(*card.size), "tile": f"{card.tile} pixels" if card.tile else "whole images",
            "detail branch": f"{card.detail} channels" if card.detail else "none",
            "mean, std": f"{card.mean}, {card.std}",
            "threshold": f"{card.threshold:g}", "metrics": str(card.metrics), "recipe": str(card.recipe), **facts,
        }  # fmt: skip
    if "encoder.patch_embed.proj.weight" in tensors:
        trunk = {k.removeprefix("encoder."): v for k, v in tensors.items() if k.startswith("encoder.")}
        return {
            "kind": "SAM2-UNet checkpoint of the authors' release",
            "width": str(trunk["pos_embed"].shape[1]),
            **facts,
        }
    found = to_trunk(tensors)
    if found:
        return {"kind": "SAM2 trunk", "trunk": identify_trunk(path, found), **facts}
    return {"kind": "unknown", **facts}
