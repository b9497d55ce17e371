"""Translation of foreign state-dict keys to ours; nothing else knows foreign keys."""

import re

from torch import Tensor

_UPSTREAM_KEYS = [
    (r"encoder\.blocks\.(\d+)\.prompt_learn\.0\.(.+)", r"adapters.\1.down.\2"),
    (r"encoder\.blocks\.(\d+)\.prompt_learn\.2\.(.+)", r"adapters.\1.up.\2"),
    (r"encoder\.blocks\.(\d+)\.block\.(.+)", r"trunk.blocks.\1.\2"),
    (r"encoder\.(.+)", r"trunk.\1"),
    (r"rfb(\d)\.branch0\.0\.(.+)", r"receptive_fields.\1.branches.0.\2"),
    (r"rfb(\d)\.branch(\d\.\d\..+)", r"receptive_fields.\1.branches.\2"),
    (r"rfb(\d)\.conv_cat\.(.+)", r"receptive_fields.\1.join.\2"),
    (r"rfb(\d)\.conv_res\.(.+)", r"receptive_fields.\1.shortcut.\2"),
    (r"up(\d)\.conv\.double_conv\.(.+)", r"decoder.ups.\1.convs.\2"),
    (r"side1\.(.+)", r"decoder.heads.0.\1"),
    (r"side2\.(.+)", r"decoder.heads.1.\1"),
    (r"head\.(.+)", r"decoder.heads.2.\1"),
]


def from_upstream(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of a state dict of the authors' release to ours.

    The unused module `up4` is dropped; unknown keys are kept, so that a check of the result finds them.

    >>> import torch
    >>> list(from_upstream({"encoder.blocks.0.block.norm1.bias": torch.zeros(1), "up4.conv.bias": torch.zeros(1)}))
    ['trunk.blocks.0.norm1.bias']
    """
    return {_upstream_key(key): value for key, value in tensors.items() if not key.startswith("up4.")}


def _upstream_key(key: str) -> str:
    for pattern, ours in _UPSTREAM_KEYS:
        key, replaced = re.subn(f"^{pattern}$", ours, key)
        if replaced:
            break
    if key.startswith("receptive_fields."):
        key = key.replace(".conv.", ".0.").replace(".bn.", ".1.")
    # Upstream numbers RFBs and decoder steps from 1.
    return re.sub(r"^(receptive_fields|decoder\.ups)\.(\d)", lambda m: f"{m[1]}.{int(m[2]) - 1}", key)


def to_trunk(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the trunk's tensors under our names.

    Args:
        tensors: a state dict of Meta's SAM2 or SAM2.1, of timm's Hiera, or of our own trunk.

    Returns:
        The tensors of the trunk, or {} if there is none; a head of timm's is dropped.
    """
    prefix = "image_encoder.trunk."
    if not any(key.startswith(prefix) for key in tensors):
        prefix = ""
    trunk = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    if "patch_embed.proj.weight" not in trunk or "pos_embed_window" not in trunk:
        return {}
    timm_keys = {"mlp.fc1.": "mlp.layers.0.", "mlp.fc2.": "mlp.layers.1."}
    for theirs, ours in timm_keys.items():
        trunk = {key.replace(theirs, ours): value for key, value in trunk.items()}
    return {key: value for key, value in trunk.items() if not key.startswith("head.")}
