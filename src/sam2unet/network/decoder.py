"""The U-shaped decoder and its three heads."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = 64
"""Channels of every feature map in the decoder."""


def conv_norm_relu(dim: int, dim_out: int) -> list[nn.Module]:
    """3x3 convolution without bias, batch norm, ReLU."""
    return [nn.Conv2d(dim, dim_out, 3, padding=1, bias=False), nn.BatchNorm2d(dim_out), nn.ReLU(inplace=True)]


class UpStep(nn.Module):
    """Upsampling by 2, concatenation with the skip connection, two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.Sequential(*conv_norm_relu(2 * CHANNELS, CHANNELS), *conv_norm_relu(CHANNELS, CHANNELS))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(B, 64, H, W) and (B, 64, 2H, 2W) -> (B, 64, 2H, 2W)"""
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        result: Tensor = self.convs(torch.cat([skip, x], dim=1))
        return result


class Decoder(nn.Module):
    """Three upsampling steps, each followed by a head: a 1x1 convolution to the logits."""

    def __init__(self, classes: int):
        super().__init__()
        self.ups = nn.ModuleList([UpStep() for _ in range(3)])
        self.heads = nn.ModuleList([nn.Conv2d(CHANNELS, classes, 1) for _ in range(3)])

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Four maps (B, 64, H/s, W/s) at strides s = 4, 8, 16, 32 -> logits at strides 16, 8 and 4."""
        *skips, x = features
        logits = []
        for up, head, skip in zip(self.ups, self.heads, reversed(skips), strict=True):
            x = up(x, skip)
            logits.append(head(x))
        return logits
