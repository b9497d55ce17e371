"""Predictions as 8-bit maps."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data.image_file import open_picture

Map = NDArray[np.uint8]
ODDITIES = {"colours": "their luminance was taken", "more than 8 bits": "they were cut down to 8"}


def read_map(path: Path) -> tuple[Map, str]:
    """(H, W) uint8 of a prediction, and what it has that an 8-bit grey map has not, of `ODDITIES`, or "".

    Of more than 8 bits the highest are taken, unless all values fit into 8; floats up to 1 are probabilities.

    Raises:
        InputError: missing, truncated, or no picture.
    """
    picture = open_picture(path)
    if picture.mode in ("1", "L"):
        return np.asarray(picture.convert("L")), ""
    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture).astype(np.float64)
        scale = (
            255 if picture.mode == "F" and values.max(initial=0) <= 1 else 1 / 257 if values.max(initial=0) > 255 else 1
        )
        return (values * scale).clip(0, 255).astype(np.uint8), "more than 8 bits"
    colours = np.asarray(picture.convert("RGB"))
    if np.ptp(colours, axis=2).max(initial=0) == 0:
        return colours[..., 0], ""
    return np.asarray(Image.fromarray(colours).convert("L")), "colours"
