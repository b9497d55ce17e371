"""Any image, as its file stores it or as 8-bit RGB, the way a viewer shows it."""

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from ...errors import InputError
from .array_file import NPY, NPZ, ArrayReader
from .dicom_file import DicomReader
from .image_formats import DICOM, HEIC, import_reader, is_image, is_mask_file, missing_reader, suffix_of
from .image_reader import ImageReader, check_pixels, readable
from .nifti_file import HEADER, NiftiReader, is_nifti
from .pillow_file import PillowReader, open_heif, open_pillow
from .raw_image import RawImage
from .tiff_file import Box, TiffReader, open_tiff

if TYPE_CHECKING:
    from ..sources import Page

    Source = str | Path | BinaryIO | Page

__all__ = [
    "MAX_PIXELS", "ImageCheck", "RawImage", "axis_codes", "check_image", "exif_orientation", "image_remark",
    "image_size", "is_image", "is_mask_file", "list_pages", "missing_reader", "open_header", "open_image",
    "pixel_count", "read_box", "read_frames", "read_image", "read_raw", "to_rgb", "value_range",
]  # fmt: skip
MAX_PIXELS = 400_000_000
"""Default limit for prediction: a larger image is more likely a decompression bomb than a photo."""
TIFF_MAGIC = {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}
NORMALISED_MODES = ("I", "F")
"""Modes of more than 8 bits begin so."""


def open_image(source: "Source", max_pixels: int | None = None, ignore_exif: bool = False) -> Image.Image:
    """Read and decode an image in its own mode, upright by its EXIF orientation.

    An image that Pillow has no mode for, such as colour of 16 bits, is returned as 8-bit RGB.

    Args:
        source: name of a file, a binary stream, or a page.
        max_pixels: refuse a larger image before decoding it; None for no limit.
        ignore_exif: return the image as it is stored.

    Raises:
        InputError: the file is missing, truncated, too large or not an image.
    """
    with _opened(source, max_pixels) as (reader, index, axis):
        if isinstance(reader, PillowReader) and reader.keeps_samples():
            return reader.decode(index, ignore_exif)
        return _in_pillows_mode(_read(reader, index, axis, ignore_exif))


def read_image(
    source: "Source", normalise_range: bool = False, max_pixels: int | None = None, ignore_exif: bool = False
) -> Image.Image:
    """Read an image as 8-bit RGB, from grey, palette, alpha (over white), CMYK, 16-bit or float, or several bands.

    Args:
        source: name of a file of any type that can be read here, a binary stream, or a page; of several pages or
            frames the first is read.
        normalise_range: map a 16-bit image's own minimum and maximum to 0 and 255, as microscopes that store 12 bits
            in 16 need; otherwise values are divided by the highest that the file's bits can hold, or DICOM's window is
            shown. Float, signed and 32-bit images are always normalised; NaN and no data are left out and black.
        max_pixels: refuse a larger image before decoding it; None for no limit.
        ignore_exif: return the image as it is stored, not turned upright by its EXIF orientation.

    Raises:
        InputError: the file is missing, truncated, too large or not an image.
    """
    with _opened(source, max_pixels) as (reader, index, axis):
        return _read_rgb(reader, index, axis, normalise_range, ignore_exif)


def read_box(
    source: "Source", box: Box, normalise_range: bool = False, ignore_exif: bool = False
) -> Image.Image | None:
    """Read a part of an image as 8-bit RGB without decoding the rest: of TIFF files that are stored in tiles or strips.

    Args:
        source: see `read_image`.
        box: the part, inside the image.
        normalise_range: see `read_image`.
        ignore_exif: see `read_image`.

    Returns:
        The same pixels as `read_image`; None if the file can't be read in parts, or its values depend on each other, as
        normalised ones do.

    Raises:
        InputError: see `read_image`.
    """
    file, index, axis = _locate(source)
    with readable(_name(source)), _stream(file) as stream:
        head = stream.read(4)
        stream.seek(0)
        if head not in TIFF_MAGIC or axis:
            return None
        reader = TiffReader(stream)
        if not ignore_exif and reader.orientation(index or 0) != 1:
            return None
        raw = reader.read_box(index or 0, box)
        return raw.to_rgb() if raw and raw.is_scaled_by_type and not normalise_range else None


def read_raw(source: "Source", *, max_pixels: int | None = None, ignore_exif: bool = False) -> RawImage:
    """Read an image as its file stores it, upright by its EXIF orientation; see `read_image` for the arguments.

    Raises:
        InputError: the file is missing, truncated, too large or not an image.
    """
    with _opened(source, max_pixels) as (reader, index, axis):
        return _read(reader, index, axis, ignore_exif)


