"""How a set of masks of several classes is read."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...card import IGNORED
from ...errors import InputError, name_some
from .colour_reading import are_noisy, main_colours
from .grey_reading import FULL_SCALES
from .stored_mask import MaskContent
from .value_table import (
    ReadingChoice,
    ValueTable,
    as_colour,
    ignore_negatives,
    make_choice,
    name_value,
)

NO_DATA = FULL_SCALES[1:]
"""Values of pixels without data in masks of 16 and 32 bits."""


def read_classes(where: str, contents: Sequence[MaskContent], classes: int) -> ReadingChoice:
    """Choose the reading of class indices.

    Args:
        where: the set's name, for messages.
        contents: of all masks.
        classes: number of classes, including background.

    Raises:
        InputError: the values are no class indices, or too high.
    """
    if any(content.is_colour for content in contents):
        return _read_palette(where, contents, classes)
    table = ValueTable(contents)
    has_no_data = np.isin(table.values, NO_DATA)
    ignored = ignore_negatives(table) + "".join(f",{name_value(value)}:ignore" for value in table.values[has_no_data])
    values = table.values[(table.values >= 0) & ~has_no_data]
    if any(content.lossy for content in contents) or (values != np.rint(values)).any():
        raise InputError(
            f"{where}: masks of grey levels ({table.describe()}) hold no class indices: store each pixel's class "
            "(0, 1, 2, …), say what the values mean, or use a single class",
            "classes", "mask_values",
        )  # fmt: skip
    known = values[values != IGNORED]
    if known.max(initial=0) == 0 and IGNORED in values:
        raise InputError(
            f"{where}: masks hold {table.describe()}, and with several classes 255 is ignored: use a single class, or "
            "set mask_values to 0:0,255:1",
            "classes", "mask_values",
        )  # fmt: skip
    if known.max(initial=0) >= classes:
        if all(content.palette for content in contents):
            return _read_palette(where, contents, classes)
        raise _too_high(where, table, known, classes)
    remarks = [f"pixels of {ignored[1:].replace(':ignore', '')} in masks are no data and ignored"] if ignored else []
    return make_choice(f"classes{ignored}", *remarks)


def _too_high(where: str, table: ValueTable, known: NDArray[np.float64], classes: int) -> InputError:
    names = name_some(table.holding(known[known >= classes]))
    listed = ",".join(f"{name_value(value)}:{index}" for index, value in enumerate(known[:classes]))
    listed += ",any:ignore" if len(known) > classes else ""
    way = f"correct the masks or the number of classes, or say what the values mean, such as {listed}"
    return InputError(
        f"{where}: masks hold class {name_value(known.max())} ({names}), but there are {classes} classes "
        f"(0 to {classes - 1}): {way}",
        "classes", "mask_values",
    )  # fmt: skip


def _read_palette(where: str, contents: Sequence[MaskContent], classes: int) -> ReadingChoice:
    """Choose the reading of palettes: their indices, if all have the same colours and black comes first."""
    colour_of: dict[int, int] = {}
    table = ValueTable([as_colour(content) for content in contents])
    for content in contents:
        if not content.palette and content.is_colour:
            raise _ask_for_colours(where, table, classes)
        for index, colour, _ in content.palette:
            if colour_of.setdefault(index, colour) != colour:
                raise _ask_for_colours(where, table, classes)
    if 0 in colour_of.values() and colour_of.get(0) != 0:
        raise _ask_for_colours(where, table, classes)
    plain = [int(value) for content in contents if not content.palette for value in content.values]
    highest = max((index for index in (*colour_of, *plain) if index != IGNORED), default=0)
    if highest >= classes:
        name = next(c.name for c in contents if highest in {*(entry[0] for entry in c.palette), *c.values.tolist()})
        raise InputError(
            f"{where}: masks hold class {highest} ({name}), but there are {classes} classes (0 to {classes - 1}): "
            "correct the masks or the number of classes",
            "classes", "mask_values",
        )  # fmt: skip
    return make_choice("indices,classes")


def _ask_for_colours(where: str, table: ValueTable, classes: int) -> InputError:
    is_noisy = are_noisy(table)
    frequent = main_colours(table)[0] if is_noisy else table.values[np.argsort(-table.pixels)]
    order = sorted(frequent[:classes], key=lambda colour: colour != 0)
    listed = "nearest," * is_noisy + ",".join(f"{name_value(colour, True)}:{i}" for i, colour in enumerate(order))
    return InputError(
        f"{where}: masks are in colours ({table.describe(True)}), which hold no class indices: give each colour its "
        f"class, such as {listed}, or name CVAT's labelmap.txt",
        "mask_values",
    )
