"""Predictions as 8-bit maps."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data.image_file import open_image
from ..errors import InputError

Map = NDArray[np.uint8]
FORMAT_ISSUES = {
    "colours": "their luminance was taken", "more than 8 bits": "they were cut down to 8",
    "no value above 1": "which was taken as 1 of 255",
}  # fmt: skip
ROUNDING = 1e-3


def read_map(path: Path) -> tuple[Map, str]:
    """(H, W) uint8 of a prediction, and what it has that an 8-bit grey map has not, of `FORMAT_ISSUES`, or "".

    16 bits are divided by 257; floats are probabilities if none is above 1, else 255ths.

    Raises:
        InputError: missing, truncated, no picture, or values outside these ranges.
    """
    picture = open_image(path)
    if picture.mode in ("1", "L"):
        grey = np.asarray(picture.convert("L"))
        return grey, "no value above 1" if grey.max(initial=0) == 1 else ""
    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture).astype(np.float64)
        low, high = values.min(initial=0), values.max(initial=0)
        scale = 1 / 257 if picture.mode.startswith("I") else 255 if high <= 1 + ROUNDING else 1
        if not (low >= -ROUNDING and high * scale <= 255 * (1 + ROUNDING)):  # nor is a value that is no number
            raise InputError(f"{path}: holds values from {low:g} to {high:g}, which are no probabilities")
        return (values * scale).clip(0, 255).astype(np.uint8), "more than 8 bits"
    colours = np.asarray(picture.convert("RGB"))
    if np.ptp(colours, axis=2).max(initial=0) == 0:
        return colours[..., 0], ""
    return np.asarray(Image.fromarray(colours).convert("L")), "colours"
