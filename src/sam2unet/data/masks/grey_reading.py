"""How a set of grey masks is read, for foreground against background."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, name_some
from .stored_mask import MaskContent
from .value_table import (
    MAX_SHOWN,
    ReadingChoice,
    ValueTable,
    ask,
    ignore_negatives,
    make_choice,
    name_value,
    span,
)

MIN_LEVELS = 16
"""Grey levels, and numbers of many objects, are more values than this; fewer are stray values or labels."""
MIN_ANTIALIASED = 4
"""Values besides 0 that halving the size of a mask of 0 and 255 leaves: 64, 128, 192 and 255."""
MIN_BINARY_FRACTION = 0.005
"""From this fraction of 1 on, a mask of 0 and 1 is one, and not the noise of an empty mask."""
MAX_VOID_ALONE = 0.5
"""Fraction of the masks with 255 that may have it without any class index, if 255 means "ignored"."""
MIN_FLATNESS = 0.8
"""Fraction of the pixels inside areas of one value from which on values are labels or numbers, not grey levels."""
MAX_STRAY_FRACTION = 0.01
"""Values with fewer pixels than this fraction of the object's are stray, if they are not labels 1, 2, ..."""
MAX_CLASS_INDEX = 63
"""Highest value beside which 255 means "ignored", as in PASCAL VOC; above, values are grey levels or objects."""
MIN_INDEX_FRACTION = 0.001
"""With fewer pixels of class indices per pixel of 255, the indices may be stray."""
MIN_CLASSES_FRACTION = 0.1
"""The same for indices without 1."""
MAX_OBJECT_RATIO = 2
"""Up to so many times as many pixels as the largest other number has, 255 may be the number of an object."""
EXTREME = 40
"""Distance to 0 or 255 up to which a value is one of the two, with soft edges or compression noise."""
MIN_COVERED, MIN_COVERED_OBJECT = 0.8, 0.5
"""Fraction that the two cover of all pixels, and of those above 0, if grey levels are edges or noise."""
MIN_COVERED_LOSSY = 0.85
FULL_SCALES = (255, 32767, 65535, 2**31 - 1, 2**32 - 1)
SOFT_SCALES = (255, 65535)


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
    _check_background(where, table, have_empty)
    if any(content.lossy for content in contents):
        return _read_noisy_greys(where, table)
    objects = table.values[table.values > 0]
    ignored = ignore_negatives(table)
    if _are_grey_levels(table, objects):
        return _read_grey_levels(where, table, objects, ignored)
    full = next((scale for scale in FULL_SCALES if objects[-1] == scale), None)
    rest = objects[objects != full]
    remarks = _remark_on_ignored(table)
    if len(objects) == 1:
        return make_choice(f"foreground={name_value(objects[0])}{ignored}", *remarks)
    if 0 not in table.values and not have_empty:
        names = [*map(name_value, objects[:MAX_SHOWN])]
        raise ask(where, f"{table.describe()}, but no 0 for background", *(f"foreground={name}" for name in names))
    if _single_valued(contents) and {*objects} <= {1, *FULL_SCALES}:
        names = [*map(name_value, objects)]
        return make_choice(
            f"foreground={','.join(names)}{ignored}",
            f"some masks are {' and some '.join(f'0/{name}' for name in names)}; each is read accordingly",
            *remarks,
        )
    if full is None:
        return make_choice(
            f"foreground=any{ignored}",
            f"masks hold {len(objects)} values besides 0 ({span(objects)}), numbers of classes or objects: all above 0 "
            "are one object unless the number of classes is given",
            *remarks,
        )
    return _read_beside_full(where, table, full, rest, ignored)


