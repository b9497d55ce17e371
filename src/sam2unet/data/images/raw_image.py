"""An image as its file stores it, and the 8-bit RGB image that a viewer would show of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CHUNK = 1 << 18
"""Pixels converted at a time: a whole image in float64 takes eight bytes a pixel."""
UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a.swapaxes(0, 1), 2),
    8: np.rot90,
}
"""EXIF orientation -> what turns the stored pixels upright."""


@dataclass(frozen=True)
class RawImage:
    """An image as its file stores it: nothing scaled, nothing converted; 0 is black (see `inverted`)."""

    pixels: NDArray[Any]
    """(H, W), or (H, W, C) with all bands; bool, integers or floats as in the file. With a palette, its indices."""
    palette: NDArray[np.uint8] | None = None
    """(n, 3): RGB of each index."""
    alpha: NDArray[np.uint8] | None = None
    """(H, W), also from a transparent colour or index; None if the image is opaque everywhere."""
    nodata: float | None = None
    """The value that the file itself declares to be no data."""
    lossy: bool = False
    """Stored with lossy compression, such as JPEG, which changes values."""
    bits: int = 8
    """Bits of a sample that the file declares, such as 12 in uint16."""
    window: tuple[float, float] | None = None
    """The values that the file asks viewers to show as black and white."""
    inverted: bool = False
    """Stored with 0 as white (TIFF's WhiteIsZero, DICOM's MONOCHROME1); `pixels` are as shown, 0 is black."""
    remark: str = ""
    """What a viewer of the RGB image doesn't see, such as "8 bands; the first three are shown"."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def upright(self, orientation: int) -> "RawImage":
        """Return the image turned by an EXIF orientation, 1 to 8."""
        turn = UPRIGHT.get(orientation)
        if turn is None:
            return self
        return replace(self, pixels=turn(self.pixels), alpha=None if self.alpha is None else turn(self.alpha))

    @property
    def is_scaled_by_type(self) -> bool:
        """True if its type's range, not its own, becomes black to white, so that it may look dark."""
        return self.pixels.dtype.kind in "bu" and self.bits <= 16 and self.window is None

    def value_range(self) -> tuple[float, float, int] | None:
        """Return (lowest value, highest value, bits) of the bands that are shown, without NaN, infinity and no data.

        None for an image of 8 bits or fewer.
        """
        if self.bits <= 8:
            return None
        low, high = np.inf, -np.inf
        for values, valid in self._chunks():
            kept = values if valid is None else values[valid]
            if kept.size:
                low, high = min(low, float(kept.min())), max(high, float(kept.max()))
        return (low, high, self.bits) if low <= high else (0.0, 0.0, self.bits)

    def to_rgb(self, normalise_range: bool = False) -> Image.Image:
        """Return the image as 8-bit RGB, see `read_image`; transparent pixels are white, those without data black."""
        if self.palette is not None:
            colours = Image.fromarray(self.palette[np.minimum(self.pixels, len(self.palette) - 1)])
        else:
            colours = Image.fromarray(self._to_8_bits(normalise_range)).convert("RGB")
        if self.alpha is None:
            return colours
        white = Image.new("RGB", self.size, "white")
        return Image.composite(colours, white, Image.fromarray(np.ascontiguousarray(self.alpha)))

    def _shown(self) -> NDArray[Any]:
        """Return the bands that are shown: the first three, or the first of fewer."""
        if self.pixels.ndim == 2:
            return self.pixels
        return self.pixels[..., :3] if self.pixels.shape[2] >= 3 else self.pixels[..., 0]

    def _chunks(self) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_] | None]]:
        """Yield rows of the bands that are shown, and where they are valid (None: everywhere)."""
        shown = self._shown()
        rows = max(1, CHUNK // max(1, shown[0].size))
        for top in range(0, len(shown), rows):
            values = shown[top : top + rows]
            valid = np.isfinite(values) if values.dtype.kind == "f" else None
            if self.nodata is not None:
                with_data = values != values.dtype.type(self.nodata) if _holds(values.dtype, self.nodata) else None
                valid = with_data if valid is None else valid if with_data is None else valid & with_data
            yield values, valid

    def _black_and_white(self, normalise_range: bool) -> tuple[float, float]:
        own = self.value_range() if normalise_range else None
        if own is None and self.window is not None:
            return self.window
        if own is None and self.is_scaled_by_type:
            return 0.0, 2.0**self.bits - 1
        low, high, _ = own or self.value_range() or (float(self.pixels.min()), float(self.pixels.max()), 0)
        return low, high

    def _to_8_bits(self, normalise_range: bool) -> NDArray[np.uint8]:
        low, high = self._black_and_white(normalise_range)
        if self.pixels.dtype == np.uint8 and (low, high) == (0, 255):
            return np.ascontiguousarray(self._shown())
        factor = 255 / (high - low) if high > low else 0.0
        result = np.empty(self._shown().shape, np.uint8)
        top = 0
        for values, valid in self._chunks():
            wide = values.astype(np.float64)
            if valid is not None:
                wide[~valid] = low
            wide = (wide - low) * factor
            result[top : top + len(values)] = wide.clip(0, 255).round()
            top += len(values)
        return result


def _holds(dtype: np.dtype[Any], value: float) -> bool:
    """True if a dtype can store a value; a nodata value outside it marks no pixel."""
    if dtype.kind == "f":
        return True
    if dtype.kind not in "ui" or not float(value).is_integer():
        return False
    return bool(np.iinfo(dtype).min <= value <= np.iinfo(dtype).max)


def visible(alpha: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Return (H, W) opacity of any dtype as 0 to 255; None if all of it is opaque."""
    if alpha.dtype.kind == "f":
        alpha = (np.nan_to_num(alpha).clip(0, 1) * 255).round()
    elif alpha.dtype != np.uint8:
        alpha = (alpha.astype(np.float64) * (255 / np.iinfo(alpha.dtype).max)).round()
    return None if alpha.min(initial=255) == 255 else alpha.astype(np.uint8)


def remark_on_bands(bands: int) -> str:
    """Return a remark if an image has bands that are not shown."""
    if bands in (1, 3):
        return ""
    return f"{bands} bands; the first is shown" if bands == 2 else f"{bands} bands; the first three are shown"
