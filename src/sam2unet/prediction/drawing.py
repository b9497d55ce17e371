"""Drawing masks: as images, over images, and as transparency."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data import class_colours
from .components import MaskArray

TINT_OPACITY = 90
"""Opacity of an overlay's tint, of 255."""


def mask_image(mask: MaskArray, classes: int = 1) -> Image.Image:
    """Draw a mask (H, W) as an image: 0 and 255, or class indices with a palette if there are several classes."""
    if classes == 1:
        return Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0)))
    image = Image.fromarray(mask.astype(np.uint8)).convert("L")
    image.putpalette(class_colours(classes).tobytes())
    return image


def overlay(image: Image.Image, mask: MaskArray, classes: int = 1) -> Image.Image:
    """Draw an RGB image with the mask (H, W) tinted and outlined."""
    from scipy import ndimage

    colours = class_colours(max(2, classes))
    values = mask.astype(np.uint8)
    tint = Image.fromarray(colours[values])
    opacity = Image.fromarray(np.where(values > 0, np.uint8(TINT_OPACITY), np.uint8(0)))
    result = Image.composite(tint, image, opacity)
    # The outline is about 1/200 of the longer side wide, at least one pixel on each side of the border.
    size = 2 * max(1, round(max(image.size) / 400)) + 1
    highest, lowest = (f(values, size, mode="nearest") for f in (ndimage.maximum_filter, ndimage.minimum_filter))
    return Image.composite(Image.fromarray(colours[highest]), result, Image.fromarray(highest != lowest))


def cutout(image: Image.Image, mask: MaskArray, alpha: NDArray[np.uint8] | None = None) -> Image.Image:
    """Draw an RGB image as RGBA, transparent outside the mask (H, W).

    Args:
        image: RGB.
        mask: (H, W).
        alpha: (H, W) opacity inside the mask, 0 to 255; None: 255.
    """
    opacity = np.where(mask, np.uint8(255) if alpha is None else alpha, np.uint8(0))
    result = image.copy()
    result.putalpha(Image.fromarray(opacity))
    return result


def edge_alpha(probability: NDArray[np.float32], threshold: float) -> NDArray[np.uint8]:
    """Opacity of a cut-out's pixels inside the mask, which softens its edge.

    Half opaque at the threshold, rising to opaque at threshold + 1/8, or midway between the threshold and 1 if that
    is lower.
    """
    rise = max(1e-6, min(1 / 8, (1 - threshold) / 2))
    fraction = (probability - (threshold if threshold < 1 else threshold - rise)) / rise
    alpha: NDArray[np.uint8] = (255 * (0.5 + 0.5 * fraction.clip(0, 1))).round().astype(np.uint8)
    return alpha
