"""How a set of masks in colours is read, for foreground against background."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from .stored_mask import MAX_COLOURS, MaskContent, merge_colours
from .value_table import ReadingChoice, ValueTable, as_colour, ask, make_choice, name_value

MIN_COVERED = 0.85
"""Fraction of the pixels that the main colours of noisy masks cover; photographs have less."""
MIN_COLOUR_DISTANCE = 50
"""Between main colours, in RGB."""
MAX_NOISE = 36
"""Distance to a main colour up to which a colour is the same one with noise."""
MIN_DISTINCT = 12
"""Colours that are closer than this to each other are one with noise."""
MAX_MIXED_FRACTION = 0.2
"""A colour between two main ones, with fewer pixels than this fraction of theirs, is a blurred edge."""
MAX_MAIN_COLOURS = 64
MAX_SPREAD = 14
"""Colours, in coarse steps, that noisy masks seem to have by the entropy of their histogram; photographs have more."""
MIN_MAIN_FRACTION = 0.001
"""Fraction of all pixels from which a colour may be a main one."""
MAX_BLACK = 40
"""Highest channel of black with noise."""
VOC_VOID = 0xE0E0C0
"""PASCAL VOC's colour of ignored pixels."""


def read_colours(where: str, contents: Sequence[MaskContent]) -> ReadingChoice:
    """Choose the reading of colours for foreground against background."""
    table = ValueTable([as_colour(content) for content in contents])
    if are_noisy(table):
        return _read_noisy_colours(where, table)
    objects = table.without(0)
    if 2 * len(table.holding([0])) < len(contents):
        names = [f"{name_value(value, True)}:background" for value in table.values[np.argsort(-table.pixels)][:3]]
        raise ask(
            where,
            f"{table.describe(True)}, and hardly any mask has black for background",
            *(f"{name},any:1" for name in names),
        )
    remark = "masks are in colours: all but black is one object"
    if VOC_VOID in objects and len(objects) > 1:
        return make_choice(
            f"foreground=any,#{VOC_VOID:06x}:ignore", f"{remark}, and PASCAL VOC's #{VOC_VOID:06x} is ignored"
        )
    return make_choice("foreground=any", f"{remark} ({table.describe(True)})")


def are_noisy(table: ValueTable) -> bool:
    """True if colours have compression noise or soft edges."""
    noisy = any(content.lossy or content.is_coarse for content in table.contents)
    return noisy or len(table.values) > MAX_COLOURS or _are_close(table.values)


def _read_noisy_colours(where: str, table: ValueTable) -> ReadingChoice:
    """Choose the reading of colours with compression noise or soft edges: by the main colours."""
    main, covered = main_colours(table)
    if covered < MIN_COVERED or np.median([_spread(content) for content in table.contents]) > MAX_SPREAD:
        raise InputError(
            f"{where}: masks look like photographs ({len(table.values)} colours or more, such as in "
            f"{table.contents[0].name}): choose the files that are the masks",
            "masks",
        )
    dark = [colour for colour in main if max(colour >> 16, colour >> 8 & 255, colour & 255) <= MAX_BLACK]
    names = [name_value(colour, True) for colour in main]
    if not dark:
        raise ask(
            where,
            f"the colours {', '.join(names)}, none of them black",
            f"nearest,{names[0]}:background," + ",".join(f"{n}:1" for n in names[1:]),
        )
    listed = ",".join(f"{name_value(c, True)}:{'background' if c == dark[0] else 1}" for c in main)
    return make_choice(
        f"nearest,{listed}",
        "masks are in colours with noise or soft edges: each pixel is taken for the nearest of "
        f"{', '.join(names)}; all but black is one object",
    )


def _spread(content: MaskContent) -> float:
    """Return how many equally frequent colours have the entropy of a mask's colours."""
    _, counts = merge_colours(content.values, content.counts)
    shares = counts / counts.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _points(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n, 3) red, green and blue."""
    wide = colours.astype(np.int64)
    return np.stack([wide >> 16, wide >> 8 & 255, wide & 255], axis=1).astype(np.float64)


def _are_close(colours: NDArray[np.float64]) -> bool:
    """True if two of the colours hardly differ."""
    points = _points(colours)
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.fill_diagonal(squared, np.inf)
    return bool((squared < MIN_DISTINCT**2).any())


def main_colours(table: ValueTable) -> tuple[list[int], float]:
    """Return the most frequent colours that are far from each other, and the fraction of pixels near one of them."""
    points, total = _points(table.values), table.pixels.sum()
    main: list[int] = []
    free, covered = np.ones(len(points), bool), np.zeros(len(points), bool)
    for i in np.argsort(-table.pixels, kind="stable"):
        if len(main) == MAX_MAIN_COLOURS or table.pixels[i] < MIN_MAIN_FRACTION * total:
            break
        if free[i] and not _is_mixture(i, main, points, table.pixels):
            main.append(int(i))
            squared = ((points - points[i]) ** 2).sum(axis=1)
            free &= squared > MIN_COLOUR_DISTANCE**2
            covered |= squared <= MAX_NOISE**2
    return [int(table.values[i]) for i in main], float(table.pixels[covered].sum() / total)


def _is_mixture(i: int, main: Sequence[int], points: NDArray[np.float64], pixels: NDArray[Any]) -> bool:
    """True if a colour lies between two main ones that have many more pixels."""
    frequent = [k for k in main if pixels[i] < MAX_MIXED_FRACTION * pixels[k]]
    for a, b in itertools.combinations(frequent, 2):
        step = points[b] - points[a]
        where = float(np.clip((points[i] - points[a]) @ step / (step @ step), 0, 1))
        if ((points[a] + where * step - points[i]) ** 2).sum() <= MAX_NOISE**2:
            return True
    return False
