"""The U-shaped decoder and its three heads."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv_norm_relu(dim: int, dim_out: int) -> list[nn.Module]:
    return [nn.Conv2d(dim, dim_out, 3, padding=1, bias=False), nn.BatchNorm2d(dim_out), nn.ReLU(inplace=True)]


class UpStep(nn.Module):
    """Doubles a map, joins it with the skip connection of that size, and convolves twice."""

    def __init__(self, dim: int):
        super().__init__()
        self.convs = nn.Sequential(*conv_norm_relu(2 * dim, dim), *conv_norm_relu(dim, dim))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(B, dim, H, W) and (B, dim, 2H, 2W) -> (B, dim, 2H, 2W)"""
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        return self.convs(torch.cat([skip, x], dim=1))


class Decoder(nn.Module):
    """Four maps of `dim` channels at strides 4 to 32 -> logits at strides 16, 8 and 4."""

    def __init__(self, classes: int, dim: int = 64):
        super().__init__()
        self.ups = nn.ModuleList([UpStep(dim) for _ in range(3)])
        self.heads = nn.ModuleList([nn.Conv2d(dim, classes, 1) for _ in range(3)])

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        *skips, x = features
        logits = []
        for up, head, skip in zip(self.ups, self.heads, reversed(skips), strict=True):
            x = up(x, skip)
            logits.append(head(x))
        return logits
