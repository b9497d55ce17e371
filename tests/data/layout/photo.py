"""What a photograph looks like."""

import numpy as np
from PIL import Image


def write_photo(path):
    """Write an image of 30x20 whose pixels all differ from the next."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(path)