@dataclass(frozen=True)
class ImageCheck:
    """What a check says about an image."""

    size: tuple[int, int]
    """Width and height, upright."""
    image: Image.Image
    """8-bit RGB; a JPEG file's may be smaller than `size`."""
    value_range: tuple[float, float, int] | None
    """See `RawImage.value_range`."""
    is_scaled_by_type: bool
    """See `RawImage`."""
    remark: str
    """See `RawImage`."""
    orientation: int
    """EXIF orientation of the file, 1 to 8."""


def check_image(source: "Source", *, ignore_exif: bool = False) -> ImageCheck:
    """Read an image and what there is to say about it, at once.

    Raises:
        InputError: the file is missing, truncated or not an image.
    """
    with _opened(source) as (reader, index, axis):
        orientation = reader.orientation(index)
        if isinstance(reader, PillowReader) and reader.keeps_samples():
            size = _upright_size(reader.size(index, axis), 1 if ignore_exif else orientation)
            reader.shrink()
            image = reader.decode(index, ignore_exif)
            if not image.mode.startswith(NORMALISED_MODES):  # needs no samples, whose copy takes a while
                return ImageCheck(size, to_rgb(image), None, True, "", orientation)
        raw = _read(reader, index, axis, ignore_exif)
        return ImageCheck(raw.size, raw.to_rgb(), raw.value_range(), raw.is_scaled_by_type, raw.remark, orientation)


def read_frames(
    source: "str | Path | BinaryIO", normalise_range: bool = False, max_pixels: int | None = None
) -> Iterator[tuple[int, Callable[[], Image.Image]]]:
    """Iterate over the frames, pages or slices of a file; a file with a single one yields nothing.

    Args:
        source: name of a file, or a binary stream.
        normalise_range: see `read_image`.
        max_pixels: see `read_image`.

    Yields:
        The frame's index, from 0, and a function that reads it. Call it, if at all, before the next iteration. Reduced
        copies in a TIFF file are skipped.

    Raises:
        InputError: as in `read_image`. The functions raise it too; later frames may still be readable then.
    """
    name = _name(source)
    with readable(name), _stream(source) as stream:
        reader = _find_reader(stream)

        def read(index: int) -> Image.Image:
            frame_name = f"{name}, frame {index}"
            with readable(frame_name):
                check_pixels(frame_name, reader.size(index), max_pixels)
                frame = _read_rgb(reader, index, None, normalise_range)
                is_shared = isinstance(reader, PillowReader) and frame is reader.image
                return frame.copy() if is_shared else frame  # reading the next frame would change it

        for index in reader.pages():
            yield index, partial(read, index)


def list_pages(path: Path, axis: int | None = None) -> "list[Page]":
    """List the pages, frames or slices of a file; [] if it holds a single image.

    Args:
        path: the file.
        axis: axis of a volume along which the slices lie; by default the last of NIfTI, the first of others. A NumPy
            array of three dimensions has pages only if it is given.

    Raises:
        InputError: the file is missing, broken or not an image, or has no such axis.
    """
    from ..sources import Page

    with readable(str(path)), _stream(path) as stream:
        return [Page(path, index, axis) for index in _find_reader(stream).pages(axis)]


def image_size(source: "Source", *, ignore_exif: bool = False) -> tuple[int, int]:
    """Return (width, height) of an image, upright, from its header.

    Raises:
        InputError: the file is missing or not an image.
    """
    with _opened(source) as (reader, index, axis):
        return _upright_size(reader.size(index, axis), 1 if ignore_exif else reader.orientation(index))


def _upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return (width, height) of an image when it is turned upright; EXIF orientations 5 to 8 exchange the two."""
    return size[::-1] if orientation > 4 else size


def exif_orientation(source: "Source") -> int:
    """Return an image's EXIF orientation, 1 to 8; 1 if there is none.

    Raises:
        InputError: the file is missing or not an image.
    """
    with _opened(source) as (reader, index, _):
        return reader.orientation(index)


def value_range(source: "Source") -> tuple[float, float, int] | None:
    """Return (lowest value, highest value, bits) of an image of more than 8 bits; see `RawImage.value_range`."""
    return read_raw(source).value_range()


def image_remark(source: "Source") -> str:
    """Return what the RGB image of a file does not show, such as further bands; "" if there is nothing to say."""
    return read_raw(source).remark


def axis_codes(path: Path) -> str:
    """Return where the axes of a NIfTI volume point, such as "RAS"; "" for other files.

    Slices of an image and its mask lie upon each other only if both have the same.

    Raises:
        InputError: the file is missing, broken or not an image.
    """
    with readable(str(path)), _stream(path) as stream:
        reader = _find_reader(stream)
        return reader.axis_codes() if isinstance(reader, NiftiReader) else ""


def pixel_count(path: str | Path) -> int:
    """Return the number of pixels according to a file's header; 0 if it is not an image."""
    try:
        with readable(str(path)), _stream(path) as stream:
            width, height = _find_reader(stream).size(0)
            return width * height
    except InputError:
        return 0


