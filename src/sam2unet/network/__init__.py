"""The network and nothing else: pure torch, imports no other room."""

from .adapter import Adapter, AdapterInit
from .hiera import HIERA_CONFIGS, Hiera, HieraConfig, spans
from .loss import deep_supervision_loss, dice_loss, structure_loss
from .model import SAM2UNet, TrunkSource

__all__ = [
    "HIERA_CONFIGS", "Adapter", "AdapterInit", "Hiera", "HieraConfig", "SAM2UNet", "TrunkSource",
    "deep_supervision_loss", "dice_loss", "spans", "structure_loss",
]  # fmt: skip
