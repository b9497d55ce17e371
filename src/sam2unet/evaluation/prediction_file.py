"""Reading predictions: maps of one class, or class indices."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..card import IGNORED
from ..data import StoredMask, has_same_aspect, parse_mask_values, read_mask, read_stored
from ..errors import InputError
from .pairs import EvaluationPair

RESIZED = "another size than their images, but the same shape"
FAINT = "16 bits or more, but no value above 256"
FORMAT_ISSUES = {
    "colours": "all but black is foreground", "more than 8 bits": "converted to 8 bits",
    "no value above 1": "1 was read as a probability of 1/255", "transparency": "what is opaque is foreground",
    FAINT: "read as probabilities below 1/255", RESIZED: "resized",
}  # fmt: skip
"""What distinguishes a map from an 8-bit grey one, or a mask from its image, and how it is read all the same."""
FULL_8_BITS = 257
"""What 16-bit values are divided by."""
MAX_COLOURS = 16
"""A prediction in more colours is no mask, but a heat map or a photograph."""
ROUNDING = 1e-3
"""How far float probabilities may be outside [0, 1]."""


class UnusablePrediction(InputError):
    """A prediction without a score; its image is skipped unless the evaluation is strict."""

    reason = "a broken prediction"


class WrongSizePrediction(UnusablePrediction):
    """A prediction whose size differs from its mask's."""

    reason = "a prediction of another size"


class ColouredPrediction(UnusablePrediction):
    """A prediction in colours that are no map's."""

    reason = "a prediction in colours"


class WrongSizeMask(UnusablePrediction):
    """A mask whose size differs from its image's, while the prediction's does not."""

    reason = "a mask of another size than its image"


class NothingKnown(UnusablePrediction):
    """A prediction without a pixel of known truth."""

    reason = "nothing but ignored pixels in the mask"


def read_map(path: Path) -> tuple[NDArray[np.uint8], str]:
    """Read a probability map or a mask of 0 and 255.

    16-bit values are divided by 257; floats are probabilities if none is above 1, else 255ths.

    Returns:
        (H, W) uint8, and the key of `FORMAT_ISSUES` that applies, or "".

    Raises:
        UnusablePrediction: missing, broken, not an image, or values that are no probabilities.
    """
    stored = _read(path)
    if stored.inverted:
        raise UnusablePrediction(
            f"{path}: this TIFF file declares 0 as white, so the object is unclear; save it as PNG"
        )
    if stored.alpha is not None and not _says_nothing(stored, stored.alpha):
        opaque = stored.values[stored.alpha >= 128]
        if opaque.size and (opaque != opaque.flat[0]).any():
            raise UnusablePrediction(f"{path}: its transparency and its colours differ; save maps without transparency")
        return stored.alpha, "transparency"
    values = stored.values
    if stored.is_colour:
        has_background = stored.indices is not None or (values == 0).any()
        if len(np.unique(values)) > MAX_COLOURS or not has_background:
            raise ColouredPrediction(f"{path}: is in colours, which are no probabilities; save grey maps")
        return (values != 0).astype(np.uint8) * np.uint8(255), "colours"
    if values.dtype == np.uint8:
        if stored.is_bool:
            return values * np.uint8(255), ""
        return values, "no value above 1" if values.max(initial=0) == 1 else ""
    is_faint = values.dtype.kind in "iu" and 0 < values.max(initial=0) < FULL_8_BITS
    return _to_8_bits(path, values), FAINT if is_faint else "more than 8 bits"


def _says_nothing(stored: StoredMask, alpha: NDArray[np.uint8]) -> bool:
    """True if transparency is the same everywhere, or shows the same as the values."""
    highest = alpha.max(initial=0)
    is_constant = highest > 0 and alpha.min(initial=255) == highest
    return is_constant or bool(((stored.values != 0) == (alpha > highest / 2)).all())


def _to_8_bits(path: Path, values: NDArray[Any]) -> NDArray[np.uint8]:
    wide = values.astype(np.float64)
    low, high = wide.min(initial=0), wide.max(initial=0)
    scale = 1 / FULL_8_BITS if values.dtype.kind in "iu" else 255 if high <= 1 + ROUNDING else 1
    if np.isnan(low):
        raise UnusablePrediction(f"{path}: holds pixels that are not a number, which are no probabilities")
    if not (low >= -ROUNDING and high * scale <= 255 * (1 + ROUNDING)):
        raise UnusablePrediction(f"{path}: holds values from {low:g} to {high:g}, which are no probabilities")
    result: NDArray[np.uint8] = (wide * scale).clip(0, 255).astype(np.uint8)
    return result


def read_indices(path: Path, classes: int) -> NDArray[np.uint8]:
    """Read a prediction of several classes.

    Returns:
        (H, W) uint8 class indices below `classes`.

    Raises:
        UnusablePrediction: missing, broken, or not an image.
        InputError: higher indices, soft edges or colours.
    """
    stored = _read(path)
    values = stored.indices if stored.indices is not None and stored.is_colour else stored.values
    if stored.lossy or values.dtype.kind == "f" or (stored.is_colour and stored.indices is None):
        kind = "colours" if stored.is_colour else "grey levels"
        raise InputError(f"{path}: a mask of {kind} holds no class indices; store each pixel's class (0, 1, 2, …)")
    highest = int(values.max(initial=0))
    if highest == IGNORED:
        raise InputError(f"{path}: holds {IGNORED}, which is no class; store each pixel's class (0, 1, 2, …)")
    if highest >= classes or values.min(initial=0) < 0:
        raise InputError(
            f"{path}: holds class {highest}, but there are {classes} classes (0 to {classes - 1}): correct the "
            "prediction or the number of classes",
            "classes",
        )
    return values.astype(np.uint8)


def read_region(path: Path, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Read a region of interest: (H, W), true where an image is scored.

    Raises:
        InputError: missing, broken, not a mask, or not of the shape (height, width).
    """
    inside = read_mask(path, parse_mask_values("foreground=any")).foreground()
    height, width = shape
    if inside.shape != shape and has_same_aspect(inside.shape[::-1], (width, height)):
        inside = np.asarray(Image.fromarray(inside).resize((width, height), Image.Resampling.NEAREST))
    if inside.shape != shape:
        raise InputError(
            f"{path}: is {inside.shape[1]}x{inside.shape[0]}, but its image {width}x{height}: store regions of "
            "interest at the image's size",
            "roi",
        )
    return inside >= 128


def check_size(pair: EvaluationPair, prediction: NDArray[np.uint8], mask: NDArray[np.uint8]) -> None:
    """Raise WrongSizePrediction unless both have the same height and width."""
    (h, w), (mask_h, mask_w) = prediction.shape, mask.shape
    if (h, w) != (mask_h, mask_w):
        raise WrongSizePrediction(
            f"{pair.prediction} is {w}x{h}, but its mask {pair.mask} is {mask_w}x{mask_h}; predict at the image's size"
        )


def _read(path: Path) -> StoredMask:
    try:
        return read_stored(path)
    except InputError as error:
        raise UnusablePrediction(str(error), *error.parameters) from error
