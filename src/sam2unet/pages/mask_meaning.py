"""What the values in masks mean, and the colour in which each meaning is drawn."""

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..card import IGNORED
from ..data import DataCheck, DataOptions, MaskReading, PairCheck, class_colours, counted_values, parse_mask_values
from .formatting import format_fraction

OBJECT = (0, 229, 255)
"""Colour of the only class: rare in photographs, tissue and microscopy alike."""
STRIPED = (235, 235, 235)
"""Colour of the stripes over ignored pixels."""
MAX_ROWS, MAX_OPEN = 24, 7
"""Rows of the table of values, and values drawn apart while it is open what they mean."""


@dataclass(frozen=True)
class MaskMeaning:
    """How masks are read and drawn."""

    reading: MaskReading | None
    classes: int
    colours: NDArray[np.uint8]
    """(256, 3), RGB by label."""
    names: dict[int, str]
    """Of labels."""
    is_open: bool = False
    """It is not decided what the values mean: the most frequent are drawn as if each was a class."""

    @classmethod
    def of(cls, check: DataCheck, options: DataOptions) -> "MaskMeaning":
        """Take the reading of a check, or else draw each value apart."""
        colours = class_colours(256)
        colours[IGNORED] = STRIPED
        if check.reading is None:
            values = _frequent_values(check.pairs)
            colours[2] = colours[1]
            colours[1] = OBJECT
            text = ",".join(["any:1", *(f"{name}:{label}" for label, name in enumerate(values, start=1))])
            return cls(parse_mask_values(text) if values else None, 1, colours, {}, is_open=True)
        names = {0: "background", 1: "foreground", IGNORED: "ignored"}
        if options.classes == 1:
            colours[1] = OBJECT
            names |= dict(enumerate(options.class_names[-1:], start=1))
        else:
            names |= {label: f"class {label}" for label in range(1, options.classes)}
            names |= dict(enumerate(options.class_names))
        return cls(check.reading, options.classes, colours, names)

    @property
    def line(self) -> int:
        """Width of outlines; colours of several classes need more to be told apart."""
        return 2 if self.classes == 1 and not self.is_open else 3

    def drawn(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return labels as they are drawn: a single class has the label 1."""
        if self.classes > 1 or self.is_open:
            return labels
        return np.where((labels == 0) | (labels == IGNORED), labels, np.uint8(1))


@dataclass(frozen=True)
class _Row:
    """Values of one meaning."""

    text: str
    label: int
    pixels: float


def value_table(check: DataCheck, meaning: MaskMeaning) -> str:
    """Return a table of the values in masks: share of the pixels, meaning, and the colour of the outline."""
    pairs = [pair for pair in check.pairs if pair.mask and not pair.error]
    if not pairs or not meaning.reading:
        return ""
    rows = [*_stored_rows(pairs, meaning.reading), *_other_rows(pairs, meaning.reading)]
    total = max(1.0, sum(row.pixels for row in rows))
    shown = rows if len(rows) <= MAX_ROWS else sorted(rows, key=lambda row: -row.pixels)[:MAX_ROWS]
    cells = "".join(_row(row, row.pixels / total, meaning) for row in shown)
    rest = f'<p class="dim">{len(rows) - MAX_ROWS} rarer values are not listed.</p>' if len(rows) > MAX_ROWS else ""
    how = "It is not decided what the values in masks mean, see the errors; below, each is outlined in its own colour."
    if not meaning.is_open:
        all_drawn = all(pair.mask and pair.mask.is_drawn for pair in pairs)
        how = "Masks are drawn from annotations." if all_drawn else f"Masks are read as {meaning.reading}."
    head = '<tr><th>value</th><th>pixels</th><th class="wide"></th><th>meaning</th></tr>'
    return (
        f"<h2>How masks are read</h2><p>{html.escape(how)}</p>"
        f'<div class="scroll"><table class="values">{head}{cells}</table></div>{rest}'
    )


def _row(row: _Row, share: float, meaning: MaskMeaning) -> str:
    label = int(meaning.drawn(np.array([row.label], np.uint8))[0])
    red, green, blue = meaning.colours[label]
    style = "" if label in (0, IGNORED) else f' style="background: rgb({red}, {green}, {blue})"'
    kind = " striped" if label == IGNORED else ""
    name = "not decided" if meaning.is_open else meaning.names.get(label, f"class {label}")
    return (
        f"<tr><td>{html.escape(row.text)}</td><td>{format_fraction(share)}</td>"
        f'<td><span class="share" style="width: {100 * share:.2f}%"></span></td>'
        f'<td><span class="key{kind}"{style}></span>{html.escape(name)}</td></tr>'
    )


def _stored_rows(pairs: Sequence[PairCheck], reading: MaskReading) -> Iterator[_Row]:
    """Yield the values of mask files in ascending order; of many, neighbours of the same meaning share a row."""
    found: dict[tuple[bool, float, int], float] = {}
    for pair in pairs:
        assert pair.mask
        if pair.mask.is_drawn:
            continue
        values, counts, is_colour = counted_values(pair.mask, reading)
        labels = reading.labels(values, is_colour, pair.mask.lossy)
        for value, label, pixels in zip(values.tolist(), labels.tolist(), counts.tolist(), strict=True):
            key = is_colour, value, label
            found[key] = found.get(key, 0) + pixels
    runs: list[list[tuple[bool, float, int]]] = []
    for key in sorted(found):
        is_same = runs and (runs[-1][0][0], runs[-1][0][2]) == (key[0], key[2])
        if is_same and len(found) > MAX_ROWS // 2:
            runs[-1].append(key)
        else:
            runs.append([key])
    for run in runs:
        names = [f"#{int(value):06x}" if is_colour else f"{value:g}" for is_colour, value, _ in (run[0], run[-1])]
        yield _Row(" to ".join(dict.fromkeys(names)), run[0][2], sum(found[key] for key in run))


def _other_rows(pairs: Sequence[PairCheck], reading: MaskReading) -> Iterator[_Row]:
    """Yield the labels of annotations, and the pixels that are no number or no data."""
    labels: dict[int, float] = {}
    for pair in pairs:
        assert pair.mask
        if pair.mask.is_drawn:
            for value, pixels in zip(pair.mask.values.tolist(), pair.mask.counts.tolist(), strict=True):
                labels[value] = labels.get(value, 0) + pixels
    for label in sorted(labels):
        yield _Row("drawn", label, labels[label])
    if missing := sum(pair.mask.missing for pair in pairs if pair.mask):
        yield _Row("no data", reading.nan, missing)


def _frequent_values(pairs: Sequence[PairCheck]) -> list[str]:
    """Return the most frequent values but 0, as `parse_mask_values` takes them."""
    found: dict[str, float] = {}
    for pair in pairs:
        if pair.mask and not pair.mask.is_drawn and not pair.error:
            for value, pixels in zip(pair.mask.values.tolist(), pair.mask.counts.tolist(), strict=True):
                if value:
                    name = f"#{value:06x}" if pair.mask.is_colour else f"{value:.9g}"
                    found[name] = found.get(name, 0) + pixels
    return sorted(found, key=lambda name: -found[name])[:MAX_OPEN]
