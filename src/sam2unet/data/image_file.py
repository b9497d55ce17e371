"""Any picture that Pillow opens, as 8-bit RGB, the way a viewer shows it."""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..errors import InputError

NO_PICTURES = {".bufr", ".emf", ".eps", ".grb", ".grib", ".h5", ".hdf", ".mpeg", ".mpg", ".pdf", ".ps", ".wmf"}
Image.MAX_IMAGE_PIXELS = None  # slides and aerial pictures are large and wanted; Pillow's guard is for web uploads


@cache
def suffixes() -> frozenset[str]:
    """The file types that Pillow reads as pictures, lower case with the dot."""
    Image.init()
    return frozenset(s for s, kind in Image.registered_extensions().items() if kind in Image.OPEN) - NO_PICTURES


def is_picture(path: Path) -> bool:
    """Whether the name is that of a picture that is no hidden file."""
    return path.suffix.lower() in suffixes() and not path.name.startswith(".")


def open_picture(path: str | Path) -> Image.Image:
    """The decoded picture, turned upright by its EXIF orientation, in its own mode.

    Raises:
        InputError: missing, truncated, or no picture.
    """
    try:
        with Image.open(path) as picture:
            picture.load()
            upright: Image.Image = ImageOps.exif_transpose(picture)
            return upright
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except Exception as error:  # what Pillow's readers raise on broken files is without end
        cause = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{path}: broken or no picture ({cause[0]})") from error


def read_image(path: str | Path, stretch: bool = False) -> Image.Image:
    """An RGB picture of 8 bits from grey, palette, alpha (over white), CMYK, 16-bit or float.

    Args:
        path: any type that Pillow reads; of several pages the first.
        stretch: bring a 16-bit picture's own darkest and brightest value to 0 and 255, as microscopes that store 12
            bits in 16 need; else 16-bit values are divided by 257. Floats are always stretched.

    Raises:
        InputError: missing, truncated, or no picture.
    """
    return to_rgb(open_picture(path), stretch)


def to_rgb(picture: Image.Image, stretch: bool = False) -> Image.Image:
    """See `read_image`."""
    if picture.mode.startswith(("I", "F")):
        picture = Image.fromarray(_to_8_bits(np.asarray(picture), stretch or picture.mode == "F"))
    elif "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def _to_8_bits(values: NDArray[np.generic], stretch: bool) -> NDArray[np.uint8]:
    wide = values.astype(np.float64)
    if stretch:
        low, high = wide.min(), wide.max()
        wide = (wide - low) * (255 / (high - low) if high > low else 0)
    else:
        wide = wide / 257
    return wide.clip(0, 255).round().astype(np.uint8)
