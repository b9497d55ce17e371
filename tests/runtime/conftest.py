"""What the tests of runtimes share: images, a cache of their own, and packages that seem not to be installed."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture
def images(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Three images of noise in the size of `network()`'s card."""
    return rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of compiled networks of an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "sam2unet" / "compiled"


@pytest.fixture
def hide(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes packages seem not to be installed."""

    def hide_packages(*packages: str) -> None:
        monkeypatch.setattr(
            "sam2unet.system.packages.find_spec", lambda name: None if name in packages else find_spec(name)
        )

    return hide_packages
