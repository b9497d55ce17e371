"""The detail branch: the image's own pixels, joined to the decoder's last map in a further step. Not published."""

import torch.nn.functional as F
from torch import Tensor, nn

from .decoder import CHANNELS, UpStep, conv_norm_relu


class DetailBranch(nn.Module):
    """A further decoder step, to stride 2, whose skip connection is two convolutions of the image itself.

    The published network decodes at stride 4 and enlarges the logits, which loses what is thinner than a few pixels.
    Here each position at stride 2 has the logits of its 2x2 pixels (sub-pixel convolution, arXiv 1609.05158). In
    exploratory runs of a few minutes, maps at stride 1 took a third of the training step, and Dice came out half a
    point to a point lower at equal time.

    Each image is normalised by itself: in such runs batch norm came out about a point lower on a set of dark and bright
    images, as microscopes take them.

    Args:
        channels: at stride 2.
        classes: number of logits.
    """

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.stem = nn.Sequential(
            *conv_norm_relu(3, channels, kernel=7, stride=2, instance_norm=True),
            *conv_norm_relu(channels, channels, instance_norm=True),
        )
        self.reduce = nn.Conv2d(CHANNELS, channels, 1)
        self.up = UpStep(2 * channels, channels, instance_norm=True)
        self.head = nn.Conv2d(channels, 4 * classes, 3, padding=1)

    def forward(self, images: Tensor, x: Tensor) -> Tensor:
        """Images (B, 3, H, W) and the decoder's last map (B, 64, H/4, W/4) -> logits (B, classes, H, W)."""
        return F.pixel_shuffle(self.head(self.up(self.reduce(x), self.stem(images))), 2)
