"""The bottleneck adapter in front of each block of the trunk."""

import torch.nn.functional as F
from torch import Tensor, nn


class Adapter(nn.Module):
    """x + GELU(W2 GELU(W1 x)) on the last dimension (SAM2-UNet, section 3.1)."""

    def __init__(self, dim: int, hidden: int = 32):
        super().__init__()
        self.down = nn.Linear(dim, hidden)
        self.up = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return x + F.gelu(self.up(F.gelu(self.down(x))))
