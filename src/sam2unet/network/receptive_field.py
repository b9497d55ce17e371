"""The receptive-field block (RFB) that reduces a stage of the trunk to 64 channels."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .decoder import CHANNELS


def conv_norm(dim: int, dim_out: int, kernel: tuple[int, int] = (1, 1), dilation: int = 1) -> nn.Sequential:
    """Convolution with "same" padding, then batch norm; no ReLU, as in the published network."""
    padding = dilation * (kernel[0] // 2), dilation * (kernel[1] // 2)
    return nn.Sequential(
        nn.Conv2d(dim, dim_out, kernel, padding=padding, dilation=dilation, bias=False), nn.BatchNorm2d(dim_out)
    )


class ReceptiveField(nn.Module):
    """Four branches with receptive fields of growing size (1x1; kernels and dilations 3, 5 and 7), and a shortcut.

    Receptive Field Block Net (arXiv 1711.07767), as modified for segmentation.
    """

    def __init__(self, dim: int):
        super().__init__()
        dim_out = CHANNELS
        self.branches = nn.ModuleList([conv_norm(dim, dim_out)])
        for reach in (3, 5, 7):
            self.branches.append(
                nn.Sequential(
                    conv_norm(dim, dim_out),
                    conv_norm(dim_out, dim_out, (1, reach)),
                    conv_norm(dim_out, dim_out, (reach, 1)),
                    conv_norm(dim_out, dim_out, (3, 3), dilation=reach),
                )
            )
        self.join = conv_norm(4 * dim_out, dim_out, (3, 3))
        self.shortcut = conv_norm(dim, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, dim, H, W) -> (B, 64, H, W)"""
        joined = self.join(torch.cat([branch(x) for branch in self.branches], dim=1))
        return F.relu(joined + self.shortcut(x))
