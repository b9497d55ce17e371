"""Folders to evaluate."""

import numpy as np
import pytest
from PIL import Image

from .samples import hills, write_classes


@pytest.fixture
def folders(tmp_path, rng):
    """maps/ with six maps that find their masks in gt/ roughly; mask 2 and map 3 are empty."""
    (tmp_path / "maps").mkdir()
    (tmp_path / "gt").mkdir()
    for i in range(6):
        field = hills(rng, 40 + i, 50)
        truth = (field > 0.55) * np.uint8(255) if i != 2 else np.zeros((42, 50), np.uint8)
        found = ((field + 0.1 * rng.random(field.shape)).clip(0.2, 0.9) * 255).astype(np.uint8)
        if i == 3:
            found[:] = 0
        Image.fromarray(truth).save(tmp_path / f"gt/{i}.png")
        Image.fromarray(found).save(tmp_path / f"maps/{i}.png")
    return tmp_path


@pytest.fixture
def class_folders(tmp_path, rng):
    """out/ with four predictions of four classes, of which 2 occurs nowhere, and gt/ with ignored pixels."""
    write_classes(tmp_path, rng, 4)
    return tmp_path
