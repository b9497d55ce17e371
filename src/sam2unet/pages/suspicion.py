"""Which pairs of a split deserve a look first, and why."""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np

from ..card import IGNORED
from ..data import MaskReading, PairCheck
from .formatting import format_fraction

Value = TypeVar("Value", bound=Hashable)
Twin = tuple[PairCheck, PairCheck]
"""Two images of different splits that look the same."""
MIN_TYPICAL = 8
"""Pairs from which on it can be said what most of them are like."""
MAX_RARE = 0.1
"""Fraction of the pairs up to which a property is rare."""
MIN_COMMON = 0.8
"""Fraction of the pairs from which on a size is what images usually have."""
MAX_VALUES, MAX_OBJECTS = 16, 4
"""With more different values in a set, these are grey levels or many classes, or numbers of objects: each is rare."""
MAX_DEVIATIONS = 3.5
"""Of the logarithm of the foreground from its median, in robust standard deviations."""
MIN_DEVIATION = 0.3
"""Assumed standard deviation of that logarithm where foregrounds are nearly alike."""
ALMOST_ALL = 0.97
"""Fraction of foreground from which on a mask covers almost the whole image."""
MOSTLY_IGNORED = 0.5
MAX_CONTRAST, MAX_RELATIVE_CONTRAST = 1.1, 0.6
"""An outline with less contrast than both, the second by the split's median, does not follow edges."""


class Kind(StrEnum):
    """Kinds of reasons, the most serious first."""

    UNREADABLE = "not readable"
    TURNED = "image turned, mask not"
    FULL = "mask covers almost all"
    EMPTY = "empty mask"
    VALUE = "unusual value in the mask"
    IGNORED = "mostly ignored"
    OBJECT = "unusually small or large object"
    CONTRAST = "outline doesn't follow edges"
    TWIN = "looks like an image in another split"
    SIZE = "unusual size"
    RESIZED = "mask of another size"
    REMARK = "remark about the image"


SEVERITY = {kind: position for position, kind in enumerate(Kind)}


@dataclass(frozen=True)
class Reason:
    """Why a pair deserves a look."""

    kind: Kind
    text: str
    severity: float = 0.0
    """The higher, the earlier among pairs of the same kind."""


def in_order(splits: Iterable[str]) -> list[str]:
    """Return the names of splits, training first."""
    known = ("", "train", "val", "test")
    return sorted(splits, key=lambda name: (known.index(name) if name in known else len(known), name))


def find_reasons(
    pairs: Sequence[PairCheck],
    reading: MaskReading | None,
    twins: Iterable[Twin] = (),
    contrasts: Mapping[int, float] | None = None,
) -> list[list[Reason]]:
    """Return for each pair of a split why it deserves a look; nothing for an ordinary one.

    Args:
        pairs: all of the split.
        reading: of the masks.
        twins: see `DataCheck.duplicates`.
        contrasts: `edge_contrast` of some of the pairs, by position.
    """
    reasons: list[list[Reason]] = [[] for _ in pairs]
    position = {id(pair): i for i, pair in enumerate(pairs)}
    readable = [pair for pair in pairs if not pair.error]
    found = (
        *((pair, Reason(Kind.UNREADABLE, str(pair.error))) for pair in pairs if pair.error),
        *_unusual_objects(readable),
        *_unusual_values(readable, reading),
        *_unusual_sizes(readable),
        *((pair, reason) for pair in readable for reason in _remarks(pair)),
        *_twin_reasons(twins),
    )
    for pair, reason in found:
        if id(pair) in position:
            reasons[position[id(pair)]].append(reason)
    for i, reason in _poor_contrasts(contrasts or {}):
        reasons[i].append(reason)
    for several in reasons:
        several.sort(key=lambda reason: SEVERITY[reason.kind])
    return reasons


def by_severity(reasons: Sequence[Sequence[Reason]], most_of_a_kind: int) -> list[int]:
    """Return the positions of pairs with reasons, the most suspicious first; of each kind at most so many."""
    order = sorted(
        (i for i, several in enumerate(reasons) if several),
        key=lambda i: (SEVERITY[reasons[i][0].kind], -reasons[i][0].severity, -len(reasons[i])),
    )
    taken: Counter[Kind] = Counter()
    chosen = []
    for i in order:
        taken[reasons[i][0].kind] += 1
        if taken[reasons[i][0].kind] <= most_of_a_kind:
            chosen.append(i)
    return chosen


