"""What every reader of an image format does, and how its failures become sentences."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from PIL import UnidentifiedImageError

from ...errors import InputError
from .raw_image import RawImage


class ImageReader(Protocol):
    """An open image file. Positions are an index, from 0, and the axis along which a volume's slices lie."""

    is_volume: bool
    """True if no slice stands for the whole file, as the first page or frame of other files does."""

    def pages(self, axis: int | None = None) -> list[int]:
        """Return the indices of the file's images; [] if it holds a single one, which has the index 0."""

    def size(self, index: int, axis: int | None = None) -> tuple[int, int]:
        """Return (width, height) as stored, from the header."""

    def orientation(self, index: int) -> int:
        """Return the EXIF orientation; 1 if there is none."""

    def read(self, index: int, axis: int | None = None) -> RawImage:
        """Decode one image, not turned upright."""


def check_pixels(name: str, size: tuple[int, int], max_pixels: int | None) -> None:
    """Raise InputError if an image of `size` (width, height) has more than `max_pixels` pixels."""
    width, height = size
    if max_pixels and width * height > max_pixels:
        raise InputError(
            f"{name}: {width}x{height} is more than {max_pixels / 1e6:g} million pixels, like a decompression bomb; "
            "raise the limit if the image is genuine",
            "max_pixels",
        )


def check_axis(axis: int, dimensions: int) -> int:
    """Return an axis if an array of so many dimensions has it; else raise InputError."""
    if not 0 <= axis < dimensions:
        raise InputError(f"has {dimensions} dimensions, no axis {axis}: choose 0 to {dimensions - 1}", "layers")
    return axis


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn what goes wrong inside the block into an InputError that begins with `name`."""
    try:
        yield
    except InputError as error:
        if str(error).startswith(name):
            raise
        raise InputError(f"{name}: {error}", *error.parameters) from error
    except FileNotFoundError as error:
        raise InputError(f"{name}: no such file") from error
    except PermissionError as error:
        raise InputError(f"{name}: can't be read ({error.strerror})") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{name}: broken or not an image") from error
    except MemoryError as error:
        raise InputError(f"{name}: not enough memory to read it") from error
    except Exception as error:  # the libraries raise exceptions of many types on broken files
        raise InputError(f"{name}: broken or not an image{_cause(error)}") from error


def _cause(error: Exception) -> str:
    """Return a library's own words, in brackets; nothing if they are about its code."""
    words = str(error).strip().splitlines()
    is_about_data = isinstance(error, OSError | ValueError | SyntaxError | RuntimeError | EOFError)
    return f" ({words[0]})" if words and is_about_data else ""
