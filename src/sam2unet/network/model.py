"""SAM2UNet: the trunk, an adapter in front of each of its blocks, an RFB per stage, the decoder; and its card."""

import hashlib
from dataclasses import dataclass, field
from typing import Literal, overload

import torch.nn.functional as F
from torch import Tensor, nn

from ..card import Card, check_size
from .adapter import Adapter
from .decoder import Decoder
from .hiera import TRUNKS, Hiera
from .receptive_field import ReceptiveField


@dataclass(frozen=True)
class TrunkSource:
    """Where a frozen trunk came from, so that a model file can do without it."""

    digests: dict[str, str]
    """SHA-256 of each tensor by name, in float32: the same for every container they come in."""
    name: str | None
    """Its name in the catalogue of official trunks, if it has one."""
    path: str
    narrowed: dict[str, str] = field(default_factory=dict)
    """SHA-256 of those that the network keeps in bf16, as it keeps them."""

    @property
    def sha256(self) -> str:
        """Of the names and digests of all tensors."""
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.digests.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


class SAM2UNet(nn.Module):
    """SAM2-UNet (Xiong et al., arXiv 2408.08870).

    Args:
        trunk: "tiny", "small", "base_plus" or "large".
        classes: 1 for foreground against background; else the number of classes, background (0) counted.

    >>> import torch
    >>> SAM2UNet("tiny").eval()(torch.zeros(1, 3, 64, 96)).shape
    torch.Size([1, 1, 64, 96])
    """

    def __init__(self, trunk: str = "large", classes: int = 1):
        super().__init__()
        if trunk not in TRUNKS:
            raise ValueError(f"unknown trunk {trunk!r}: choose from {', '.join(TRUNKS)}")
        if classes < 1:
            raise ValueError(f"classes is {classes}: it must be 1 or more")
        self.card = Card(trunk=trunk, classes=classes)
        self.trunk_source: TrunkSource | None = None
        self.trunk = Hiera(TRUNKS[trunk])
        self.adapters = nn.ModuleList([Adapter(block.dim) for block in self.trunk.blocks])  # type: ignore[arg-type]
        self.receptive_fields = nn.ModuleList([ReceptiveField(width) for width in self.trunk.shape.widths])
        self.decoder = Decoder(classes)

    @property
    def trunk_frozen(self) -> bool:
        """Whether no parameter of the trunk is trained."""
        return not any(p.requires_grad for p in self.trunk.parameters())

    @overload
    def forward(self, images: Tensor, deep_supervision: Literal[False] = False) -> Tensor: ...
    @overload
    def forward(self, images: Tensor, deep_supervision: Literal[True]) -> tuple[Tensor, Tensor, Tensor]: ...
    def forward(self, images: Tensor, deep_supervision: bool = False) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """Logits of images (B, 3, H, W), normalised as the card says; H and W multiples of 32.

        Returns:
            (B, classes, H, W); with `deep_supervision` also the logits of strides 16 and 8, at (H, W) too:
            (main, side16, side8).

        Raises:
            ValueError: H or W is no multiple of 32.
        """
        size = images.shape[-2:]
        check_size(*size)
        features = self.trunk(images, self.adapters)
        features = [reduce(f) for reduce, f in zip(self.receptive_fields, features, strict=True)]
        side16, side8, main = self.decoder(features)
        if not deep_supervision:
            return F.interpolate(main, size=size, mode="bilinear")
        main, side16, side8 = (F.interpolate(x, size=size, mode="bilinear") for x in (main, side16, side8))
        return main, side16, side8
