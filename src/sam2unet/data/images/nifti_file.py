"""Slices of NIfTI volumes, through nibabel."""

import gzip
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from .image_formats import NIFTI, import_reader
from .image_reader import check_axis
from .raw_image import RawImage

GZIP = b"\x1f\x8b"
HEADER = 352
"""Bytes that tell a NIfTI file."""


class NiftiReader:
    """Reads the slices of a volume as they are stored. Closing the stream is the caller's.

    A slice along an axis shows the later of the other two axes downwards and the earlier to the right; nothing is
    flipped. Of an (X, Y, Z) volume, slices along axis 2 have rows Y and columns X. Image and mask agree if their
    files have the same orientation: compare `axis_codes`.
    """

    def __init__(self, stream: BinaryIO):
        nibabel = import_reader(NIFTI)
        stream.seek(0)
        self.stream, self.is_compressed = stream, stream.read(2) == GZIP
        stream.seek(0)
        content: Any = gzip.GzipFile(fileobj=stream) if self.is_compressed else stream
        version = nibabel.Nifti2Image if _head(content)[4:6] == b"n+" else nibabel.Nifti1Image
        content.seek(0)
        self.image: Any = version.from_stream(content)
        shape = self.image.shape
        while len(shape) > 2 and shape[-1] == 1:
            shape = shape[:-1]
        if len(shape) > 3:
            raise InputError(f"has the shape {'x'.join(map(str, shape))}: save one volume, of three dimensions, a file")
        self.shape = shape
        self.is_volume = len(shape) == 3

    def pages(self, axis: int | None = None) -> list[int]:
        """Return the indices of the slices along an axis, by default the last."""
        return list(range(self.shape[self._axis(axis)])) if self.is_volume else []

    def _axis(self, axis: int | None) -> int:
        return 2 if axis is None else check_axis(axis, 3)

    def size(self, index: int, axis: int | None = None) -> tuple[int, int]:
        """Return (width, height)."""
        width, height = np.delete(self.shape, self._axis(axis)) if self.is_volume else self.shape
        return int(width), int(height)

    def orientation(self, index: int) -> int:
        """Return 1: NIfTI has no EXIF orientation."""
        return 1

    def axis_codes(self) -> str:
        """Return where the axes point, such as "RAS"."""
        return "".join(code or "?" for code in import_reader(NIFTI).aff2axcodes(self.image.affine))

    def read(self, index: int, axis: int | None = None) -> RawImage:
        """Decode a slice; its values are scaled if the header says so."""
        proxy = self.image.dataobj
        position = [slice(None)] * 2 if not self.is_volume else [slice(None)] * 3
        if self.is_volume:
            position[self._axis(axis)] = index  # type: ignore[call-overload]
        position += [0] * (len(self.image.shape) - len(position))  # type: ignore[list-item]
        pixels = self._values(proxy)[tuple(position)].T
        if pixels.dtype.names:  # RGB and RGBA
            pixels = np.stack([pixels[name] for name in "RGB"], axis=-1)
        elif (proxy.slope, proxy.inter) != (1, 0):
            pixels = pixels * proxy.slope + proxy.inter
        pixels = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("="), copy=False))
        return RawImage(pixels, bits=pixels.dtype.itemsize * 8)

    def _values(self, proxy: Any) -> Any:
        """Return the stored values: mapped into memory, or decompressed once for all slices."""
        name = getattr(self.stream, "name", None)
        if not self.is_compressed or not isinstance(name, str):
            return proxy.get_unscaled()
        status = os.fstat(self.stream.fileno())
        return _decompress(name, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1)  # the slices of a volume are read one after the other
def _decompress(file: str, _modified: int, _size: int) -> NDArray[Any]:
    with Path(file).open("rb") as stream:
        values: NDArray[Any] = NiftiReader(stream).image.dataobj.get_unscaled()
        return values


def _head(content: Any) -> bytes:
    return bytes(content.read(HEADER))


def is_nifti(stream: BinaryIO, head: bytes) -> bool:
    """True if a file begins like a NIfTI volume, compressed or not."""
    if head[:2] == GZIP:
        try:
            head = _head(gzip.GzipFile(fileobj=stream))
        except (OSError, EOFError):
            return False
        finally:
            stream.seek(0)
    return head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0"
