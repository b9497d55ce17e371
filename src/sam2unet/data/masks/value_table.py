"""The values in a set of masks: how many pixels and masks hold each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from .mask_values import MaskReading, parse_mask_values
from .stored_mask import MaskContent

MAX_SHOWN = 6
"""Values shown in a message."""
MAX_EXACT = 2**53
"""Integers below it have all their digits in float64."""


class ValueTable:
    """The values in some masks, in ascending order, and the number of pixels of each."""

    def __init__(self, contents: Sequence[MaskContent]):
        self.contents = contents
        values = np.concatenate([content.values.astype(np.float64) for content in contents] or [np.zeros(0)])
        pixels = np.concatenate([content.counts for content in contents] or [np.zeros(0, np.int64)])
        self.values, where = np.unique(values, return_inverse=True)
        self.pixels = np.bincount(where, weights=pixels, minlength=len(self.values))

    def without(self, *values: float) -> NDArray[np.float64]:
        """Return the other values."""
        return self.values[~np.isin(self.values, values)]

    def pixels_of(self, values: Any) -> float:
        """Return the number of pixels of some values together."""
        return float(self.pixels[np.isin(self.values, values)].sum())

    def describe(self, is_colour: bool = False) -> str:
        """Name the most frequent values and their shares."""
        order = np.argsort(-self.pixels, kind="stable")
        missing = sum(content.missing for content in self.contents)
        total = max(1.0, self.pixels.sum() + missing)
        names = [
            f"{name_value(self.values[i], is_colour)} ({self.pixels[i] / total:.1%})" for i in sorted(order[:MAX_SHOWN])
        ]
        shown = ", ".join(names) + (f" and {len(order) - MAX_SHOWN} more" if len(order) > MAX_SHOWN else "")
        return shown + (f", no data ({missing / total:.1%})" if missing else "")

    def flatness(self) -> float:
        """Return the fraction of the pixels between the lowest and the highest value that lie in areas of one value."""
        between = sum(int(content.counts[1:-1].sum()) for content in self.contents)
        return sum(content.flat for content in self.contents) / between if between else 1.0

    def holding(self, values: Any) -> list[str]:
        """Return the names of the masks that hold one of some values."""
        return [content.name for content in self.contents if np.isin(content.values, values).any()]


def name_value(value: float, is_colour: bool = False) -> str:
    """Return a value as `mask_values` has it, such as "255" or "#ff0000"."""
    if is_colour:
        return f"#{int(value):06x}"
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < MAX_EXACT else f"{value:.9g}"


def describe_values(contents: Iterable[MaskContent]) -> str:
    """Return the values of a set's masks with their shares, such as "0 (87.5%), 255 (12.5%)"."""
    stored = [content for content in contents if not content.is_drawn]
    is_colour = any(content.is_colour for content in stored)
    return ValueTable([as_colour(content) if is_colour else content for content in stored]).describe(is_colour)


def as_colour(content: MaskContent) -> MaskContent:
    """Return the counts of a grey mask as those of colours."""
    if content.is_colour:
        return content
    return replace(content, values=content.values.astype(np.int64) * 0x010101, is_colour=True, palette=(), alpha=None)


@dataclass(frozen=True)
class ReadingChoice:
    """The reading of a set, and sentences about what is remarkable in it."""

    reading: MaskReading
    remarks: tuple[str, ...] = ()


def make_choice(text: str, *remarks: str) -> ReadingChoice:
    """Return the choice of a reading, in the language of `parse_mask_values`."""
    return ReadingChoice(parse_mask_values(text), tuple(remarks))


def ask(where: str, found: str, *candidates: str) -> InputError:
    """Return the error that shows the readings between which only the user can choose."""
    return InputError(
        f"{where}: masks hold {found}, which can be read in more than one way: set mask_values to "
        f"{', or to '.join(candidates)}",
        "mask_values",
    )


def span(values: NDArray[np.float64]) -> str:
    """Return the first and the last of some values."""
    names = [name_value(value) for value in values]
    return ", ".join(names if len(names) <= MAX_SHOWN else [*names[:3], "…", names[-1]])


def ignore_negatives(table: ValueTable) -> str:
    """Return the part of a reading that ignores negative values, which mean "no data"."""
    negative = [name_value(value) for value in table.values[table.values < 0]]
    if len(negative) > MAX_SHOWN:
        return f",{negative[0]}-{negative[-1]}:ignore"
    return "".join(f",{value}:ignore" for value in negative)
