"""Any image that Pillow opens, as 8-bit RGB, the way a viewer shows it."""

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
from .bomb_check import without_bomb_check

NOT_IMAGES = {".bufr", ".emf", ".eps", ".grb", ".grib", ".h5", ".hdf", ".mpeg", ".mpg", ".pdf", ".ps", ".wmf"}
"""Suffixes of documents, films and measurements that Pillow has plugins for."""
MAX_PIXELS = 400_000_000
"""Default limit for prediction: a larger image is more likely a decompression bomb than a photo."""
SUBFILE_TYPE = 254  # TIFF tag; bit 0 marks a page as a reduced copy of another
MULTI_FRAME_FORMATS = {"AVIF", "GIF", "PNG", "TIFF", "WEBP"}
"""Formats whose further images are pages or frames of an animation; elsewhere they are previews or layers."""


@cache
def image_suffixes() -> frozenset[str]:
    """Return the suffixes of the image files that Pillow reads, in lower case with the dot."""
    Image.init()
    return frozenset(s for s, kind in Image.registered_extensions().items() if kind in Image.OPEN) - NOT_IMAGES


def is_image(path: Path) -> bool:
    """True if a file's name is that of an image and not hidden."""
    return path.suffix.lower() in image_suffixes() and not path.name.startswith(".")


def open_image(path: str | Path | BinaryIO, max_pixels: int | None = None) -> Image.Image:
    """Read and decode an image in its own mode, upright by its EXIF orientation.

    Args:
        path: name of a file, or a binary stream.
        max_pixels: refuse a larger image before decoding it; None for no limit.

    Raises:
        InputError: the file is missing, truncated, too large or not an image.
    """
    with open_header(path, max_pixels) as image:
        return _decode(image)


def read_image(
    path: str | Path | BinaryIO, normalise_range: bool = False, max_pixels: int | None = None
) -> Image.Image:
    """Read an image as 8-bit RGB, from grey, palette, alpha (over white), CMYK, 16-bit or float.

    Args:
        path: name of a file of any type that Pillow reads, or a binary stream; of several pages the first is read.
        normalise_range: map a 16-bit image's own minimum and maximum to 0 and 255, as microscopes that store 12 bits
            in 16 need; otherwise 16-bit values are divided by 257. Float images are always normalised.
        max_pixels: refuse a larger image before decoding it; None for no limit.

    Raises:
        InputError: the file is missing, truncated, too large or not an image.
    """
    return to_rgb(open_image(path, max_pixels), normalise_range)


def read_frames(
    path: str | Path | BinaryIO, normalise_range: bool = False, max_pixels: int | None = None
) -> Iterator[tuple[int, Callable[[], Image.Image]]]:
    """Iterate over the frames or pages of a file; a file with a single one yields nothing.

    Args:
        path: see `read_image`.
        normalise_range: see `read_image`.
        max_pixels: see `read_image`.

    Yields:
        The frame's index, from 0, and a function that reads it. Call it, if at all, before the next iteration. Reduced
        copies in a TIFF file are skipped.

    Raises:
        InputError: as in `read_image`. The functions raise it too; later frames may still be readable then.
    """
    with open_header(path) as image:
        frames = _list_frames(image)
        if frames == [0]:
            return

        def read(index: int) -> Image.Image:
            with _readable(f"{_name(path)}, frame {index}"):
                _seek(image, index)
                _check_pixels(path, image, max_pixels)
                frame = to_rgb(_decode(image), normalise_range)
                return frame.copy() if frame is image else frame  # reading the next frame would change it

        for index in frames:
            yield index, partial(read, index)


def pixel_count(path: str | Path) -> int:
    """Return the number of pixels according to a file's header; 0 if it is not an image."""
    try:
        with open_header(path) as image:
            return image.width * image.height
    except InputError:
        return 0


@contextmanager
def open_header(path: str | Path | BinaryIO, max_pixels: int | None = None) -> Iterator[Image.Image]:
    """Open an image without decoding it; errors inside the block are attributed to this file.

    Raises:
        InputError: the file is missing, truncated, too large or not an image.
    """
    with _readable(_name(path)), _open(path) as image:
        _check_pixels(path, image, max_pixels)
        yield image


def _name(path: str | Path | BinaryIO) -> str:
    return str(path) if isinstance(path, str | Path) else "standard input"


def _check_pixels(path: str | Path | BinaryIO, image: Image.Image, max_pixels: int | None) -> None:
    if max_pixels and image.width * image.height > max_pixels:
        raise InputError(
            f"{_name(path)}: {image.width}x{image.height} is more than {max_pixels / 1e6:g} million pixels, like a "
            "decompression bomb; raise the limit if the image is genuine",
            "max_pixels",
        )


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Turn what goes wrong inside the block into an InputError about `name`."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{name}: no such file") from error
    except PermissionError as error:
        raise InputError(f"{name}: can't be read ({error.strerror})") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{name}: broken or not an image") from error
    except MemoryError as error:
        raise InputError(f"{name}: not enough memory to read it") from error
    except Exception as error:  # Pillow's plugins raise exceptions of many types on broken files
        cause = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{name}: broken or not an image ({cause[0]})") from error


# Pillow checks for decompression bombs in each of these steps; our limit is `max_pixels`.


@without_bomb_check()
def _open(path: str | Path | BinaryIO) -> Image.Image:
    return Image.open(path)


@without_bomb_check()
def _seek(image: Image.Image, index: int) -> None:
    image.seek(index)


@without_bomb_check()
def _list_frames(image: Image.Image) -> list[int]:
    count = getattr(image, "n_frames", 1) if image.format in MULTI_FRAME_FORMATS else 1
    if count > 1 and isinstance(image, TiffImageFile):
        return [index for index in range(count) if not _is_reduced_copy(image, index)]
    return list(range(count))


def _is_reduced_copy(image: TiffImageFile, index: int) -> bool:
    image.seek(index)
    return bool(image.tag_v2.get(SUBFILE_TYPE, 0) & 1)


@without_bomb_check()
def _decode(image: Image.Image) -> Image.Image:
    """Decode the image and turn it upright."""
    image.load()
    if image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
        return image  # exif_transpose would copy it, and a slide takes gigabytes
    upright: Image.Image = ImageOps.exif_transpose(image)
    return upright


def to_rgb(image: Image.Image, normalise_range: bool = False) -> Image.Image:
    """Convert to 8-bit RGB as `read_image` describes; return an RGB image itself."""
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(_to_8_bits(np.asarray(image), normalise_range or image.mode == "F"))
    elif "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_8_bits(values: NDArray[Any], normalise_range: bool) -> NDArray[np.uint8]:
    low, high = (float(values.min()), float(values.max())) if normalise_range else (0.0, 65535.0)
    factor = 255 / (high - low) if high > low else 0.0
    result = np.empty(values.shape, np.uint8)
    rows = max(1, (1 << 18) // values.shape[1])  # in chunks: the whole image in float64 takes eight bytes a pixel
    for top in range(0, len(values), rows):
        wide = (values[top : top + rows].astype(np.float64) - low) * factor
        result[top : top + rows] = wide.clip(0, 255).round()
    return result
