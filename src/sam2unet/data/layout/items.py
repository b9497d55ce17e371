"""Files and what their names say, and the masks of images."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import InputError
from ..annotations import Annotation
from .names import Kind, Place

PREDICTION = Kind("prediction", 2)
CHOSEN = Kind("chosen", 2)
"""Of masks that a pattern of the user's matches."""


@dataclass(eq=False, slots=True)
class Item:
    """A file, and what its name says."""

    path: Path
    stem: str
    place: Place
    kind: Kind
    """Of a mask; without meaning for an image."""
    annotation: Annotation | None = None

    @property
    def folder(self) -> str:
        """The folder that makes it a mask, or "" if its own name does."""
        return "/".join(self.place.parts[: self.place.at + 1])


@dataclass(frozen=True, slots=True)
class Match:
    """A mask of an image, and what their names don't have in common."""

    mask: Item
    affix: str = ""
    """What the mask's name has beside the image's, as a pattern without its number: "*_mask" or "gt-*"."""
    part: str = ""
    """The part of the image that the mask shows, such as a class: the name of a folder below masks/, or an affix."""


@dataclass
class Matching:
    """The masks of each image."""

    matches: dict[Item, list[Match]] = field(default_factory=lambda: defaultdict(list))
    conflicts: list[InputError] = field(default_factory=list)
    """Masks that fit several images."""
    folded: list[tuple[Item, Item]] = field(default_factory=list)
    """Images and masks whose names differ in case, spaces or Unicode form."""
    numbered: list[tuple[Item, Item]] = field(default_factory=list)
    """Images and masks that have nothing but a number in common."""
    taken: set[Item] = field(default_factory=set)
    """The masks in `matches` and `conflicts`."""

    def of(self, image: Item) -> list[Match]:
        """Return the masks of an image, without what is no mask, such as depth."""
        return [match for match in self.matches.get(image, ()) if match.mask.kind.rank]
