"""Arrays that NumPy stored: .npy, and .npz with one array."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from ...errors import InputError
from .image_reader import check_axis
from .raw_image import RawImage

npy: Any = np.lib.format
NPY, NPZ = b"\x93NUMPY", b"PK\x03\x04"
MAX_BANDS = 4


class ArrayReader:
    """Reads an array as an image, or its slices along an axis. Closing the stream is the caller's."""

    is_volume = False

    def __init__(self, stream: BinaryIO):
        self.stream = stream
        with self._open() as content:
            self.shape, self.dtype = _read_header(content)
        if self.dtype.kind not in "biuf":
            raise InputError(f"holds {self.dtype} values, no numbers: save class indices or bool")
        if len(self.shape) not in (2, 3) or 0 in self.shape:
            raise InputError(f"{self._described()} is no image: save (height, width)")
        self.squeezed = tuple(i for i in (0, 2) if len(self.shape) == 3 and self.shape[i] == 1)[:1]
        self.is_colour = len(self.shape) == 3 and self.shape[2] in (3, 4) and self.dtype in (np.uint8, np.uint16)

    def _described(self) -> str:
        return f"an array of shape {self.shape}"

    @contextmanager
    def _open(self) -> Iterator[Any]:
        self.stream.seek(0)
        if self.stream.read(4) != NPZ:
            self.stream.seek(0)
            yield self.stream
            return
        with zipfile.ZipFile(self.stream) as archive:
            names = archive.namelist()
            if len(names) != 1:
                raise InputError(f"holds {len(names)} arrays ({', '.join(names[:3])}): save one a file")
            with archive.open(names[0]) as content:
                yield content

    def pages(self, axis: int | None = None) -> list[int]:
        """Return the indices of the slices along an axis of an array of three dimensions; [] without one."""
        if axis is None or len(self.shape) == 2 or self.squeezed:
            return []
        return list(range(self.shape[check_axis(axis, 3)]))

    def size(self, index: int, axis: int | None = None) -> tuple[int, int]:
        """Return (width, height)."""
        if len(self.shape) == 3:
            shape = np.delete(self.shape, self._axis(axis))
            return int(shape[1]), int(shape[0])
        return self.shape[1], self.shape[0]

    def _axis(self, axis: int | None) -> int:
        """Return the axis that is no height and no width."""
        if axis is not None:
            return check_axis(axis, 3)
        if self.squeezed:
            return self.squeezed[0]
        if self.is_colour:
            return 2
        raise InputError(
            f"{self._described()} is a stack of images or a layer of each class: save class indices, (height, width), "
            "or choose the axis along which the images lie",
            "layers",
        )

    def orientation(self, index: int) -> int:
        """Return 1: arrays have no EXIF orientation."""
        return 1

    def read(self, index: int, axis: int | None = None) -> RawImage:
        """Load an image."""
        with self._open() as content:
            pixels = npy.read_array(content, allow_pickle=False)
        pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        if pixels.ndim == 3 and (axis is not None or not self.is_colour or self.squeezed):
            pixels = np.take(pixels, index, self._axis(axis))
        elif pixels.ndim == 3 and pixels.max() <= 1:
            raise InputError(f"{self._described()} holds a layer of each class: save class indices, (height, width)")
        bits = 1 if pixels.dtype == bool else pixels.dtype.itemsize * 8
        return RawImage(np.ascontiguousarray(pixels), bits=bits)


def _read_header(content: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(content)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(content)
    return shape, dtype
