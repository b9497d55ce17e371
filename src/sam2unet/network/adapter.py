"""The bottleneck adapter in front of each block of the trunk."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

AdapterInit = Literal["published", "small", "identity"]


class Adapter(nn.Module):
    """x + GELU(W2 GELU(W1 x)) on the last dimension (SAM2-UNet, section 3.1)."""

    def __init__(self, dim: int, hidden: int = 32):
        super().__init__()
        self.down = nn.Linear(dim, hidden)
        self.up = nn.Linear(hidden, dim)

    def initialise(self, how: AdapterInit) -> None:
        """Fresh weights.

        "published": torch's default, as the release has it. "small": truncated normal 0.02 and zero biases, which the
        authors advise where a loss turns NaN. "identity": small, and W2 zero, so that training starts from the trunk
        as it is.
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
        return x + F.gelu(self.up(F.gelu(self.down(x))))
