"""How a set of grey masks is read, for foreground against background."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...card import IGNORED
from .stored_mask import MaskContent
from .value_table import MAX_SHOWN, ReadingChoice, ValueTable, ask, ignore_negatives, list_names, make_choice, span

MAX_EDGE_FRACTION = 0.03
"""A grey level with fewer pixels than this fraction of the brightest one's may belong to soft edges."""
MIN_EDGE_LEVELS = 16
"""Soft edges have more levels than this; fewer are stray values or labels."""
MAX_STRAY_FRACTION = 0.01
"""Values with fewer pixels than this fraction of the object's are stray, if they are not labels 1, 2, ..."""
MAX_CLASS_INDEX = 63
"""Highest value beside which 255 means "ignored", as in PASCAL VOC; above, values are grey levels or objects."""
MIN_INDEX_FRACTION = 0.001
"""With fewer pixels of class indices per pixel of 255, the indices may be stray."""
MIN_NUMBERED = 0.8
"""Fraction of the values from 1 to 255 that occur if 255 is the number of an object."""
EXTREME = 40
"""Distance to 0 or 255 up to which a value is one of the two, with compression noise."""
MIN_COVERED = 0.85
"""Fraction of the pixels that the two cover, with compression noise."""
FULL_SCALES = (255, 65535)


def read_greys(where: str, contents: Sequence[MaskContent], have_empty: bool) -> ReadingChoice:
    """Choose the reading of grey values.

    Args:
        where: the set's name, for messages.
        contents: of the masks that hold anything but 0.
        have_empty: whether the set has masks of nothing but 0, too.

    Raises:
        InputError: several readings are possible.
    """
    table = ValueTable(contents)
    if any(content.lossy for content in contents):
        return _read_noisy_greys(where, table)
    if any(content.inverted for content in contents):
        raise ask(
            where,
            f"{table.describe()} in TIFF files that declare 0 as white, with values as a viewer shows them,",
            *(f"foreground={value:g}" for value in (*table.without(0)[:2], 0)),
        )  # fmt: skip
    values = table.without(0)
    objects = values[values > 0]
    ignored = ignore_negatives(table)
    if (objects != np.rint(objects)).any():
        return _read_floats(where, table, objects)
    if _has_noise(table, objects):
        return make_choice(f"soft{ignored}", "masks have soft edges or compression noise: from 128 on is foreground")
    full = next((scale for scale in FULL_SCALES if scale in objects and objects.max() == scale), None)
    rest = objects[objects != full] if full else objects
    if len(objects) == 1:
        return make_choice(f"foreground={objects[0]:g}{ignored}", *_remark_onignore_negatives(ignored))
    if 0 not in table.values and not have_empty:
        names = [f"{value:g}" for value in objects[:MAX_SHOWN]]
        raise ask(where, f"{table.describe()}, but no 0 for background", *(f"foreground={name}" for name in names))
    if _single_valued(contents) and {*objects} <= {1, *FULL_SCALES}:
        listed = ",".join(f"{value:g}" for value in objects)
        return make_choice(
            f"foreground={listed}{ignored}",
            f"some masks are {' and some '.join(f'0/{v:g}' for v in objects)}; each is read accordingly",
        )
    if full is None:
        return _read_indices(where, table, objects, ignored)
    return _read_beside_full(where, table, full, rest, ignored)


def _has_noise(table: ValueTable, objects: NDArray[np.float64]) -> bool:
    """True if values gather around 0 and 255 without being them, as in a JPEG file that was saved as PNG."""
    low, high = objects <= EXTREME, (objects >= 255 - EXTREME) & (objects <= 255)
    if len(objects) <= MIN_EDGE_LEVELS or not (low.any() and high.sum() > 1):
        return False
    return table.pixels_of(objects[low | high]) >= MIN_COVERED * table.pixels_of(objects)


def _single_valued(contents: Sequence[MaskContent]) -> bool:
    return all(np.count_nonzero(content.values > 0) <= 1 for content in contents)


def _remark_onignore_negatives(ignored: str) -> list[str]:
    return [f"pixels of {ignored[1:].replace(':ignore', '')} in masks are no data and ignored"] if ignored else []


