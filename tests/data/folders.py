"""Folders of small images and masks."""

from pathlib import Path

import numpy as np
from PIL import Image

OBJECT = np.zeros((20, 30), np.uint8)
OBJECT[5:10, 5:15] = 255
OBJECT_FRACTION = 50 / 600
OBJECT_POLYGON = [[5, 5], [14, 5], [14, 9], [5, 9]]
"""As LabelMe writes it, whose corners are pixels of the object."""
OBJECT_RING = [5, 5, 15, 5, 15, 10, 5, 10]
"""The same as COCO writes it, whose corners lie at the edges of pixels."""


def write_images(root: Path, *names: str, size: tuple[int, int] = (30, 20)) -> Path:
    """Write the object under each name, as RGB for .jpg and as grey otherwise; return the root."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".npy":
            np.save(path, OBJECT > 0)
            continue
        Image.fromarray(OBJECT).resize(size, 0).convert("RGB" if path.suffix.lower() == ".jpg" else "L").save(path)
    return root
