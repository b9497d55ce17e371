"""Masks as people store them: 0/1, 0/255, bool, palette, class indices, soft edges, or polygons."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..card import IGNORED
from ..errors import InputError
from .image_file import open_image

Kind = Literal["bool", "0/1", "0/255", "soft", "palette", "class indices", "colours", "polygons", "empty"]
LOSSY = {".jfif", ".jpe", ".jpeg", ".jpg", ".webp"}
"""Suffixes of formats whose compression changes pixel values."""
MAX_SPARSE_INDEX = 63
"""Highest class index if most values below it are unused; scattered higher values are grey levels of soft edges."""
MIN_INDEX_FRACTION = 0.02
"""With fewer indices per pixel of value 255, the indices are stray pixels of a 0/255 mask."""
MAX_FEW_LEVELS = 16
"""Up to this many different values are class indices, not grey levels."""

Ring = tuple[tuple[float, float], ...]
"""Corners (x, y) of a closed outline, in pixels."""


@dataclass(frozen=True)
class Polygons:
    """A mask drawn as polygons: per shape its class index (1 or more) and its rings."""

    file: Path
    size: tuple[int, int]
    """Width and height of the annotated image."""
    shapes: tuple[tuple[int, tuple[Ring, ...]], ...]

    def __str__(self) -> str:
        return str(self.file)


@dataclass(frozen=True)
class Mask:
    """A mask as read: (H, W) uint8, grey values if `kind` is "soft" or "0/255", else class indices (255 ignored)."""

    kind: Kind
    values: NDArray[np.uint8]

    def foreground(self) -> NDArray[np.uint8]:
        """Return (H, W) uint8: 255 for the object, 0 elsewhere and where ignored; soft edges stay soft."""
        if self.kind in ("soft", "0/255"):
            return self.values
        return np.where((self.values > 0) & self.known(), np.uint8(255), np.uint8(0))

    def known(self) -> NDArray[np.bool_]:
        """Return (H, W) bool, false for ignored pixels: those of value 255 beside class indices, as in PASCAL VOC."""
        indices = self.kind in ("palette", "class indices") and ((self.values % IGNORED) > 0).any()
        return self.values != IGNORED if indices else np.ones(self.values.shape, bool)


def read_mask(source: Path | Polygons) -> Mask:
    """Read a mask and find out how it is stored.

    Args:
        source: an image file, or polygons, which are drawn at the size of the annotated image.

    Raises:
        InputError: the file is missing, truncated or not an image.
    """
    if isinstance(source, Polygons):
        return Mask("polygons", _rasterise(source))
    image = open_image(source)
    if source.suffix.lower() in LOSSY:
        # Compression scatters small values around 0 and 255, which must not pass for class indices.
        return _classify_grey(np.asarray(image.convert("L")), lossy=True)
    if image.mode == "1":
        return Mask("bool", np.asarray(image).astype(np.uint8))
    if image.mode == "P":
        indices = np.asarray(image)
        grey = _as_grey(np.asarray(image.convert("RGB")))
        # A grey palette is a compressed grey image; a coloured one names classes.
        return Mask("palette", indices) if grey is None else _classify_grey(grey)
    if image.mode.startswith(("I", "F")):
        return _classify_wide(np.asarray(image))
    if "A" in image.getbands():
        alpha = np.asarray(image.getchannel("A"))
        low, high = image.convert("L").getextrema()
        if alpha.min() < 255 and low == high:
            return _classify_grey(alpha)  # one colour throughout: the transparency is the mask
    if image.mode in ("L", "LA"):
        return _classify_grey(np.asarray(image.getchannel(0)))
    colours = np.asarray(image.convert("RGB"))
    grey = _as_grey(colours)
    return Mask("colours", (colours.max(axis=2) > 0).astype(np.uint8)) if grey is None else _classify_grey(grey)


def _as_grey(colours: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Reduce (H, W, 3) to (H, W) if all pixels are grey, up to JPEG's rounding; else return None."""
    spread = colours.max(axis=2).astype(np.int16) - colours.min(axis=2)
    return colours[..., 0].copy() if spread.max(initial=0) <= 3 else None


def _classify_grey(values: NDArray[np.uint8], lossy: bool = False) -> Mask:
    """Decide by the histogram whether (H, W) uint8 values are 0/1, 0/255, class indices or soft edges."""
    counts = np.bincount(values.ravel(), minlength=256)
    present = np.flatnonzero(counts)
    labels = present[present != IGNORED]
    highest = labels.max(initial=0)
    if present.max(initial=0) == 0:
        return Mask("empty", values)
    if highest == 0:
        return Mask("0/255", values)
    if lossy:
        return Mask("soft", values)
    if present.max() == 1:
        return Mask("0/1", values)
    if 255 not in present and (len(present) <= MAX_FEW_LEVELS or len(labels) > 0.9 * highest):
        return Mask("class indices", values)  # a few grey levels, or numbered objects with hardly a gap
    if highest <= MAX_SPARSE_INDEX and counts[1:IGNORED].sum() >= MIN_INDEX_FRACTION * counts[IGNORED]:
        return Mask("class indices", values)
    return Mask("soft", values)


def _classify_wide(values: NDArray[np.generic]) -> Mask:
    """Classify a 16-bit or float mask: numbered objects, or an 8-bit mask on another scale."""
    wide = values.astype(np.float64)
    highest = wide.max(initial=0)
    if highest <= 1:
        return _classify_grey((wide * 255).round().astype(np.uint8))
    if highest <= 255:
        return _classify_grey(wide.astype(np.uint8))
    if highest == 65535:
        return _classify_grey((wide / 257).round().astype(np.uint8))
    return Mask("class indices", np.minimum(wide, 254).astype(np.uint8))


def _rasterise(polygons: Polygons) -> NDArray[np.uint8]:
    canvas = Image.new("L", polygons.size)
    pen = ImageDraw.Draw(canvas)
    for index, rings in polygons.shapes:
        for ring in rings:
            pen.polygon(list(ring), fill=index)
    return np.asarray(canvas)


def class_indices(mask: Mask, classes: int, source: Path | Polygons) -> NDArray[np.uint8]:
    """Return a mask's class indices.

    Args:
        mask: what `read_mask` returned.
        classes: number of classes, including background.
        source: where the mask was read from.

    Returns:
        (H, W) uint8, indices below `classes`, or 255 where ignored.

    Raises:
        InputError: the mask has higher indices, or stores something else (soft edges, colours).
    """
    known = mask.values[mask.values != IGNORED]
    lossy = isinstance(source, Path) and source.suffix.lower() in LOSSY
    if mask.kind == "colours" or (mask.kind == "soft" and (lossy or known.max(initial=0) >= classes)):
        stored = "colours" if mask.kind == "colours" else "grey levels"
        raise InputError(
            f"{source}: a mask of {stored} holds no class indices: store each pixel's class (0, 1, 2, …), or use a "
            "single class",
            "classes",
        )
    if known.max(initial=0) >= classes:
        raise InputError(
            f"{source}: holds class {known.max()}, but there are {classes} classes (0 to {classes - 1}): correct the "
            "mask or the number of classes",
            "classes",
        )
    return mask.values
