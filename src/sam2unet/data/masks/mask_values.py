"""What the values in masks mean: the small language of `mask_values`, and its application to pixels."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...card import IGNORED
from ...errors import InputError

MAX_LABEL = 253
"""Highest class index; 254 classes including background."""
NO_LABEL = -1
"""Label of a value that the reading does not list."""
ABOVE_HALF = 128.5 / 255
"""Soft edges are foreground above 128 of 255, as in PySODMetrics."""
MAX_TABLE = 1 << 16
"""Integers below it are looked up in a table."""
EXAMPLES = "foreground=255, foreground=1-254, 0:background,128:1,255:ignore, or #ff0000:1"
FLOAT = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
NUMBER = re.compile(rf"({FLOAT})(?:(-)({FLOAT})?)?")
COLOUR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)
CVAT_LINE = re.compile(r"(?P<name>[^:#]+):(?P<rgb>\d+,\d+,\d+):[^:]*:[^:]*")
WORDS = {"background": 0, "foreground": 1, "object": 1, "ignore": IGNORED, "ignored": IGNORED}

Labels = NDArray[np.int16]


@dataclass(frozen=True)
class MaskReading:
    """Maps the values that masks store to labels: 0 background, 1 foreground or class indices, 255 ignored."""

    text: str
    """In the language of `parse_mask_values`, which restores the reading from it."""
    ranges: tuple[tuple[float, float, int], ...] = ()
    """(lowest, highest, label) of grey values."""
    colours: tuple[tuple[int, int], ...] = ()
    """(0xRRGGBB, label)."""
    names: tuple[tuple[str, int], ...] = ()
    """(label in annotations, class index)."""
    other: int = NO_LABEL
    """Label of values that are not listed."""
    nan: int = IGNORED
    """Label of pixels that are not a number, or marked as no data by the file."""
    channel: Literal["values", "indices", "alpha"] = "values"
    """"values": grey values and colours; "indices": a palette's indices; "alpha": the transparency."""
    soft: float = 0
    """Value of a pixel that is wholly foreground, if the values are grey levels; else 0."""
    nearest: bool = False
    """Take each value for the nearest one that is listed, as masks with compression noise need."""

    def __str__(self) -> str:
        return self.text

    def labels(self, values: NDArray[Any], is_colour: bool = False, nearest: bool = False) -> Labels:
        """Return the label of each value, `NO_LABEL` if it is not listed.

        Args:
            values: grey values of any type, or 0xRRGGBB if `is_colour`; of any shape.
            is_colour: whether the values are colours.
            nearest: see the attribute; also for files with lossy compression.
        """
        if not is_colour and self.colours:
            values, is_colour = values.astype(np.uint32) * np.uint32(0x010101), True
        if (nearest or self.nearest) and not self.soft:
            return self._nearest(values, is_colour)
        if is_colour:
            return self._lookup_colours(values)
        if values.dtype == np.uint8:
            by_value: Labels = _table(self, 256).take(values)
            return by_value
        if values.dtype.kind in "iub" and values.size and values.min() >= 0 and values.max() < MAX_TABLE:
            by_value = _table(self, MAX_TABLE).take(values)
            return by_value
        return self._compare(values)

    def _compare(self, values: NDArray[Any]) -> Labels:
        result = np.full(values.shape, self.other, np.int16)
        for low, high, label in self.ranges:
            result[(values >= low) & (values <= high)] = label
        if values.dtype.kind == "f":
            result[np.isnan(values)] = self.nan
        if self.soft:
            result[(result == 0) & (values > self.soft * ABOVE_HALF)] = 1
        return result

    def _lookup_colours(self, values: NDArray[Any]) -> Labels:
        result = np.full(values.shape, self.other, np.int16)
        for colour, label in self._known_colours():
            result[values == colour] = label
        return result

    def _known_colours(self) -> list[tuple[int, int]]:
        greys = [(int(low) * 0x010101, label) for low, high, label in self.ranges if low == high and 0 <= low <= 255]
        return [*greys, *self.colours]

    def _nearest(self, values: NDArray[Any], is_colour: bool) -> Labels:
        greys = [(int(low), label) for low, high, label in self.ranges if low == high]
        listed = self._known_colours() if is_colour else greys
        if self.other > NO_LABEL or len(listed) < 2:
            return self._lookup_colours(values) if is_colour else self._compare(values)
        stored, where = np.unique(values, return_inverse=True)
        points, known = (_channels(np.asarray(v), is_colour) for v in (stored, [value for value, _ in listed]))
        chosen = ((points[:, None] - known[None]) ** 2).sum(axis=2).argmin(axis=1)
        result: Labels = np.array([label for _, label in listed], np.int16)[chosen][where.reshape(values.shape)]
        return result


@lru_cache(maxsize=8)
def _table(reading: MaskReading, size: int) -> Labels:
    """Return the label of each integer from 0 on."""
    return reading._compare(np.arange(size))


def _channels(values: NDArray[Any], is_colour: bool) -> NDArray[np.float64]:
    """Return (n, 3) red, green and blue of 0xRRGGBB, or (n, 1) grey values."""
    if not is_colour:
        return values.astype(np.float64)[:, None]
    values = values.astype(np.int64)
    return np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1).astype(np.float64)


