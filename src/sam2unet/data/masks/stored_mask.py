"""A mask as it is stored, before anybody says what its values mean, and the counts of its values."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import InputError
from ..annotations import Annotation
from ..images.image_file import read_raw
from ..images.raw_image import RawImage
from ..sources import MaskParts, MaskSource

MAX_GREY_SPREAD = 3
"""Largest difference between red, green and blue of a grey pixel: JPEG rounds."""
MAX_COLOURS = 256
"""With more, an image's colours are counted in coarse steps."""
COARSE = 17
"""Step of the coarse count: 16 levels of red, green and blue each."""


@dataclass(frozen=True)
class StoredMask:
    """A mask as stored."""

    values: NDArray[Any]
    """(H, W): grey values of the file's type, or 0xRRGGBB as uint32."""
    is_colour: bool = False
    is_bool: bool = False
    """Stored with one bit a pixel; the values are 0 and 1."""
    is_drawn: bool = False
    """The values are labels already, from annotations or from one file per class."""
    lossy: bool = False
    nodata: float | None = None
    """The value that the file declares as no data."""
    alpha: NDArray[np.uint8] | None = None
    """(H, W), if anything is transparent."""
    indices: NDArray[np.uint8] | None = None
    """(H, W), of a palette."""
    inverted: bool = False
    """A TIFF file in which 0 is white: values are as a viewer shows them, not as stored."""


def read_stored(source: MaskSource, ignore_exif: bool = False) -> StoredMask:
    """Read a mask as stored.

    Args:
        source: a file, a page of one, several files, which are united, or an annotation, which is drawn.
        ignore_exif: do not turn the mask upright by its EXIF orientation.

    Raises:
        InputError: a file is missing, broken or not an image.
    """
    if isinstance(source, Annotation):
        return StoredMask(source.draw(), is_drawn=True)
    if isinstance(source, MaskParts):
        return _unite([read_stored(file, ignore_exif) for file in source.files], source)
    return _from_raw(read_raw(source, ignore_exif=ignore_exif))


def _from_raw(raw: RawImage) -> StoredMask:
    values = raw.pixels
    indices = None
    if raw.palette is not None:
        indices = values.astype(np.uint8)
        values = raw.palette[np.minimum(indices, len(raw.palette) - 1)]
    is_colour = values.ndim == 3 and values.shape[2] >= 3
    if values.ndim == 3:
        values = _to_grey_or_colour(values)
        is_colour = is_colour and values.dtype == np.uint32
    is_bool = values.dtype == bool
    if is_bool:
        values = values.astype(np.uint8)
    return StoredMask(values, is_colour, is_bool, False, raw.lossy, raw.nodata, raw.alpha, indices, raw.inverted)


def _to_grey_or_colour(values: NDArray[Any]) -> NDArray[Any]:
    """Reduce (H, W, C) to (H, W): grey values if all pixels are grey, else 0xRRGGBB as uint32."""
    if values.shape[2] < 3:
        first: NDArray[Any] = values[..., 0]
        return first
    red, green, blue = (values[..., channel] for channel in range(3))
    highest = np.maximum(np.maximum(red, green), blue)
    if (highest - np.minimum(np.minimum(red, green), blue)).max(initial=0) <= MAX_GREY_SPREAD:
        grey: NDArray[Any] = np.ascontiguousarray(red)
        return grey
    if values.dtype != np.uint8:  # 16 bits: the colours that name classes fit into 8
        red, green, blue = ((channel >> 8).astype(np.uint8) for channel in (red, green, blue))
    packed: NDArray[Any] = red.astype(np.uint32) << 16 | green.astype(np.uint32) << 8 | blue
    return packed


def _unite(parts: list[StoredMask], source: MaskParts) -> StoredMask:
    """Join masks of one image: the highest value of each pixel, or each part's label where it is not 0."""
    for file, part in zip(source.files, parts, strict=True):
        if part.values.shape != parts[0].values.shape:
            (h, w), (first_h, first_w) = part.values.shape, parts[0].values.shape
            raise InputError(
                f"{file} is {w}x{h}, but {source.files[0]}, of the same image, is {first_w}x{first_h}: export both at "
                "the same size"
            )
    for file, part in zip(source.files, parts, strict=True):
        if part.alpha is not None and not _transparency(part, part.alpha).is_redundant:
            raise InputError(
                f"{file}: is partly transparent, but parts of a mask are joined by their values: save it without "
                "transparency"
            )
    if set(source.labels) == {1} and not any(part.is_colour for part in parts):
        joined = parts[0].values
        for part in parts[1:]:
            joined = np.maximum(joined, part.values)
        first = parts[0]
        return replace(first, values=joined, lossy=any(part.lossy for part in parts), alpha=None, indices=None)
    labels = np.zeros(parts[0].values.shape, np.uint8)
    for part, label in zip(parts, source.labels, strict=True):
        labels[part.values > (127 if part.lossy else 0)] = label
    return StoredMask(labels, is_drawn=True)


