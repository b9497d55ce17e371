"""What the tests of weights share: the tensors of a trunk, a file of them, and a model's logits."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from sam2unet.network import SAM2UNet


@pytest.fixture
def trunk_tensors() -> dict[str, Tensor]:
    """The state dict of a random trunk "pico"."""
    torch.manual_seed(3)
    return SAM2UNet("pico").trunk.state_dict()


@pytest.fixture
def trunk_file(tmp_path: Path, network: Callable[..., SAM2UNet]) -> Path:
    """A safetensors file of the trunk of `network(seed=5)`."""
    save_file(network(seed=5).trunk.state_dict(), tmp_path / "trunk.safetensors")
    return tmp_path / "trunk.safetensors"


@pytest.fixture
def logits() -> Callable[[SAM2UNet], Tensor]:
    """Computes a model's logits of one random image."""

    def compute(model: SAM2UNet) -> Tensor:
        torch.manual_seed(0)
        with torch.inference_mode():
            return model(torch.randn(1, 3, 96, 96))

    return compute
