"""Masks as pictures, over pictures, and cut out of them."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data import class_colours
from .components import MaskArray


def mask_image(mask: MaskArray, classes: int = 1) -> Image.Image:
    """A mask as a picture: 0/255, or class indices with a palette."""
    if classes == 1:
        return Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0)))
    picture = Image.fromarray(mask.astype(np.uint8)).convert("L")
    picture.putpalette(class_colours(classes).tobytes())
    return picture


def overlay(image: Image.Image, mask: MaskArray, classes: int = 1) -> Image.Image:
    """The picture with the mask tinted over it and outlined."""
    from scipy import ndimage

    colours = class_colours(max(2, classes))
    values = mask.astype(np.uint8)
    tint = Image.fromarray(colours[values])
    strength = Image.fromarray(np.where(values > 0, np.uint8(90), np.uint8(0)))
    result = Image.composite(tint, image, strength)
    # An outline of about 1/200 of the picture, at least a pixel on each side of the border.
    reach = 2 * max(1, round(max(image.size) / 400)) + 1
    wide, narrow = (f(values, reach, mode="nearest") for f in (ndimage.maximum_filter, ndimage.minimum_filter))
    return Image.composite(Image.fromarray(colours[wide]), result, Image.fromarray(wide != narrow))


def cutout(image: Image.Image, mask: MaskArray, edge: NDArray[np.uint8] | None = None) -> Image.Image:
    """The picture, transparent outside the mask, as opaque in it as `edge` (H, W) says: 255 for wholly."""
    alpha = np.where(mask, np.uint8(255) if edge is None else edge, np.uint8(0))
    result = image.copy()
    result.putalpha(Image.fromarray(alpha))
    return result


def soft_edge(probability: NDArray[np.float32], threshold: float) -> NDArray[np.uint8]:
    """For `cutout`: half at the threshold, whole from an eighth above it, or from midway to 1."""
    rise = max(1e-6, min(1 / 8, (1 - threshold) / 2))
    share = (probability - (threshold if threshold < 1 else threshold - rise)) / rise
    soft: NDArray[np.uint8] = (255 * (0.5 + 0.5 * share.clip(0, 1))).round().astype(np.uint8)
    return soft