def _check_background(where: str, table: ValueTable, have_empty: bool) -> None:
    """Raise InputError if only the user knows which pixels are background."""
    if any(content.inverted for content in table.contents):
        values = map(name_value, (*table.without(0)[:2], 0))
        raise ask(
            where,
            f"{table.describe()}, as a viewer shows them, in TIFF files that declare 0 as white",
            *(f"foreground={value}" for value in values),
        )
    negative = table.values[table.values < 0]
    if (table.values <= 0).all() and len(negative):
        names = [*map(name_value, negative[:MAX_SHOWN])]
        raise ask(where, f"{table.describe()}, but no value above 0", *(f"foreground={name}" for name in names))
    if len(negative) > MIN_LEVELS:
        raise ask(
            where, f"{table.describe()}, with {len(negative)} different negative values", "foreground=0- (from 0 on)",
            f"foreground=any{ignore_negatives(table)} (negative values are no data)",
        )  # fmt: skip
    if len(table.values) == 1 and any(content.missing for content in table.contents) and not have_empty:
        name = name_value(table.values[0])
        raise ask(
            where, table.describe(), f"foreground={name},nan:background (what has no data is background)",
            f"foreground={name},nan:ignore (what has no data is ignored)",
        )  # fmt: skip


def _are_grey_levels(table: ValueTable, objects: NDArray[np.float64]) -> bool:
    """True if values change from pixel to pixel, as at soft edges, in photographs and with compression noise."""
    if len(objects) > 1 and (objects != np.rint(objects)).any():
        return True
    is_varied = table.flatness() < MIN_FLATNESS
    if len(objects) > MIN_LEVELS and is_varied:
        return True
    if table.pixels_of(objects[:-1]) < MAX_STRAY_FRACTION * table.pixels_of(objects[-1]):
        return False
    if is_varied and len(objects) >= MIN_ANTIALIASED and objects[-1] in SOFT_SCALES and objects[-2] > MAX_CLASS_INDEX:
        return True
    low, high = objects <= EXTREME, (objects >= 255 - EXTREME) & (objects <= 255)
    is_noise = bool((low | high).all() and low.any() and high.sum() > 1)
    return is_noise and (is_varied or len(objects) > MIN_LEVELS)


def _check_scale(where: str, table: ValueTable) -> None:
    """Raise InputError if some of the masks with grey levels up to 255 have 1 for the object."""
    binary = [
        content.name
        for content in table.contents
        if set(content.values.tolist()) == {0, 1} and content.counts[1] >= MIN_BINARY_FRACTION * content.counts.sum()
    ]
    if binary and table.values[-1] > 1:
        raise InputError(
            f"{where}: {len(binary)} of {len(table.contents)} masks hold 0 and 1 ({name_some(binary)}), the others "
            f"grey levels up to {name_value(table.values[-1])}: multiply the former by 255",
            "masks",
        )


def _read_grey_levels(where: str, table: ValueTable, objects: NDArray[np.float64], ignored: str) -> ReadingChoice:
    """Choose the reading of grey levels: the edges of objects, probabilities, or no masks at all."""
    _check_scale(where, table)
    if objects[-1] <= 1:
        return make_choice(f"soft=1{ignored}", "masks hold fractions: above 0.5 is foreground")
    scale = next((scale for scale in SOFT_SCALES if objects[-1] <= scale), objects[-1])
    near = EXTREME / 255 * scale
    low, high = objects[objects <= near], objects[objects >= scale - near]
    at_ends = table.pixels_of(low) + table.pixels_of(high)
    covered = (table.pixels_of(table.values[table.values <= 0]) + at_ends) / table.pixels.sum()
    soft = "soft" if scale == SOFT_SCALES[0] else f"soft={name_value(scale)}"
    if len(high) and covered >= MIN_COVERED and at_ends >= MIN_COVERED_OBJECT * table.pixels_of(objects):
        return make_choice(
            f"{soft}{ignored}",
            f"masks have soft edges or compression noise: above half of {name_value(scale)} is foreground",
        )
    candidates = [
        f"{soft}{ignored} (above half of {name_value(scale)} is foreground)",
        *([] if len(high) else [f"soft={name_value(objects[-1])}{ignored} (above half of the highest value)"]),
        f"foreground=any{ignored} (all but 0 is)",
    ]
    raise InputError(
        f"{where}: masks hold many grey levels ({table.describe()}), as photographs, depth maps and heat maps do: "
        f"choose the files that are the masks, or, if these are, set mask_values to {', or to '.join(candidates)}",
        "masks", "mask_values",
    )  # fmt: skip


