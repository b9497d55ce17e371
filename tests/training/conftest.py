"""A run that nothing interrupted."""

from pathlib import Path

import pytest

import sam2unet

from ..pico import SHORT


@pytest.fixture(scope="session")
def uninterrupted(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of three epochs of four steps, with the settings SHORT."""
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    sam2unet.train(scenes, out=folder, device="cpu", **SHORT)
    return folder
