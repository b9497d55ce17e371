"""Any picture that Pillow opens, as 8-bit RGB, the way a viewer shows it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from ..errors import InputError

NO_PICTURES = {".bufr", ".emf", ".eps", ".grb", ".grib", ".h5", ".hdf", ".mpeg", ".mpg", ".pdf", ".ps", ".wmf"}
MAX_PIXELS = 400_000_000
"""A picture to predict with more is refused unless one says otherwise: it is likelier a decompression bomb."""
SUBFILE_TYPE = 254  # TIFF's tag; bit 0 says that a page is a smaller copy
SEVERAL = {"AVIF", "GIF", "PNG", "TIFF", "WEBP"}
"""The formats whose further pictures are pages or the frames of an animation, not previews or layers."""


@cache
def suffixes() -> frozenset[str]:
    """The file types that Pillow reads as pictures, lower case with the dot."""
    Image.init()
    return frozenset(s for s, kind in Image.registered_extensions().items() if kind in Image.OPEN) - NO_PICTURES


def is_image(path: Path) -> bool:
    """Whether the name is that of a picture that is no hidden file."""
    return path.suffix.lower() in suffixes() and not path.name.startswith(".")


def open_image(path: str | Path | BinaryIO, max_pixels: int | None = None) -> Image.Image:
    """The decoded picture, turned upright by its EXIF orientation, in its own mode.

    Args:
        path: a file's name, or what it holds.
        max_pixels: a larger one is not decoded.

    Raises:
        InputError: missing, truncated, too large, or no picture.
    """
    with opened(path, max_pixels) as picture:
        return _upright(picture)


def read_image(path: str | Path | BinaryIO, stretch: bool = False, max_pixels: int | None = None) -> Image.Image:
    """An RGB picture of 8 bits from grey, palette, alpha (over white), CMYK, 16-bit or float.

    Args:
        path: any type that Pillow reads; of several pages the first.
        stretch: bring a 16-bit picture's own darkest and brightest value to 0 and 255, as microscopes that store 12
            bits in 16 need; else 16-bit values are divided by 257. Floats are always stretched.
        max_pixels: a larger one is not decoded.

    Raises:
        InputError: missing, truncated, too large, or no picture.
    """
    return to_rgb(open_image(path, max_pixels), stretch)


def read_frames(
    path: str | Path | BinaryIO, stretch: bool = False, max_pixels: int | None = None
) -> Iterator[tuple[int, Callable[[], Image.Image]]]:
    """The numbers of a file's frames or pages, from 0, and what reads each; nothing for a file of one.

    Each is to be read, if at all, before the next is asked for. Reduced copies in a TIFF file are left out.

    Raises:
        InputError: as `read_image` says. Reading a frame too; then the next may be read all the same.
    """
    with opened(path) as picture:
        pages = list(range(getattr(picture, "n_frames", 1) if picture.format in SEVERAL else 1))
        if len(pages) > 1 and isinstance(picture, TiffImageFile):
            pages = [i for i in pages if not _is_copy(picture, i)]
        if pages == [0]:
            return

        def read(page: int) -> Image.Image:
            with _readable(f"{_name(path)}, frame {page}"):
                picture.seek(page)
                _check_pixels(path, picture, max_pixels)
                frame = to_rgb(_upright(picture), stretch)
                return frame.copy() if frame is picture else frame  # the next one would change it

        for page in pages:
            yield page, partial(read, page)


def _is_copy(picture: TiffImageFile, page: int) -> bool:
    picture.seek(page)
    return bool(picture.tag_v2.get(SUBFILE_TYPE, 0) & 1)


def pixel_count(path: str | Path) -> int:
    """How many pixels a file says that it has; 0 if it is no picture."""
    try:
        with opened(path) as picture:
            return picture.width * picture.height
    except InputError:
        return 0


@contextmanager
def opened(path: str | Path | BinaryIO, max_pixels: int | None = None) -> Iterator[Image.Image]:
    """A picture of which only the head was read; what goes wrong meanwhile is one sentence.

    Raises:
        InputError: missing, truncated, too large, or no picture.
    """
    with _readable(_name(path)), Image.open(path) as picture:
        _check_pixels(path, picture, max_pixels)
        yield picture


def _name(path: str | Path | BinaryIO) -> str:
    return str(path) if isinstance(path, str | Path) else "standard input"


def _check_pixels(path: str | Path | BinaryIO, picture: Image.Image, most: int | None) -> None:
    if most and picture.width * picture.height > most:
        raise InputError(
            f"{_name(path)}: {picture.width}x{picture.height} is more than {most / 1e6:g} million pixels, as a "
            "decompression bomb has; allow more if it is none",
            "max_pixels",
        )


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{name}: no such file") from error
    except PermissionError as error:
        raise InputError(f"{name}: can't be read ({error.strerror})") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{name}: broken or no picture") from error
    except MemoryError as error:
        raise InputError(f"{name}: there is not enough memory for it") from error
    except Exception as error:  # what Pillow's readers raise on broken files is without end
        cause = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{name}: broken or no picture ({cause[0]})") from error


def _upright(picture: Image.Image) -> Image.Image:
    picture.load()
    if picture.getexif().get(ExifTags.Base.Orientation, 1) == 1:
        return picture  # a copy of a slide is gigabytes
    upright: Image.Image = ImageOps.exif_transpose(picture)
    return upright


def to_rgb(picture: Image.Image, stretch: bool = False) -> Image.Image:
    """See `read_image`; one that is so already is given back itself."""
    if picture.mode.startswith(("I", "F")):
        picture = Image.fromarray(_to_8_bits(np.asarray(picture), stretch or picture.mode == "F"))
    elif "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _to_8_bits(values: NDArray[Any], stretch: bool) -> NDArray[np.uint8]:
    low, high = (float(values.min()), float(values.max())) if stretch else (0.0, 65535.0)
    factor = 255 / (high - low) if high > low else 0.0
    result = np.empty(values.shape, np.uint8)
    rows = max(1, (1 << 18) // values.shape[1])  # some at a time: as doubles all would take eight bytes each
    for top in range(0, len(values), rows):
        wide = (values[top : top + rows].astype(np.float64) - low) * factor
        result[top : top + rows] = wide.clip(0, 255).round()
    return result
