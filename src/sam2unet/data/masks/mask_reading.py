"""How a set of masks is read: one reading for all of them, or a question where several are possible."""

from collections.abc import Iterable, Sequence

from ...errors import InputError, name_some
from ..options import DataOptions
from .class_reading import read_classes
from .colour_reading import read_colours
from .grey_reading import read_greys
from .mask_values import MaskReading, parse_mask_values
from .stored_mask import MaskContent
from .value_table import ReadingChoice, ValueTable, describe_values, ignore_negatives, make_choice

REMARK_ON_ALPHA = "the transparency of masks is read: what is opaque is the object"


def choose_reading(where: str, contents: Sequence[MaskContent], options: DataOptions) -> ReadingChoice:
    """Choose how the masks of a set are read.

    Args:
        where: the set's name, for messages.
        contents: of all its masks.
        options: `mask_values` and `instances` decide; else the values do.

    Raises:
        InputError: several readings are possible, or none; the message shows them.
    """
    if options.mask_values is not None:
        return ReadingChoice(parse_mask_values(options.mask_values, options.class_names))
    stored = [content for content in contents if not content.is_drawn]
    if options.instances:
        return make_choice("foreground=any" + ignore_negatives(ValueTable(stored)))
    if not stored:
        return make_choice("classes")
    transparent = [content for content in stored if content.alpha and not content.alpha.is_redundant]
    if transparent and any(content.alpha and len(content.alpha.values) > 1 for content in stored):
        return _read_transparency(where, stored, transparent)
    if options.classes > 1:
        return read_classes(where, stored, options.classes)
    shown = [content for content in stored if len(content.values) > (content.values[:1] == 0).sum()]
    if not shown:
        return make_choice("foreground=any")
    if any(content.is_colour for content in shown):
        return read_colours(where, shown)
    return read_greys(where, shown, len(shown) < len(stored))


def describe_reading(reading: MaskReading, contents: Iterable[MaskContent]) -> str:
    """Return a sentence that says how masks are read, and which values they hold."""
    contents = list(contents)
    stored = [content for content in contents if not content.is_drawn]
    if contents and not stored:
        return "Masks are drawn from annotations"
    values = f"; their values: {describe_values(stored)}" if stored else ""
    return f"Masks are read as {reading}{values}"


def _read_transparency(where: str, stored: Sequence[MaskContent], transparent: Sequence[MaskContent]) -> ReadingChoice:
    if all(content.alpha and content.alpha.is_mask for content in stored):
        highest = max(int(content.alpha.values[-1]) for content in stored if content.alpha)
        return make_choice("alpha" if highest == 255 else f"alpha={highest}", REMARK_ON_ALPHA)
    raise InputError(
        f"{where}: masks are partly transparent ({name_some([c.name for c in transparent])}), and their transparency "
        "shows something else than their colours: set mask_values to alpha (opaque is the object), or to "
        "foreground=any (every colour but black is), or save them without transparency",
        "mask_values",
    )