def _read_indices(where: str, table: ValueTable, objects: NDArray[np.float64], ignored: str) -> ReadingChoice:
    """Choose the reading of values none of which is the highest of its type: numbers of classes or of objects."""
    top, others = objects[-1], objects[:-1]
    if len(objects) > MIN_EDGE_LEVELS and _is_soft(table, top, others):
        raise ask(
            where,
            table.describe(),
            f"soft={top:g} (grey levels at the edges of objects)",
            "foreground=any (numbers of objects)",
        )
    return make_choice(
        f"foreground=any{ignored}",
        f"masks hold {len(objects)} values besides 0 ({span(objects)}), numbers of classes or objects: all above 0 are "
        "one object unless the number of classes is given",
        *_remark_onignore_negatives(ignored),
    )


def _is_soft(table: ValueTable, full: float, rest: NDArray[np.float64]) -> bool:
    """True if hardly any pixel lies between 0 and the highest value, on many levels, as at soft edges."""
    at_full, between = table.pixels_of(full), table.pixels[np.isin(table.values, rest)]
    return bool(between.sum() < at_full and between.max() < MAX_EDGE_FRACTION * at_full)


def _read_beside_full(
    where: str, table: ValueTable, full: int, rest: NDArray[np.float64], ignored: str
) -> ReadingChoice:
    """Choose the reading of 255 (or 65535) beside other values: the object, ignored pixels, or a number of many."""
    at_full, beside = table.pixels_of(full), table.pixels_of(rest)
    if len(rest) > MIN_EDGE_LEVELS and rest.max() > MAX_CLASS_INDEX:
        if _is_soft(table, full, rest):
            return make_choice(
                f"soft={full}{ignored}", "masks have soft edges: from half of the highest value on is foreground"
            )
        if full == 255 and len(rest) > MIN_NUMBERED * full and at_full < beside:
            return make_choice(
                f"foreground=any{ignored}", f"masks hold {len(rest) + 1} values besides 0, numbers of objects"
            )
    if rest.max() <= MAX_CLASS_INDEX and 1 in rest and beside >= MIN_INDEX_FRACTION * at_full:
        with_full, with_both = set(table.holding([full])), set(table.holding(rest))
        if with_full <= with_both or len(rest) > 1:
            return make_choice(
                f"foreground=any,{full}:ignore{ignored}",
                f"pixels of {full} lie beside class indices ({span(rest)}) and are ignored, as in PASCAL VOC"
                + ("; all above 0 are one object unless the number of classes is given" if len(rest) > 1 else ""),
            )
    elif 1 not in rest and beside < MAX_STRAY_FRACTION * at_full and len(rest) <= MIN_EDGE_LEVELS:
        strays = table.holding(rest)
        return make_choice(
            f"foreground={(full + 1) // 2}-{ignored}",
            f"{len(strays)} of {len(table.contents)} masks hold a few pixels of {span(rest)} beside 0 and {full}, each "
            f"taken for the nearer of the two: {list_names(strays)}",
        )
    raise ask(
        where,
        table.describe(),
        f"foreground={full} (all else is background)",
        "foreground=any (all but 0 is object)",
        f"foreground=any,{full}:ignore ({full} has no truth)",
        f"soft={full} (grey levels at the edges of objects)",
    )


def _read_floats(where: str, table: ValueTable, objects: NDArray[np.float64]) -> ReadingChoice:
    """Choose the reading of values between whole numbers: probabilities, or soft edges of 0 and 255."""
    if len(objects) == 1:
        return make_choice(f"foreground={objects[0]:.9g}")
    if objects[-1] <= 1:
        return make_choice("soft=1", "masks hold fractions: from 0.5 on is foreground")
    if objects[-1] <= IGNORED and _is_soft(table, objects[-1], objects[:-1]):
        return make_choice(
            f"soft={objects[-1]:.9g}", "masks have soft edges: from half of the highest value on is foreground"
        )
    raise ask(where, table.describe(), f"soft={objects[-1]:g} (grey levels)", "foreground=any (all but 0 is object)")


def _read_noisy_greys(where: str, table: ValueTable) -> ReadingChoice:
    """Choose the reading of grey values with compression noise."""
    extreme = (table.values <= EXTREME) | (table.values >= 255 - EXTREME)
    if table.pixels[extreme].sum() >= MIN_COVERED * table.pixels.sum():
        return make_choice(
            "soft", "masks are stored with lossy compression: from 128 on is foreground; PNG keeps them exact"
        )
    raise ask(
        where,
        f"grey levels with compression noise ({table.describe()})",
        "soft (from 128 on is foreground)",
        "nearest,0:background,128:1,255:ignore or the like",
    )
