"""TIFF files: through Pillow where it keeps every sample, else through tifffile."""

import logging
import math
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from ...errors import InputError
from .image_reader import ImageReader
from .pillow_file import PillowReader, open_pillow, raw_image
from .raw_image import RawImage, remark_on_bands, visible

# Tags.
BITS, COMPRESSION, PHOTOMETRIC, DESCRIPTION, ORIENTATION, SAMPLES, PLANAR = 258, 259, 262, 270, 274, 277, 284
PREDICTOR, EXTRA_SAMPLES, SAMPLE_FORMAT, NODATA = 317, 338, 339, 42113
# Values of the photometric interpretation.
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, CMYK, YCBCR, LAB = 0, 1, 2, 3, 4, 5, 6, 8
JPEG_COMPRESSIONS = {6, 7}
LOSSY_COMPRESSIONS = {6, 7, 33003, 33005, 34712, 34892, 50001}
"""JPEG, JPEG 2000 and WebP."""
PILLOW_COMPRESSIONS = {1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946}
ALPHA, PREMULTIPLIED = (1, 2), 1
"""Kinds of extra samples."""
UNSIGNED, FLOAT = 1, 3
"""Sample formats."""
PILLOW_LAYOUTS = {
    *((kind, (8,) * 3, (), UNSIGNED) for kind in (RGB, YCBCR, LAB)),
    *((PALETTE, (bits,), (), UNSIGNED) for bits in (1, 2, 4, 8)),
    *((BLACK_IS_ZERO, (bits,), (), UNSIGNED) for bits in (1, 8, 16)),
    *((BLACK_IS_ZERO, (8,) * 2, (kind,), UNSIGNED) for kind in ALPHA),
    *((RGB, (8,) * 4, (kind,), UNSIGNED) for kind in ALPHA),
    (BLACK_IS_ZERO, (32,), (), FLOAT),
    (WHITE_IS_ZERO, (1,), (), UNSIGNED),
    (CMYK, (8,) * 4, (), UNSIGNED),
}
"""(photometric interpretation, bits of each sample, extra samples, sample format) of what Pillow reads as it is stored;
it scales 2 and 4 bits, cuts 16-bit colour, and does not invert 16 bits."""
NOT_PAGES = 1 | 4
"""Bits of the subfile type: a reduced copy, a transparency mask."""
MAX_8_BITS = 255
SILENT = logging.NullHandler()
Box = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels, as Pillow's boxes are."""


def open_tiff(stream: BinaryIO) -> ImageReader:
    """Choose the reader of a TIFF file by its tags."""
    try:
        image = open_pillow(stream)
        if isinstance(image, TiffImageFile) and _is_plain(image) and not image.tag_v2.next:
            return PlainTiffReader(image, stream)
    except Exception:
        pass
    stream.seek(0)
    return TiffReader(stream)


def _is_plain(image: TiffImageFile) -> bool:
    """True if Pillow decodes the first page without loss and as it is stored."""
    tags = image.tag_v2
    layout = (
        tags.get(PHOTOMETRIC, 0),
        tuple(tags.get(BITS, (1,))),
        tuple(tags.get(EXTRA_SAMPLES, ())),
        max(tags.get(SAMPLE_FORMAT, (1,))),
    )
    return (
        layout in PILLOW_LAYOUTS
        and (tags.get(SAMPLES, 1) == 1 or tags.get(PLANAR, 1) == 1)
        and tags.get(COMPRESSION, 1) in PILLOW_COMPRESSIONS
        and tags.get(PREDICTOR, 1) in (1, 2)
        and tags.get(ORIENTATION, 1) == 1
        and not str(tags.get(DESCRIPTION, "")).startswith("ImageJ")  # may hide further images
    )


def _parse_nodata(text: Any) -> float | None:
    try:
        return float(str(text).strip("\0 "))
    except ValueError:
        return None


