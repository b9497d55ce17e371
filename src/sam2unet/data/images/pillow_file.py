"""Images that Pillow opens, also those whose samples it would cut to 8 bits."""

import re
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from .bomb_check import without_bomb_check
from .raw_image import RawImage, remark_on_bands, visible

MULTI_FRAME_FORMATS = {"AVIF", "GIF", "PNG", "WEBP"}
"""Formats whose further images are frames of an animation; elsewhere they are previews or layers."""
LOSSY_FORMATS = {"AVIF", "HEIF", "JPEG", "MPO"}
JPEG2000_BITS = 42  # byte of a JPEG 2000 codestream that holds the first component's bits less 1
PNG_ORIENTATION = re.compile(rb"eXIf|profile type exif|Orientation")
"""What a PNG file with an orientation contains, perhaps behind its pixels."""
MIN_SHRUNK = 64
"""Shortest side of a JPEG file that is decoded at a fraction of its size."""


class PillowReader:
    """Reads an open Pillow image. Closing the stream is the caller's."""

    is_volume = False

    def __init__(self, image: Image.Image, stream: BinaryIO):
        self.image, self.stream = image, stream

    def pages(self, axis: int | None = None) -> list[int]:
        """Return the indices of an animation's frames."""
        count = _frame_count(self.image) if self.image.format in MULTI_FRAME_FORMATS else 1
        return list(range(count)) if count > 1 else []

    def size(self, index: int, axis: int | None = None) -> tuple[int, int]:
        """Return (width, height) as stored."""
        if self.image.tell() != index:
            _seek(self.image, index)
        return self.image.size

    def orientation(self, index: int) -> int:
        """Return the EXIF orientation, of PNG without decoding it if its bytes show that there is none."""
        if self.image.format == "PNG" and "exif" not in self.image.info:
            position = self.stream.tell()
            self.stream.seek(0)
            found = PNG_ORIENTATION.search(self.stream.read())
            self.stream.seek(position)
            if not found:
                return 1
        return int(self.image.getexif().get(ExifTags.Base.Orientation, 1))

    def decode(self, index: int, ignore_exif: bool = False) -> Image.Image:
        """Decode an image in Pillow's mode for it, upright unless `ignore_exif`."""
        if self.image.tell() != index:
            _seek(self.image, index)
        _load(self.image)
        if ignore_exif or self.image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
            return self.image  # exif_transpose would copy it, and a slide takes gigabytes
        upright: Image.Image = ImageOps.exif_transpose(self.image)
        return upright

    def shrink(self) -> None:
        """Let a JPEG file be decoded at a fraction of its size, which is faster but still reads all of it."""
        self.image.draft(None, (MIN_SHRUNK, MIN_SHRUNK))

    def keeps_samples(self) -> bool:
        """True if Pillow decodes the samples as they are stored; else `read` finds another way."""
        image = self.image
        if image.format == "PNG":
            return image.mode.startswith("I") or not str(_tile(image)[3]).endswith("16B")
        if image.format == "PPM":
            return image.mode == "1" or (image.mode != "I" and not _tile(image)[0].startswith("ppm"))
        return image.format != "JPEG2000" or self._jpeg2000_bits() == 8

    def read(self, index: int, axis: int | None = None) -> RawImage:
        """Decode an image as it is stored."""
        if not self.keeps_samples() and index == 0:
            return self._read_samples()
        return raw_image(self.decode(index, ignore_exif=True), self._is_lossy())

    def _read_samples(self) -> RawImage:
        if self.image.format == "PPM":
            return self._read_netpbm()
        import imagecodecs

        self.stream.seek(0)
        data = self.stream.read()
        if self.image.format == "PNG":
            return from_bands(imagecodecs.png_decode(data), has_alpha="A" in self.image.getbands(), bits=16)
        pixels = imagecodecs.jpeg2k_decode(data)
        return from_bands(pixels, "A" in self.image.getbands(), self._jpeg2000_bits(), self._is_lossy())

    def _read_netpbm(self) -> RawImage:
        """Undo Pillow's scaling: it maps the file's own highest value to 255 or 65535."""
        _, _, offset, coding = _tile(self.image)
        highest, bands = (coding[1] if isinstance(coding, tuple) else 65535), len(self.image.getbands())
        if _tile(self.image)[0] == "ppm_plain":
            full = 65535 if self.image.mode == "I" else 255
            pixels = np.rint(np.asarray(self.decode(0)) * (highest / full))
        else:
            dtype = np.dtype(">u2" if highest > 255 else "u1")
            count = self.image.width * self.image.height * bands
            self.stream.seek(offset)
            samples = np.frombuffer(self.stream.read(count * dtype.itemsize), dtype, count)
            pixels = samples.reshape(self.image.height, self.image.width, bands)
        pixels = pixels.squeeze(2) if pixels.ndim == 3 and bands == 1 else pixels
        dtype = np.dtype(np.uint16 if highest > 255 else np.uint8)
        return RawImage(pixels.astype(dtype), bits=int(highest).bit_length(), window=(0, highest))

    def _jpeg2000_bits(self) -> int:
        position = self.stream.tell()
        self.stream.seek(0)
        data = self.stream.read(1 << 16)
        self.stream.seek(position)
        start = data.find(b"\xff\x4f\xff\x51")
        return (data[start + JPEG2000_BITS] & 127) + 1 if 0 <= start < len(data) - JPEG2000_BITS else 8

    def _is_lossy(self) -> bool:
        if self.image.format not in ("WEBP", "JPEG2000"):
            return self.image.format in LOSSY_FORMATS
        self.stream.seek(0)
        data = self.stream.read()
        if self.image.format == "WEBP":
            found = re.search(rb"VP8([ L])", data)
            return found is None or found[1] == b" "
        coding = re.search(rb"\xff\x52.{11}(.)", data, re.DOTALL)  # its transform: 0 is the irreversible one
        return coding is None or coding[1] == b"\0"


