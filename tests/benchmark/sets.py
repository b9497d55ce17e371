"""Folders of test sets in the layouts of the catalogue."""

from pathlib import Path

import numpy as np
from PIL import Image

from sam2unet.benchmark import chosen_sets

SETS = chosen_sets()


def write_image(path: Path, seed: int | tuple[int, int], size: tuple[int, int] = (120, 90)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3)).astype(np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)


def write_pairs(root: Path, layout: str, count: int, start: int = 0) -> None:
    """Write pairs into the two folders of a layout, "images/*.jpg | masks/*.png"."""
    images, masks = layout.split(" | ")
    for i in range(start, start + count):
        write_image(root / images.replace("*", f"{i:03}"), seed=(i, len(images)))
        mask = root / masks.replace("*", f"{i:03}")
        mask.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (120, 90), 255 * (i % 2)).save(mask)
