"""Photos and a model file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sam2unet import save_model


@pytest.fixture(scope="session")
def photo() -> Callable[..., NDArray[np.uint8]]:
    """Noise, another at each call."""
    rng = np.random.default_rng(0)
    return lambda height=50, width=70: rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def model_file(network, tmp_path: Path) -> Path:
    """A small network's."""
    save_model(network(), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"