def parse_mask_values(text: str, class_names: Sequence[str] = ()) -> MaskReading:
    """Parse what the values in masks mean.

    Args:
        text: items separated by commas. `VALUE:LABEL` gives a value its label: a class index, `background`,
            `foreground`, `ignore`, or a class name; other values but 0 are then an error. `foreground=VALUE,VALUE,...`
            lists the values of the object; all others are background. A value is a number, a range (`1-254`, `128-`),
            a colour (`#ff0000`), `any` (all others; 0 and black are background unless another value is), `nan`, or the
            label of an annotation. Alone stand `classes` (each value is a class index, 255 ignored), `soft` (grey
            levels; above half of 255 is foreground, `soft=65535` for another scale) and `alpha` (the transparency is
            the mask; `alpha=100` if nothing is more opaque). `indices` in front takes a palette's indices in place of
            its colours, and `nearest` each value for the nearest one listed. Or the name of a file `labelmap.txt` as
            CVAT writes it.
        class_names: names that labels may be called by.

    Raises:
        InputError: the text does not follow these rules.
    """
    if text.lower().endswith(".txt"):
        text = _read_labelmap(Path(text), class_names)
    builder = _Builder(text, class_names)
    for item in filter(None, (item.strip() for item in text.split(","))):
        builder.add(item)
    return builder.build()


class _Builder:
    """Collects the items of a text."""

    def __init__(self, text: str, class_names: Sequence[str]):
        self.text, self.class_names = text, class_names
        self.ranges: list[tuple[float, float, int]] = []
        self.colours: list[tuple[int, int]] = []
        self.names: list[tuple[str, int]] = []
        self.fields: dict[str, Any] = {}
        self.listing = False  # whether items without a label belong to foreground=...

    def add(self, item: str) -> None:
        value, colon, label = item.rpartition(":")
        if colon:
            self.listing = False
            self._add_value(value.strip(), self._label(label.strip(), item))
        elif item.startswith("foreground="):
            self.listing = True
            self.fields.setdefault("other", 0)
            self._add_value(item.partition("=")[2].strip(), 1)
        elif self.listing:
            self._add_value(item, 1)
        else:
            self._add_word(item)

    def _add_word(self, item: str) -> None:
        word, _, full = item.partition("=")
        if word in ("soft", "alpha") and (not full or re.fullmatch(FLOAT, full)) and float(full or 255) > 0:
            channel = {"channel": "alpha"} if word == "alpha" else {}
            self.fields |= {"soft": float(full or 255), "other": 0, **channel}
        elif item == "classes":
            self.ranges += [(index, index, index) for index in (*range(MAX_LABEL + 1), IGNORED)]
        elif item == "indices":
            self.fields["channel"] = "indices"
        elif item == "nearest":
            self.fields["nearest"] = True
        else:
            raise self._error(item)

    def _add_value(self, value: str, label: int) -> None:
        number = NUMBER.fullmatch(value)
        if value == "any":
            self.fields["other"] = label
        elif value == "nan":
            self.fields["nan"] = label
        elif number:
            low = float(number[1])
            self.ranges.append((low, float(number[3] or "inf") if number[2] else low, label))
        elif COLOUR.fullmatch(value):
            self.colours.append((int(value[1:], 16), label))
        elif value and not value.startswith("#"):
            self.names.append((value, label))
        else:
            raise self._error(value)

    def _label(self, text: str, item: str) -> int:
        if text in self.class_names:
            return self.class_names.index(text) + (len(self.class_names) == 1)
        if text.isdecimal() and int(text) in {*range(MAX_LABEL + 1), IGNORED}:
            return int(text)
        if text.lower() not in WORDS:
            raise self._error(item)
        return WORDS[text.lower()]

    def _error(self, item: str) -> InputError:
        return InputError(
            f"mask_values {self.text!r}: {item!r} is not understood; write it like {EXAMPLES}", "mask_values"
        )

    def build(self) -> MaskReading:
        if not (self.ranges or self.colours or self.names or self.fields.get("soft")) and "other" not in self.fields:
            raise self._error("")
        listed = any(low <= 0 <= high for low, high, _ in self.ranges) or 0 in dict(self.colours)
        if not listed and 0 not in {label for _, _, label in self.ranges} | {label for _, label in self.colours}:
            self.ranges.insert(0, (0, 0, 0))
        return MaskReading(self.text, tuple(self.ranges), tuple(self.colours), tuple(self.names), **self.fields)


def _read_labelmap(file: Path, class_names: Sequence[str]) -> str:
    """Return the colours of CVAT's labelmap.txt in the language of `parse_mask_values`.

    Classes are numbered by `class_names`, else in the order of the file; `background` is 0.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: can't be read: name the labelmap.txt that CVAT wrote", "mask_values") from error
    matches = [CVAT_LINE.fullmatch(line.strip()) for line in lines if line.strip() and not line.startswith("#")]
    if not matches or not all(matches):
        raise InputError(f"{file}: not a labelmap.txt of CVAT, with lines such as polyp:128,0,0::", "mask_values")
    entries = [(match["name"].strip(), match["rgb"]) for match in matches if match]
    entries.sort(key=lambda entry: entry[0].lower() != "background")
    items = []
    for position, (name, rgb) in enumerate(entries):
        if class_names and name not in class_names and name.lower() != "background":
            known = ", ".join(class_names)
            raise InputError(f"{file}: label {name!r} is not among the class names ({known})", "mask_values")
        index = class_names.index(name) if name in class_names else position
        items.append("#{:02x}{:02x}{:02x}:{}".format(*map(int, rgb.split(",")), index))
    return ",".join(items)