def raw_image(image: Image.Image, lossy: bool = False) -> RawImage:
    """Return a decoded Pillow image's samples."""
    alpha = visible(_alpha(image)) if _has_alpha(image) else None
    mode = image.mode
    if mode in ("P", "PA"):
        palette = np.array(image.getpalette(), np.uint8).reshape(-1, 3)
        return RawImage(np.asarray(image if mode == "P" else image.getchannel("P")), palette, alpha, lossy=lossy)
    if mode.startswith(("I", "F")):
        pixels = np.asarray(image)
        pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        return RawImage(pixels, alpha=alpha, lossy=lossy, bits=pixels.dtype.itemsize * 8)
    if mode in ("LA", "La"):
        return RawImage(np.asarray(image.convert("LA").getchannel("L")), alpha=alpha, lossy=lossy)
    if mode == "1":
        return RawImage(np.asarray(image), alpha=alpha, lossy=lossy, bits=1)
    return RawImage(np.asarray(image if mode in ("L", "RGB") else image.convert("RGB")), alpha=alpha, lossy=lossy)


def from_bands(pixels: NDArray[Any], has_alpha: bool, bits: int, lossy: bool = False) -> RawImage:
    """Return the image of (H, W) or (H, W, C) samples, of which the last band may be opacity."""
    alpha = visible(pixels[..., -1]) if has_alpha else None
    colours = pixels[..., :-1] if has_alpha else pixels
    bands = colours.shape[2] if colours.ndim == 3 else 1
    if colours.ndim == 3 and bands == 1:
        colours = colours[..., 0]
    return RawImage(colours, alpha=alpha, bits=bits, lossy=lossy, remark=remark_on_bands(bands))


def _has_alpha(image: Image.Image) -> bool:
    bands = image.getbands()
    return "A" in bands or "a" in bands or "transparency" in image.info


def _alpha(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I"):  # its transparent value
        return np.where(np.asarray(image) == image.info["transparency"], np.uint8(0), np.uint8(255))
    return np.asarray(image.convert("RGBA").getchannel("A"))


def _tile(image: Image.Image) -> tuple[str, Any, int, Any]:
    """Return (decoder, extents, offset, arguments of the decoder, with the raw mode first) of an image's first tile."""
    tiles: Any = getattr(image, "tile", None)
    return tuple(tiles[0]) if tiles else ("", None, 0, "")


# Pillow checks for decompression bombs in each of these steps; our limit is `max_pixels`.


@without_bomb_check()
def open_pillow(stream: BinaryIO) -> Image.Image:
    """Open an image without decoding it."""
    return Image.open(stream)


@without_bomb_check()
def open_heif(stream: BinaryIO, package: Any) -> Image.Image:
    """Open an HEIC image without decoding it, and without telling Pillow about the format."""
    image: Image.Image = package.HeifImageFile(stream)
    return image


@without_bomb_check()
def _frame_count(image: Image.Image) -> int:
    return int(getattr(image, "n_frames", 1))


@without_bomb_check()
def _seek(image: Image.Image, index: int) -> None:
    image.seek(index)


@without_bomb_check()
def _load(image: Image.Image) -> None:
    image.load()
