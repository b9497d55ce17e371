"""The bottleneck adapter in front of each block of the trunk."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

AdapterInit = Literal["published", "small", "identity"]


class Adapter(nn.Module):
    """x + GELU(W2 GELU(W1 x)) over the last dimension, with 32 hidden units (SAM2-UNet, section 3.1)."""

    def __init__(self, dim: int):
        super().__init__()
        self.down = nn.Linear(dim, 32)
        self.up = nn.Linear(32, dim)

    def initialise(self, how: AdapterInit) -> None:
        """Draw new weights.

        Args:
            how: "published" for torch's default, as in the authors' release; "small" for a truncated normal with
                deviation 0.02 and zero biases, the authors' advice against a loss of NaN; "identity" for the same with
                W2 = 0, so that training starts from the unchanged trunk.
        """
        for layer in (self.down, self.up):
            if how == "published":
                layer.reset_parameters()
            else:
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        if how == "identity":
            nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) -> (..., dim)"""
        return x + F.gelu(self.up(F.gelu(self.down(x))))