def _unusual_objects(pairs: Sequence[PairCheck]) -> Iterator[tuple[PairCheck, Reason]]:
    pairs = [pair for pair in pairs if pair.labels]
    logs = {id(pair): math.log(pair.foreground) for pair in pairs if pair.foreground}
    median = float(np.median([*logs.values()] or [0]))
    deviation = max(MIN_DEVIATION, 1.48 * float(np.median([abs(log - median) for log in logs.values()] or [0])))
    for pair in pairs:
        covered = format_fraction(pair.foreground)
        ignored = pair.labels.get(IGNORED, 0) / max(1, sum(pair.labels.values()))
        apart = (logs.get(id(pair), median) - median) / deviation
        if not pair.foreground:
            yield pair, Reason(Kind.EMPTY, "the mask is empty")
        elif pair.foreground >= ALMOST_ALL and len(pair.labels) <= 2:
            text = (
                "the mask covers the whole image" if pair.foreground == 1 else f"the mask covers {covered} of the image"
            )
            yield pair, Reason(Kind.FULL, text, pair.foreground)
        elif len(logs) >= MIN_TYPICAL and abs(apart) > MAX_DEVIATIONS:
            usual = format_fraction(math.exp(median))
            text = f"the mask covers {'only ' if apart < 0 else ''}{covered} of the image; {usual} is usual here"
            yield pair, Reason(Kind.OBJECT, text, abs(apart))
        if ignored > MOSTLY_IGNORED:
            yield pair, Reason(Kind.IGNORED, f"{format_fraction(ignored)} of the mask is ignored", ignored)


def _rare(values: Iterable[Value], number: int) -> dict[Value, int]:
    """Return the values that few of a number of pairs have, and how many."""
    if number < MIN_TYPICAL:
        return {}
    return {value: times for value, times in Counter(values).items() if times <= MAX_RARE * number}


def _unusual_values(pairs: Sequence[PairCheck], reading: MaskReading | None) -> Iterator[tuple[PairCheck, Reason]]:
    masks = [(pair, pair.mask) for pair in pairs if pair.mask and not pair.mask.is_drawn]
    kinds = [_storage(pair) for pair, _ in masks]
    rare_kinds = _rare(kinds, len(masks))
    values = Counter(value for _, mask in masks for value in mask.values[: MAX_VALUES + 1].tolist())
    most = MAX_OBJECTS if reading and reading.other > 0 else MAX_VALUES
    rare = _rare(values.elements(), len(masks)) if len(values) <= most else {}
    for (pair, mask), kind in zip(masks, kinds, strict=True):
        if kind in rare_kinds:
            yield pair, Reason(Kind.VALUE, f"the mask is stored {kind}, unlike most here", 1)
        if found := [value for value in mask.values.tolist() if value in rare]:
            names = ", ".join(f"#{value:06x}" if mask.is_colour else f"{value:g}" for value in found[:4])
            some = "this mask" if max(rare[v] for v in found) == 1 else f"{max(rare[v] for v in found)} masks"
            text = f"the mask holds {names}{', …' if len(found) > 4 else ''}, as only {some} of {len(masks)}"
            yield pair, Reason(Kind.VALUE, text, 1 / min(rare[v] for v in found))


def _storage(pair: PairCheck) -> str:
    assert pair.mask
    colours = "in colours" if pair.mask.is_colour else "in grey levels"
    return (
        colours
        + (", with transparency" if pair.mask.alpha else "")
        + (", with lossy compression" if pair.mask.lossy else "")
    )


def _unusual_sizes(pairs: Sequence[PairCheck]) -> Iterator[tuple[PairCheck, Reason]]:
    sizes = Counter(pair.size for pair in pairs)
    usual, times = max(sizes.items(), key=lambda item: item[1], default=((0, 0), 0))
    if len(pairs) < MIN_TYPICAL or times < MIN_COMMON * len(pairs):
        return
    for pair in pairs:
        if pair.size != usual:
            text = "{}x{}; most images here are {}x{}".format(*pair.size, *usual)
            yield pair, Reason(Kind.SIZE, text, 1 / sizes[pair.size])


def _remarks(pair: PairCheck) -> Iterator[Reason]:
    if pair.orientation != 1:
        yield Reason(Kind.TURNED, "the image is turned by its EXIF orientation, the mask is not")
    if pair.mask and pair.mask.size != pair.size:
        text = "the mask is {}x{} and is resized to the image's {}x{}".format(*pair.mask.size, *pair.size)
        yield Reason(Kind.RESIZED, text)
    if pair.remark:
        yield Reason(Kind.REMARK, pair.remark)


def _twin_reasons(twins: Iterable[Twin]) -> Iterator[tuple[PairCheck, Reason]]:
    for twin in twins:
        for pair, other in ((twin[0], twin[1]), (twin[1], twin[0])):
            text = f"looks like {other.pair.key} in {other.split or 'the folder itself'}"
            yield pair, Reason(Kind.TWIN, text)


def _poor_contrasts(contrasts: Mapping[int, float]) -> Iterator[tuple[int, Reason]]:
    known = {i: contrast for i, contrast in contrasts.items() if not math.isnan(contrast)}
    if len(known) < MIN_TYPICAL:
        return
    limit = min(MAX_CONTRAST, MAX_RELATIVE_CONTRAST * float(np.median([*known.values()])))
    for i, contrast in known.items():
        if contrast < limit:
            yield i, Reason(Kind.CONTRAST, "the outline follows no clear edge in the image", -contrast)