def _single_valued(contents: Sequence[MaskContent]) -> bool:
    return all(np.count_nonzero(content.values > 0) <= 1 for content in contents)


def _remark_on_ignored(table: ValueTable) -> list[str]:
    """Return a remark if negative values, or what the file says is no data, are ignored."""
    names = [*map(name_value, table.values[table.values < 0])]
    names = [names[0], "…", names[-1]] if len(names) > MAX_SHOWN else names
    remarks = [f"pixels of {', '.join(names)} in masks are no data and ignored"] if names else []
    if missing := sum(content.missing > 0 for content in table.contents):
        remarks.append(f"{missing} masks have pixels that are not a number or marked as no data, which are ignored")
    return remarks


def _read_beside_full(
    where: str, table: ValueTable, full: int, rest: NDArray[np.float64], ignored: str
) -> ReadingChoice:
    """Choose the reading of 255 (or 65535) beside other values: the object, ignored pixels, or a number of many."""
    remarks = _remark_on_ignored(table)
    at_full, beside = table.pixels_of(full), table.pixels_of(rest)
    most = table.pixels[np.isin(table.values, rest)].max()
    if len(rest) > MIN_LEVELS and rest.max() > MAX_CLASS_INDEX and at_full <= MAX_OBJECT_RATIO * most:
        return make_choice(
            f"foreground=any{ignored}", f"masks hold {len(rest) + 1} values besides 0, numbers of objects", *remarks
        )
    with_full, with_rest = set(table.holding([full])), set(table.holding(rest))
    is_indexed = beside >= (MIN_INDEX_FRACTION if 1 in rest else MIN_CLASSES_FRACTION) * at_full
    if rest.max() <= MAX_CLASS_INDEX and is_indexed and (1 in rest or len(rest) > 1):
        if len(with_full - with_rest) <= MAX_VOID_ALONE * len(with_full) * (1 in rest and len(rest) > 1):
            return make_choice(
                f"foreground=any,{full}:ignore{ignored}",
                f"pixels of {full} lie beside class indices ({span(rest)}) and are ignored, as in PASCAL VOC"
                + ("; all above 0 are one object unless the number of classes is given" if len(rest) > 1 else ""),
                *remarks,
            )
    elif (
        beside < MAX_STRAY_FRACTION * at_full
        and len(rest) <= MIN_LEVELS
        and (1 not in rest or 2 * len(with_full & with_rest) <= len(with_full))
    ):
        strays = table.holding(rest)
        return make_choice(
            f"foreground={(full + 1) // 2}-{ignored}",
            f"{len(strays)} of {len(table.contents)} masks hold a few pixels of {span(rest)} beside 0 and {full}, each "
            f"taken for the nearer of the two: {name_some(strays)}",
            *remarks,
        )
    raise ask(
        where,
        table.describe(),
        f"foreground={full} (all else is background)",
        "foreground=any (all but 0 is object)",
        f"foreground=any,{full}:ignore ({full} has no truth)",
        f"soft={full} (grey levels at the edges of objects)",
    )


def _read_noisy_greys(where: str, table: ValueTable) -> ReadingChoice:
    """Choose the reading of grey values with compression noise."""
    low, high = table.values <= EXTREME, table.values >= 255 - EXTREME
    if high.any():
        _check_scale(where, table)
    if high.any() and table.pixels[low | high].sum() >= MIN_COVERED_LOSSY * table.pixels.sum():
        return make_choice(
            "soft", "masks are stored with lossy compression: above 128 is foreground; PNG keeps them exact"
        )
    half = int(table.values[-1] + 1) // 2
    raise ask(
        where,
        f"grey levels with compression noise ({table.describe()})",
        "soft (above 128 is foreground)",
        f"foreground={half}- (above half of the highest value)",
        f"nearest,0:background,{name_value(table.values[-1])}:1,255:ignore or the like",
    )