@contextmanager
def open_header(path: str | Path | BinaryIO, max_pixels: int | None = None) -> Iterator[Image.Image]:
    """Open an image that Pillow reads without decoding it; errors inside the block are attributed to this file.

    Raises:
        InputError: the file is missing, truncated, too large or not an image that Pillow reads.
    """
    with readable(_name(path)), _stream(path) as stream:
        image = open_pillow(stream)
        check_pixels(_name(path), image.size, max_pixels)
        yield image


def to_rgb(image: Image.Image, normalise_range: bool = False) -> Image.Image:
    """Convert to 8-bit RGB as `read_image` describes; return an RGB image itself."""
    if image.mode.startswith(NORMALISED_MODES):
        pixels = np.asarray(image)
        if image.mode == "I" and not normalise_range:
            pixels = pixels.clip(0, 65535).astype(np.uint16)
        return RawImage(pixels, bits=pixels.dtype.itemsize * 8).to_rgb(normalise_range)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "RGB" else image.convert("RGB")


@contextmanager
def _opened(source: "Source", max_pixels: int | None = None) -> Iterator[tuple[ImageReader, int, int | None]]:
    """Open the file of a source; yield its reader and the position of the image in it."""
    file, index, axis = _locate(source)
    with readable(_name(source)), _stream(file) as stream:
        reader = _find_reader(stream)
        if index is None and reader.is_volume:
            raise InputError(
                f"{file}: holds {len(reader.pages(axis))} slices where one image is expected: save each as an image, "
                "or pair it with a mask of as many slices",
                "layers",
            )
        index = index or 0
        check_pixels(_name(source), reader.size(index, axis), max_pixels)
        yield reader, index, axis


def _locate(source: "Source") -> tuple[str | Path | BinaryIO, int | None, int | None]:
    """Return a source's file, and the index and the axis of its page if it is one."""
    if isinstance(source, str | Path):
        return source, None, None
    from ..sources import Page  # not above: it imports annotations, and those read images

    return (source.file, source.index, source.axis) if isinstance(source, Page) else (source, None, None)


def _name(source: "Source") -> str:
    return "standard input" if hasattr(source, "read") else str(source)


def _stream(file: str | Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    if isinstance(file, Path):
        return file.open("rb")
    if isinstance(file, str):
        return Path(file).open("rb")
    return nullcontext(file if file.seekable() else io.BytesIO(file.read()))


def _find_reader(stream: BinaryIO) -> ImageReader:
    """Choose a reader by the file's first bytes."""
    stream.seek(0)
    head = stream.read(HEADER)
    stream.seek(0)
    if head[128:132] == b"DICM":
        return DicomReader(stream)
    if head[:4] in TIFF_MAGIC:
        return open_tiff(stream)
    if head.startswith((NPY, NPZ)):
        return ArrayReader(stream)
    if is_nifti(stream, head):
        return NiftiReader(stream)
    try:
        return PillowReader(open_pillow(stream), stream)
    except UnidentifiedImageError:
        if head[4:8] == b"ftyp":
            return PillowReader(open_heif(stream, import_reader(HEIC)), stream)
        if suffix_of(Path(str(getattr(stream, "name", "")))) in DICOM.suffixes:  # some have no preamble
            return DicomReader(stream)
        raise


def _read(reader: ImageReader, index: int, axis: int | None, ignore_exif: bool) -> RawImage:
    image = reader.read(index, axis)
    return image if ignore_exif else image.upright(reader.orientation(index))


def _read_rgb(
    reader: ImageReader, index: int, axis: int | None, normalise_range: bool, ignore_exif: bool = False
) -> Image.Image:
    if isinstance(reader, PillowReader) and reader.keeps_samples():
        return to_rgb(reader.decode(index, ignore_exif), normalise_range)
    return _read(reader, index, axis, ignore_exif).to_rgb(normalise_range)


def _in_pillows_mode(raw: RawImage) -> Image.Image:
    """Return a Pillow image of the samples where it has a mode for them, else of 8-bit RGB."""
    pixels = np.ascontiguousarray(raw.pixels)
    is_plain = raw.palette is None and raw.alpha is None
    if is_plain and pixels.ndim == 2 and pixels.dtype.kind in "iu" and pixels.dtype.itemsize > 2:
        pixels = pixels.astype(np.int32)
    elif is_plain and pixels.ndim == 2 and pixels.dtype.kind == "f":
        pixels = pixels.astype(np.float32)
    elif is_plain and pixels.dtype == np.int16:
        pixels = pixels.astype(np.int32)
    elif not is_plain or (pixels.dtype != np.uint8 and (pixels.ndim == 3 or pixels.dtype not in (np.uint16, bool))):
        return raw.to_rgb()
    return Image.fromarray(pixels) if pixels.ndim == 2 or pixels.shape[2] == 3 else raw.to_rgb()
