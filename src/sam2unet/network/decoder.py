"""The U-shaped decoder and its three heads."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = 64
"""Channels of every feature map in the decoder."""


def conv_norm_relu(dim: int, dim_out: int, stride: int = 1, instance_norm: bool = False) -> list[nn.Module]:
    """3x3 convolution without bias, batch norm or instance norm, ReLU."""
    norm = nn.InstanceNorm2d(dim_out, affine=True) if instance_norm else nn.BatchNorm2d(dim_out)
    return [nn.Conv2d(dim, dim_out, 3, stride, padding=1, bias=False), norm, nn.ReLU(inplace=True)]


class UpStep(nn.Module):
    """Upsampling by 2, concatenation with the skip connection, two convolutions.

    Args:
        dim: channels of input and skip connection together.
        dim_out: channels of the result.
        instance_norm: normalise each image by itself, instead of all by batch norm.
    """

    def __init__(self, dim: int = 2 * CHANNELS, dim_out: int = CHANNELS, instance_norm: bool = False) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            *conv_norm_relu(dim, dim_out, instance_norm=instance_norm),
            *conv_norm_relu(dim_out, dim_out, instance_norm=instance_norm),
        )

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(B, C, H, W) and (B, dim - C, 2H, 2W) -> (B, dim_out, 2H, 2W)"""
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        result: Tensor = self.convs(torch.cat([skip, x], dim=1))
        return result


class Decoder(nn.Module):
    """Three upsampling steps, each followed by a head: a 1x1 convolution to the logits."""

    def __init__(self, classes: int):
        super().__init__()
        self.ups = nn.ModuleList([UpStep() for _ in range(3)])
        self.heads = nn.ModuleList([nn.Conv2d(CHANNELS, classes, 1) for _ in range(3)])

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Decode four maps (B, 64, H/s, W/s) at strides s = 4, 8, 16, 32.

        Returns:
            Logits at strides 16, 8 and 4, and the map (B, 64, H/4, W/4) that the last ones are computed from.
        """
        *skips, x = features
        logits = []
        for up, head, skip in zip(self.ups, self.heads, reversed(skips), strict=True):
            x = up(x, skip)
            logits.append(head(x))
        return logits, x
