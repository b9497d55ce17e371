"""Weights in and out of a network: official trunks, the authors' release, and our own model files."""

from .catalogue import OFFICIAL
from .hub import HubUnreachable, cached_file, fetch
from .inspect import inspect_file
from .model_file import load_model, read_recipe, save_model
from .state_dict_adapter import from_upstream
from .trunk_file import cast_frozen_to_bf16, load_trunk, read_trunk, tensor_digests, trunk_source

__all__ = [
    "OFFICIAL", "HubUnreachable", "cached_file", "cast_frozen_to_bf16", "fetch", "from_upstream", "inspect_file",
    "load_model", "load_trunk", "read_recipe", "read_trunk", "save_model", "tensor_digests", "trunk_source",
]  # fmt: skip
