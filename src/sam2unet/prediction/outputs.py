"""What is written of a prediction: masks, probability maps, overlays."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ..data import class_colours
from ..files import appearing
from .predictor import Prediction


def mask_picture(mask: NDArray[np.bool_] | NDArray[np.uint8], classes: int = 1) -> Image.Image:
    """A mask as a picture: 0/255, or class indices with a palette."""
    if classes == 1:
        return Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0)))
    picture = Image.fromarray(mask.astype(np.uint8)).convert("L")
    picture.putpalette(class_colours(classes).tobytes())
    return picture


def probability_pictures(prediction: Prediction) -> list[Image.Image]:
    """8-bit maps, 255 for probability 1; one per class."""
    maps = np.atleast_3d(prediction.probability.T).T
    return [Image.fromarray((plane * 255).round().astype(np.uint8)) for plane in maps]


def overlay(image: Image.Image, mask: NDArray[np.bool_] | NDArray[np.uint8], classes: int = 1) -> Image.Image:
    """The picture with the mask tinted over it and outlined."""
    colours = class_colours(max(2, classes))
    values = mask.astype(np.uint8)
    tint = Image.fromarray(colours[values])
    strength = Image.fromarray(np.where(values > 0, np.uint8(90), np.uint8(0)))
    result = Image.composite(tint, image, strength)
    # An outline of about 1/200 of the picture, at least a pixel on each side of the border.
    reach = 2 * max(1, round(max(image.size) / 400)) + 1
    wide, narrow = (
        np.asarray(Image.fromarray(values).filter(f(reach))) for f in (ImageFilter.MaxFilter, ImageFilter.MinFilter)
    )
    return Image.composite(Image.fromarray(colours[wide]), result, Image.fromarray(wide != narrow))


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a picture that appears under its name only when complete."""
    with appearing(path) as partial:
        picture.save(partial)
