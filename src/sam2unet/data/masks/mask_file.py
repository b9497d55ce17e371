"""Masks by their reading: labels, soft edges, and what is ignored."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...card import IGNORED
from ...errors import InputError
from ..sources import MaskSource
from .mask_values import NO_LABEL, MaskReading
from .stored_mask import MaskContent, StoredMask, read_stored
from .value_table import name_value


@dataclass(frozen=True)
class Mask:
    """A mask as read."""

    labels: NDArray[np.uint8]
    """(H, W): 0 background, 1 foreground or class indices, 255 ignored."""
    grey: NDArray[np.uint8] | None = None
    """(H, W): 0 background to 255 foreground, if the mask has soft edges."""

    def foreground(self) -> NDArray[np.uint8]:
        """Return (H, W) uint8: 255 for the object, 0 elsewhere and where ignored; soft edges stay soft."""
        if self.grey is not None:
            return np.where(self.known(), self.grey, np.uint8(0))
        return ((self.labels > 0) & self.known()).view(np.uint8) * np.uint8(255)

    def known(self) -> NDArray[np.bool_]:
        """Return (H, W) bool, false for ignored pixels, which enter no loss and no metric."""
        known: NDArray[np.bool_] = self.labels != IGNORED
        return known


def read_mask(source: MaskSource, reading: MaskReading, classes: int = 1, ignore_exif: bool = False) -> Mask:
    """Read a mask.

    Args:
        source: a file, a page of one, several files, or an annotation, which is drawn at the size of its image.
        reading: what the values mean; see `choose_reading`.
        classes: 1 for foreground against background, else the number of classes, including background.
        ignore_exif: do not turn the mask upright by its EXIF orientation.

    Raises:
        InputError: a file is missing or broken, or holds values that the reading does not list.
    """
    return interpret(read_stored(source, ignore_exif), reading, classes, str(source))


def interpret(stored: StoredMask, reading: MaskReading, classes: int, name: str) -> Mask:
    """Give the values of a stored mask their meaning.

    Args:
        stored: the mask.
        reading: what the values mean.
        classes: see `read_mask`.
        name: of the file, for errors.

    Raises:
        InputError: values that the reading does not list, or class indices of `classes` and more.
    """
    if stored.is_drawn:
        labels = stored.values.astype(np.int16)
        values, is_colour, grey = stored.values, False, None
    else:
        values, is_colour = _channel(stored, reading)
        grey = _soften(values, reading.soft) if reading.soft else None
        labels = reading.labels(values, is_colour, stored.lossy)
        if stored.nodata is not None and reading.channel == "values":
            labels[values == stored.nodata] = reading.nan
    _check_labels(name, values, is_colour, labels, reading, classes)
    return Mask(labels.astype(np.uint8), grey)


def _check_labels(
    name: str, values: NDArray[Any], is_colour: bool, labels: NDArray[np.int16], reading: MaskReading, classes: int
) -> None:
    """Raise InputError about values of a mask that its reading does not list, or class indices that are too high."""
    if reading.other == NO_LABEL and (unlisted := labels == NO_LABEL).any():
        found = ", ".join(name_value(value, is_colour) for value in np.unique(values[unlisted])[:3])
        raise InputError(
            f"{name}: holds {found}, to which {reading} gives no meaning: correct the mask, or list the value",
            "mask_values",
        )
    if classes > 1 and (too_high := labels[(labels >= classes) & (labels != IGNORED)]).size:
        raise InputError(
            f"{name}: holds class {too_high.max()}, but there are {classes} classes (0 to {classes - 1}): correct the "
            "mask or the number of classes",
            "classes",
        )


def _channel(stored: StoredMask, reading: MaskReading) -> tuple[NDArray[Any], bool]:
    """Return the values that a reading is about, and whether they are colours."""
    if reading.channel == "alpha":
        return np.full(stored.values.shape, 255, np.uint8) if stored.alpha is None else stored.alpha, False
    if reading.channel == "indices" and stored.indices is not None:
        return stored.indices, False
    return stored.values, stored.is_colour


def _soften(values: NDArray[Any], full: float) -> NDArray[np.uint8]:
    if values.dtype == np.uint8 and full == 255:
        return values
    grey: NDArray[np.uint8] = (
        np.nan_to_num(values.astype(np.float64) * (255 / full)).clip(0, 255).round().astype(np.uint8)
    )
    return grey


def counted_values(content: MaskContent, reading: MaskReading) -> tuple[NDArray[Any], NDArray[np.int64], bool]:
    """Return the values in a mask that a reading is about, the pixels of each, and whether they are colours."""
    if reading.channel == "alpha" and not content.is_drawn:
        if content.alpha:
            return content.alpha.values, content.alpha.counts, False
        return np.array([255]), np.array([content.size[0] * content.size[1]]), False
    if reading.channel == "indices" and content.palette:
        indices, _, counts = np.array(content.palette).T
        return indices, counts, False
    return content.values, content.counts, content.is_colour


def count_labels(content: MaskContent, reading: MaskReading, classes: int = 1) -> dict[int, int]:
    """Return the pixels of each label in a mask, from the counts of its values.

    Raises:
        InputError: see `interpret`.
    """
    values, counts, is_colour = counted_values(content, reading)
    labels = values.astype(np.int16) if content.is_drawn else reading.labels(values, is_colour, content.lossy)
    _check_labels(content.name, values, is_colour, labels, reading, classes)
    result = {int(label): int(counts[labels == label].sum()) for label in np.unique(labels)}
    if content.missing and reading.channel == "values" and not content.is_drawn:
        result[reading.nan] = result.get(reading.nan, 0) + content.missing
    return result
