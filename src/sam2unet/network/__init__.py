"""The network and nothing else: pure torch, imports no other room."""

from .adapter import Adapter, AdapterInit
from .hiera import TRUNKS, Hiera, TrunkShape
from .loss import IGNORED, deep_supervision_loss, structure_loss
from .model import SAM2UNet, TrunkSource

__all__ = [
    "IGNORED",
    "TRUNKS",
    "Adapter",
    "AdapterInit",
    "Hiera",
    "SAM2UNet",
    "TrunkShape",
    "TrunkSource",
    "deep_supervision_loss",
    "structure_loss",
]
