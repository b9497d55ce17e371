"""Reading predictions: maps of one class, or class indices."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..card import IGNORED
from ..data import LOSSY, Mask, class_indices, open_image, read_mask
from ..errors import InputError
from .pairs import EvaluationPair, has_coloured_palette

FORMAT_ISSUES = {
    "colours": "converted to luminance", "more than 8 bits": "converted to 8 bits",
    "no value above 1": "1 was read as a probability of 1/255",
}  # fmt: skip
"""What distinguishes a map from an 8-bit grey one, and how it is read all the same."""
ROUNDING = 1e-3
"""How far float probabilities may be outside [0, 1]."""


class UnusablePrediction(InputError):
    """A prediction without a score; its image is skipped unless the evaluation is strict."""

    reason = "a broken prediction"


class WrongSizePrediction(UnusablePrediction):
    """A prediction whose size differs from its mask's."""

    reason = "a prediction of another size"


def read_map(path: Path) -> tuple[NDArray[np.uint8], str]:
    """Read a probability map or a mask of 0 and 255.

    16-bit values are divided by 257; floats are probabilities if none is above 1, else 255ths.

    Returns:
        (H, W) uint8, and the key of `FORMAT_ISSUES` that applies, or "".

    Raises:
        UnusablePrediction: missing, broken, not an image, or values that are no probabilities.
    """
    image = _open(path)
    if image.mode in ("1", "L"):
        grey = np.asarray(image.convert("L"))
        return grey, "no value above 1" if grey.max(initial=0) == 1 else ""
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image).astype(np.float64)
        low, high = values.min(initial=0), values.max(initial=0)
        scale = 1 / 257 if image.mode.startswith("I") else 255 if high <= 1 + ROUNDING else 1
        if not (low >= -ROUNDING and high * scale <= 255 * (1 + ROUNDING)):  # "not", so that nan is refused too
            raise UnusablePrediction(f"{path}: holds values from {low:g} to {high:g}, which are no probabilities")
        return (values * scale).clip(0, 255).astype(np.uint8), "more than 8 bits"
    colours = np.asarray(image.convert("RGB"))
    if np.ptp(colours, axis=2).max(initial=0) == 0:
        return colours[..., 0], ""
    return np.asarray(Image.fromarray(colours).convert("L")), "colours"


def read_indices(path: Path, classes: int) -> NDArray[np.uint8]:
    """Read a prediction of several classes.

    Returns:
        (H, W) uint8 class indices below `classes`.

    Raises:
        UnusablePrediction: missing, broken, or not an image.
        InputError: higher indices, soft edges or colours.
    """
    image = _open(path)
    exact = image.mode == "L" and path.suffix.lower() not in LOSSY
    # Indices are taken as they are, where `read_mask` would guess what the values of a mask mean.
    plain = exact or has_coloured_palette(image)
    mask = Mask("class indices", np.asarray(image)) if plain else read_mask(path)
    if IGNORED in mask.values:
        raise InputError(f"{path}: holds {IGNORED}, which is no class; store each pixel's class (0, 1, 2, …)")
    return class_indices(mask, classes, path)


def check_size(pair: EvaluationPair, prediction: NDArray[np.uint8], mask: NDArray[np.uint8]) -> None:
    """Raise WrongSizePrediction unless both have the same height and width."""
    (h, w), (mask_h, mask_w) = prediction.shape, mask.shape
    if (h, w) != (mask_h, mask_w):
        raise WrongSizePrediction(
            f"{pair.prediction} is {w}x{h}, but its mask {pair.mask} is {mask_w}x{mask_h}; predict at the image's size"
        )


def _open(path: Path) -> Image.Image:
    try:
        return open_image(path)
    except InputError as error:
        raise UnusablePrediction(str(error), *error.parameters) from error