@dataclass(frozen=True)
class Transparency:
    """What a mask's transparency tells."""

    values: NDArray[np.uint8]
    counts: NDArray[np.int64]
    is_mask: bool
    """What is opaque has a single colour, so that only the transparency distinguishes an object."""
    is_redundant: bool
    """Exactly the opaque pixels are neither 0 nor black."""


@dataclass(frozen=True)
class MaskContent:
    """The counts of a mask's values; from these everything but its outline is known."""

    name: str
    size: tuple[int, int]
    """Width and height."""
    values: NDArray[Any]
    """Different values in ascending order; colours as 0xRRGGBB, in coarse steps if there are many."""
    counts: NDArray[np.int64]
    """Pixels of each value."""
    missing: int = 0
    """Pixels that are not a number, or no data."""
    is_colour: bool = False
    is_drawn: bool = False
    lossy: bool = False
    alpha: Transparency | None = None
    palette: tuple[tuple[int, int, int], ...] = ()
    """(index, colour, pixels) of a palette's indices that occur."""
    inverted: bool = False
    """See `StoredMask`."""
    is_coarse: bool = False
    """Colours are counted in coarse steps, since there are many."""
    flat: int = 0
    """Pixels of grey masks between the lowest and the highest value that are like a neighbour in both directions."""


def count_values(source: MaskSource, stored: StoredMask) -> MaskContent:
    """Count the values of a stored mask."""
    values, missing = stored.values, 0
    if values.dtype.kind == "f" or stored.nodata is not None:
        valid = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
        if stored.nodata is not None:
            valid &= values != stored.nodata
        missing, values = int((~valid).sum()), values[valid]
    present, counts = _unique(values)
    is_coarse = stored.is_colour and len(present) > MAX_COLOURS
    if is_coarse:
        present, counts = merge_colours(present, counts)
    height, width = stored.values.shape
    palette = _used_palette(stored) if stored.indices is not None else ()
    alpha = None if stored.alpha is None else _transparency(stored, stored.alpha)
    return MaskContent(
        str(source), (width, height), present, counts, missing, stored.is_colour, stored.is_drawn, stored.lossy, alpha,
        palette, stored.inverted, is_coarse, _count_flat(stored.values, present) if not stored.is_colour else 0,
    )  # fmt: skip


def _count_flat(values: NDArray[Any], present: NDArray[Any]) -> int:
    """Count the pixels inside areas of one value, as objects with numbers have them and grey levels do not."""
    if len(present) <= 2:
        return 0
    across, down = values[:, 1:] == values[:, :-1], values[1:] == values[:-1]
    like_across, like_down = np.zeros(values.shape, bool), np.zeros(values.shape, bool)
    like_across[:, 1:], like_down[1:] = across, down
    like_across[:, :-1] |= across
    like_down[:-1] |= down
    return int((like_across & like_down & (values > present[0]) & (values < present[-1])).sum())


def _unique(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    if values.dtype == np.uint8 and values.size:  # much faster than sorting; most masks hold two values
        both = np.unique([values.min(), values.max()])
        counts = np.array([np.count_nonzero(values == value) for value in both], np.int64)
        if counts.sum() == values.size:
            return both, counts
        counts = np.array(Image.fromarray(np.atleast_2d(values)).histogram(), np.int64)
        present = np.flatnonzero(counts)
        return present, counts[present]
    present, counts = np.unique(values, return_counts=True)
    return present, counts.astype(np.int64)


def merge_colours(colours: NDArray[Any], counts: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return colours (0xRRGGBB) rounded to coarse steps, and the counts of each."""
    channels = [(colours.astype(np.int64) >> shift & 255) for shift in (16, 8, 0)]
    red, green, blue = ((channel + COARSE // 2) // COARSE * COARSE for channel in channels)
    coarse, where = np.unique(red << 16 | green << 8 | blue, return_inverse=True)
    return coarse, np.bincount(where, weights=counts).astype(np.int64)


def _used_palette(stored: StoredMask) -> tuple[tuple[int, int, int], ...]:
    assert stored.indices is not None
    factor = 1 if stored.is_colour else 0x010101
    keys = stored.indices.astype(np.int64) << 24 | stored.values.astype(np.int64) * factor
    used, counts = np.unique(keys, return_counts=True)
    return tuple((int(key >> 24), int(key & 0xFFFFFF), int(n)) for key, n in zip(used, counts, strict=True))


def _transparency(stored: StoredMask, alpha: NDArray[np.uint8]) -> Transparency:
    present, counts = _unique(alpha)
    opaque = alpha > alpha.max(initial=0) / 2
    inside = stored.values[opaque]
    is_mask = inside.size == 0 or bool((inside == inside.flat[0]).all())
    is_redundant = bool(((stored.values != 0) == opaque).all())
    return Transparency(present.astype(np.uint8), counts, is_mask, is_redundant)
