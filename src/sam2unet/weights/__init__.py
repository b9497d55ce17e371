"""What goes in and out of a network: official trunks, the authors' release, our own files."""

from .catalogue import OFFICIAL
from .hub import Unreachable, cached, fetch
from .inspect import inspect_file
from .model_file import load_model, read_recipe, save_model
from .trunk_file import load_trunk, narrow_frozen, read_trunk, tensor_digests, trunk_source

__all__ = [
    "OFFICIAL",
    "Unreachable",
    "cached",
    "fetch",
    "inspect_file",
    "load_model",
    "load_trunk",
    "narrow_frozen",
    "read_recipe",
    "read_trunk",
    "save_model",
    "tensor_digests",
    "trunk_source",
]