class PlainTiffReader(PillowReader):
    """Reads a file of one page that Pillow decodes as it is stored."""

    def __init__(self, image: TiffImageFile, stream: BinaryIO):
        super().__init__(image, stream)
        self.tags = image.tag_v2
        self.nodata = _parse_nodata(self.tags.get(NODATA))

    def keeps_samples(self) -> bool:
        """True if an image of Pillow's can hold all that the file says."""
        return self.nodata is None

    def read(self, index: int, axis: int | None = None) -> RawImage:
        """Decode the page as it is stored."""
        is_lossy = self.tags.get(COMPRESSION) in LOSSY_COMPRESSIONS
        image = raw_image(self.decode(index, ignore_exif=True), is_lossy)
        return replace(image, nodata=self.nodata, inverted=self.tags.get(PHOTOMETRIC, 0) == WHITE_IS_ZERO)


class TiffReader:
    """Reads the pages of any TIFF file. Closing the stream is the caller's."""

    is_volume = False

    def __init__(self, stream: BinaryIO):
        import tifffile

        logging.getLogger("tifffile").addHandler(SILENT)  # what it logs of broken files, our errors say
        self.file = tifffile.TiffFile(stream)
        self._check_hidden_pages()

    def pages(self, axis: int | None = None) -> list[int]:
        """Return the indices of the pages, without reduced copies and transparency masks."""
        found = [i for i, page in enumerate(self.file.pages) if not page.aspage().subfiletype & NOT_PAGES]
        if len(found) > 1 and axis:
            raise InputError("the pages of a TIFF file lie along axis 0", "layers")
        return found if len(found) > 1 else []

    def _check_hidden_pages(self) -> None:
        if not (self.file.is_imagej or self.file.is_stk) or len(self.file.pages) > 1:
            return
        count = math.prod(self.file.series[0].shape) // math.prod(self.file.pages.first.shape)
        if count > 1:
            raise InputError(f"stores {count} images in one page, as some microscopes do: save one page for each image")

    def size(self, index: int, axis: int | None = None) -> tuple[int, int]:
        """Return (width, height) as stored."""
        page = self._page(index)
        return page.imagewidth, page.imagelength

    def orientation(self, index: int) -> int:
        """Return the orientation, which has EXIF's numbers."""
        return int(self._page(index).tags.valueof(ORIENTATION, 1))

    def read(self, index: int, axis: int | None = None) -> RawImage:
        """Decode a page as it is stored; WhiteIsZero is inverted."""
        page = self._page(index)
        return self._image(page, _in_band_order(page.asarray(), page.axes))

    def read_box(self, index: int, box: Box) -> RawImage | None:
        """Decode the tiles or strips of a page that a box covers, as `read` does; None if it has no such parts."""
        page = self._page(index)
        if page.axes not in ("YX", "YXS") or len(page.dataoffsets) == 1 or page.photometric == LAB:
            return None
        left, top, right, bottom = box
        pixels = np.zeros((bottom - top, right - left, *page.shape[2:]), page.dtype)
        height, width = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
        per_row = -(-page.imagewidth // width)
        for row in range(top // height, -(-bottom // height)):
            for column in range(left // width, -(-right // width)):
                part = self._decode_part(page, row * per_row + column)
                y, x = row * height - top, column * width - left
                inside = part[max(0, -y) : bottom - top - y, max(0, -x) : right - left - x]
                y, x = max(0, y), max(0, x)
                pixels[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
        return self._image(page, pixels)

    def _decode_part(self, page: Any, index: int) -> NDArray[Any]:
        """Return a tile or strip, (h, w) or (h, w, bands); those at the border are cut off there."""
        stream = self.file.filehandle
        stream.seek(page.dataoffsets[index])
        data = stream.read(page.databytecounts[index]) or None
        part, _, shape = page.decode(data, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader)
        if part is None:  # sparse
            return np.zeros((*shape[1:3], *page.shape[2:]), page.dtype)
        cut: NDArray[Any] = part[0, : shape[1], : shape[2]]
        return cut[..., 0] if page.axes == "YX" else cut

    def _image(self, page: Any, pixels: NDArray[Any]) -> RawImage:
        """Return the image of a page's samples (H, W) or (H, W, bands), or of a part of them."""
        bits, photometric = int(page.bitspersample), int(page.photometric)
        nodata = _parse_nodata(page.tags.valueof(NODATA))
        lossy = int(page.compression) in LOSSY_COMPRESSIONS
        if photometric == PALETTE:
            return RawImage(pixels, _palette(page.colormap), nodata=nodata, lossy=lossy)
        colours, alpha = _split_alpha(pixels, [int(kind) for kind in page.extrasamples])
        remark = remark_on_bands(colours.shape[2] if colours.ndim == 3 else 1)
        inverted = photometric == WHITE_IS_ZERO and colours.dtype.kind in "bui"
        if inverted:
            colours = _invert(colours, bits)
            nodata = None if nodata is None else float(_invert(np.array(nodata).astype(pixels.dtype), bits))
            remark = "stored inverted (WhiteIsZero)" if bits > 1 else ""
        elif photometric == CMYK or (photometric == YCBCR and int(page.compression) not in JPEG_COMPRESSIONS):
            colours, bits, remark = _to_rgb(colours, bits, "CMYK" if photometric == CMYK else "YCbCr"), 8, ""
        elif photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, MASK, YCBCR):
            raise InputError(f"holds colours as {page.photometric.name}, which can't be read: save it as RGB")
        return RawImage(colours, None, alpha, nodata, lossy, bits, inverted=inverted, remark=remark)

    def _page(self, index: int) -> Any:
        return self.file.pages[index].aspage()


def _in_band_order(pixels: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return (H, W) or (H, W, bands), whatever the planar configuration."""
    if pixels.dtype.kind == "c":
        raise InputError("holds complex numbers: save their magnitude")
    if axes in ("YX", "YXS"):
        return pixels
    if axes == "SYX":
        return np.moveaxis(pixels, 0, 2)
    raise InputError(f"a page of the axes {axes} is no image: save one page for each image")


def _palette(colours: NDArray[Any]) -> NDArray[np.uint8]:
    """Return (n, 3) of a colour map, (3, n) in 16 bits; some writers use 8 of them only."""
    return (colours if colours.max() <= MAX_8_BITS else colours >> 8).T.astype(np.uint8)


def _split_alpha(pixels: NDArray[Any], extra: list[int]) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
    """Take the opacity, if there is any among the extra bands, out of the others."""
    kinds = [kind in ALPHA for kind in extra]
    if pixels.ndim == 2 or not any(kinds):
        return pixels, None
    at = pixels.shape[2] - len(extra) + kinds.index(True)
    opacity, colours = pixels[..., at], np.delete(pixels, at, axis=2)
    if extra[kinds.index(True)] == PREMULTIPLIED and opacity.dtype.kind == "u":
        full = np.iinfo(opacity.dtype).max
        straight = colours * (full / np.maximum(opacity, 1)[..., None])
        colours = straight.clip(0, full).round().astype(colours.dtype)
    return colours[..., 0] if colours.shape[2] == 1 else colours, visible(opacity)


def _invert(values: NDArray[Any], bits: int) -> NDArray[Any]:
    return values.dtype.type(2**bits - 1) - values if values.dtype.kind == "u" else ~values


def _to_rgb(colours: NDArray[Any], bits: int, mode: str) -> NDArray[np.uint8]:
    samples = np.ascontiguousarray(colours[..., : len(Image.new(mode, (1, 1)).getbands())] >> max(0, bits - 8))
    image = Image.frombytes(mode, (samples.shape[1], samples.shape[0]), samples.astype(np.uint8).tobytes())
    return np.asarray(image.convert("RGB"))
