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
HIGHEST_INDEX = 63  # above it, scattered grey values are soft edges; 255 in an index mask is "ignored"
STRAY = 0.02  # indices that are fewer than this share of the 255s are stray pixels of a 0/255 mask


@dataclass(frozen=True)
class Polygons:
    """A mask drawn as polygons: per shape its class index (1 or more) and its rings of (x, y) pixel coordinates."""

    file: Path
    size: tuple[int, int]
    """Width and height of the picture that was annotated."""
    shapes: tuple[tuple[int, tuple[tuple[tuple[float, float], ...], ...]], ...]

    def __str__(self) -> str:
        return str(self.file)


@dataclass(frozen=True)
class Mask:
    """A mask as read: (H, W) uint8, grey values if `kind` is "soft" or "0/255", else class indices (255 ignored)."""

    kind: Kind
    values: NDArray[np.uint8]

    def foreground(self) -> NDArray[np.uint8]:
        """(H, W) uint8, 255 where the object is and 0 elsewhere; soft edges stay soft, ignored pixels are 0."""
        if self.kind in ("soft", "0/255"):
            return self.values
        return np.where((self.values > 0) & self.known(), np.uint8(255), np.uint8(0))

    def known(self) -> NDArray[np.bool_]:
        """(H, W), false where pixels are ignored: 255 beside indices, as in PASCAL VOC."""
        indices = self.kind in ("palette", "class indices") and ((self.values % IGNORED) > 0).any()
        return self.values != IGNORED if indices else np.ones(self.values.shape, bool)


def read_mask(source: Path | Polygons) -> Mask:
    """Read a mask and tell its kind apart.

    Raises:
        InputError: missing, truncated, or no picture.
    """
    if isinstance(source, Polygons):
        return Mask("polygons", _draw(source))
    picture = open_image(source)
    if source.suffix.lower() in LOSSY:
        # Compression scatters small values around 0 and 255, which must not pass for class indices.
        return _tell_apart(np.asarray(picture.convert("L")), lossy=True)
    if picture.mode == "1":
        return Mask("bool", np.asarray(picture).astype(np.uint8))
    if picture.mode == "P":
        indices = np.asarray(picture)
        grey = _grey(np.asarray(picture.convert("RGB")))
        # A grey palette is a compressed grey picture; a coloured one names classes.
        return Mask("palette", indices) if grey is None else _tell_apart(grey)
    if picture.mode.startswith(("I", "F")):
        return _tell_wide_apart(np.asarray(picture))
    if "A" in picture.getbands():
        alpha = np.asarray(picture.getchannel("A"))
        if alpha.min() < 255 and picture.convert("L").getextrema()[0] == picture.convert("L").getextrema()[1]:
            return _tell_apart(alpha)  # one colour throughout: the transparency is the mask
    if picture.mode in ("L", "LA"):
        return _tell_apart(np.asarray(picture.getchannel(0)))
    colours = np.asarray(picture.convert("RGB"))
    grey = _grey(colours)
    return Mask("colours", (colours.max(axis=2) > 0).astype(np.uint8)) if grey is None else _tell_apart(grey)


def _grey(colours: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """(H, W) if the picture (H, W, 3) has no colour (but for JPEG's rounding), else None."""
    spread = colours.max(axis=2).astype(np.int16) - colours.min(axis=2)
    return colours[..., 0].copy() if spread.max(initial=0) <= 3 else None


def _tell_apart(values: NDArray[np.uint8], lossy: bool = False) -> Mask:
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
    if 255 not in present and (len(present) <= 16 or len(labels) > 0.9 * highest):
        return Mask("class indices", values)  # a few grey levels, or numbered objects with hardly a gap
    if highest <= HIGHEST_INDEX and counts[1:IGNORED].sum() >= STRAY * counts[IGNORED]:
        return Mask("class indices", values)
    return Mask("soft", values)


def _tell_wide_apart(values: NDArray[np.generic]) -> Mask:
    """16-bit and float masks: numbered objects, or the same as 8 bits on a longer scale."""
    wide = values.astype(np.float64)
    highest = wide.max(initial=0)
    if highest <= 1:
        return _tell_apart((wide * 255).round().astype(np.uint8))
    if highest <= 255:
        return _tell_apart(wide.astype(np.uint8))
    if highest == 65535:
        return _tell_apart((wide / 257).round().astype(np.uint8))
    return Mask("class indices", np.minimum(wide, 254).astype(np.uint8))


def _draw(polygons: Polygons) -> NDArray[np.uint8]:
    canvas = Image.new("L", polygons.size)
    pen = ImageDraw.Draw(canvas)
    for index, rings in polygons.shapes:
        for ring in rings:
            pen.polygon(list(ring), fill=index)
    return np.asarray(canvas)


def class_indices(mask: Mask, classes: int, source: Path | Polygons) -> NDArray[np.uint8]:
    """(H, W) uint8 indices below `classes`, or 255 where ignored.

    Raises:
        InputError: the mask has higher indices, or holds no indices (soft edges, colours).
    """
    known = mask.values[mask.values != IGNORED]
    lossy = isinstance(source, Path) and source.suffix.lower() in LOSSY
    if mask.kind == "colours" or (mask.kind == "soft" and (lossy or known.max(initial=0) >= classes)):
        raise InputError(
            f"{source}: a mask of {mask.kind} holds no class indices; store each pixel's class (0, 1, 2, …), "
            "or use classes 1"
        )
    if known.max(initial=0) >= classes:
        raise InputError(f"{source}: holds class {known.max()}, but there are {classes} classes (0 to {classes - 1})")
    return mask.values
