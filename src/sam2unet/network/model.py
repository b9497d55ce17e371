"""SAM2UNet: the trunk with an adapter before each block, one RFB per stage, the decoder; and the network's card."""

import hashlib
from dataclasses import dataclass, field
from typing import Literal, overload

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..card import Card, check_size
from .adapter import Adapter
from .decoder import Decoder
from .detail import DetailBranch
from .hiera import HIERA_CONFIGS, Hiera
from .receptive_field import ReceptiveField


@dataclass(frozen=True)
class TrunkSource:
    """The file that a frozen trunk was loaded from, so that model files can leave the trunk out."""

    digests: dict[str, str]
    """SHA-256 of each tensor in float32, by name; independent of the file format."""
    name: str | None
    """Name in the catalogue of official trunks, or None."""
    path: str
    """Absolute path of the file."""
    bf16_digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the tensors that the network holds in bf16, as held."""

    @property
    def sha256(self) -> str:
        """SHA-256 over the names and digests of all tensors."""
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.digests.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


class SAM2UNet(nn.Module):
    """SAM2-UNet (Xiong et al., arXiv 2408.08870).

    Args:
        trunk: "nano", "tiny", "small", "base_plus" or "large".
        classes: 1 for foreground against background; else the number of classes, including background (0).
        detail: channels of the detail branch, which computes logits for single pixels; a multiple of 4; 0: none, as
            published.

    Raises:
        ValueError: unknown trunk, fewer than one class, or a number of channels that is not 0 or a multiple of 4.

    >>> import torch
    >>> SAM2UNet("tiny").eval()(torch.zeros(1, 3, 64, 96)).shape
    torch.Size([1, 1, 64, 96])
    """

    def __init__(self, trunk: str = "large", classes: int = 1, detail: int = 0):
        super().__init__()
        if trunk not in HIERA_CONFIGS:
            raise ValueError(f"unknown trunk {trunk!r}: choose from {', '.join(HIERA_CONFIGS)}")
        if classes < 1:
            raise ValueError(f"classes is {classes}: it must be 1 or more")
        if detail < 0 or detail % 4:
            raise ValueError(f"detail is {detail}: it must be 0 or a multiple of 4")
        self.card = Card(trunk=trunk, classes=classes, detail=detail)
        self.trunk_source: TrunkSource | None = None
        self.trunk = Hiera(HIERA_CONFIGS[trunk])
        self.adapters = nn.ModuleList([Adapter(block.dim) for block in self.trunk.blocks])  # type: ignore[arg-type]
        self.receptive_fields = nn.ModuleList([ReceptiveField(width) for width in self.trunk.config.widths])
        self.decoder = Decoder(classes)
        self.detail = DetailBranch(detail, classes) if detail else None

    @property
    def trunk_frozen(self) -> bool:
        """True if no parameter of the trunk requires a gradient."""
        return not any(p.requires_grad for p in self.trunk.parameters())

    @overload
    def forward(self, images: Tensor, deep_supervision: Literal[False] = False) -> Tensor: ...
    @overload
    def forward(self, images: Tensor, deep_supervision: Literal[True]) -> tuple[Tensor, ...]: ...
    def forward(self, images: Tensor, deep_supervision: bool = False) -> Tensor | tuple[Tensor, ...]:
        """Segment a batch of images.

        Args:
            images: (B, 3, H, W), normalised with the card's mean and std; H and W multiples of 32.
            deep_supervision: return all outputs.

        Returns:
            Logits (B, classes, H, W); with `deep_supervision` (main, side16, side8), the logits of the final stride 4
            and of strides 16 and 8, all upsampled to (H, W). With a detail branch main is of stride 1, and the logits
            of stride 4 are a fourth output.

        Raises:
            ValueError: H or W is not a multiple of 32.
        """
        size = images.shape[-2:]
        check_size(*size)
        features = self.trunk(images, self.adapters)
        features = [reduce(f) for reduce, f in zip(self.receptive_fields, features, strict=True)]
        logits, last_map = self.decoder(features)
        *sides, main = logits
        if self.detail is not None:
            sides.append(main)
            main = self.detail(images, last_map)
        if not deep_supervision:
            return _enlarge(main, size)
        return tuple(_enlarge(x, size) for x in (main, *sides))


def _enlarge(logits: Tensor, size: torch.Size) -> Tensor:
    """Upsample logits bilinearly to (H, W); what has that size already is returned as it is."""
    return logits if logits.shape[-2:] == size else F.interpolate(logits, size=size, mode="bilinear")
