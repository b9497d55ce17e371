"""The files of a folder, sorted by their names into images, masks, annotations and others."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from ..annotations import ANNOTATION_SUFFIXES
from ..images.image_formats import is_image, is_mask_file, missing_reader, stem_of
from ..options import DataOptions
from .glob_patterns import choose
from .items import CHOSEN, Item
from .names import (
    MASK_AFFIX,
    MASK_NUMBER,
    OBSERVER,
    Kind,
    Place,
    Words,
    kind_of_file,
    kind_of_folder,
    place_of,
    split_affix,
    without_affix,
)
from .walk import holds_table_of_annotations, is_document

PHOTO_SUFFIXES = {".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg"}
MASK_SUFFIXES = {".bmp", ".gif", ".png"}
UNREADABLE = "not images that can be read here"
NEITHER = "matched by neither pattern"
TABLES = "tables of annotations, which are not read; draw their outlines as masks first"
ARRAYS = "arrays in a folder of images, which are read as masks only; save them as PNG or TIFF"
CHANNELS = "further channels of an image"
_CHANNEL = re.compile(r"_000[1-9]$")  # nnU-Net's names


@dataclass
class Layout:
    """The files of a folder."""

    images: list[Item] = field(default_factory=list)
    masks: list[Item] = field(default_factory=list)
    annotations: list[Path] = field(default_factory=list)
    """Files that may hold annotations."""
    unread: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    """Other files, by the reason why they aren't read."""
    by_suffix: int = 0
    """Number of masks that only their suffix tells from the photograph beside them."""


@dataclass(frozen=True)
class Sorter:
    """Sorts the files of a folder by their names and those of their folders.

    Args:
        root: the folder.
        options: `images` and `masks` decide first.
        split: see `place_of`.
        ignored_words: see `place_of`.
        by_folder: False to go by the files' own names only.
    """

    root: Path
    options: DataOptions
    split: bool
    ignored_words: tuple[Words, ...] = ()
    by_folder: bool = True
    _places: dict[tuple[str, bool], Place] = field(default_factory=dict, init=False, compare=False)

    def sort(self, files: Iterable[Path]) -> Layout:
        """Sort files below the root.

        Raises:
            InputError: a pattern matches no file.
        """
        layout, options = Layout(), self.options
        readable: list[Path] = []
        others: list[Path] = []
        for path in files:
            if is_mask_file(path):
                readable.append(path)
            elif holds_table_of_annotations(path):
                layout.unread[TABLES].append(path)
            elif not is_document(path):
                others.append(path)
        texts = {path: None for path in others if path.suffix.lower() in ANNOTATION_SUFFIXES}
        images = set(choose(options.images, self.root, readable, "images")) if options.images else set[Path]()
        masks = set(choose(options.masks, self.root, [*readable, *texts], "masks")) if options.masks else set[Path]()
        layout.annotations = [path for path in texts if path in masks or not options.masks]
        for path in others:
            if path not in texts:
                missing = missing_reader(path)
                layout.unread[f"{UNREADABLE} ({missing})" if missing else UNREADABLE].append(path)
            elif options.masks and path not in masks:
                layout.unread[NEITHER].append(path)
        self._sort_images(layout, readable, images, masks - images)
        self._take_masks_without_own_words(layout)
        return layout

    def _sort_images(self, layout: Layout, files: Sequence[Path], images: set[Path], masks: set[Path]) -> None:
        """Sort image files, of which some are chosen by the user's patterns."""
        items = [Item(path, stem_of(path), self.place(path), CHOSEN) for path in files]
        kinds = self._kinds(items)
        channels, pictured = _further_channels(items), {item.place for item in items if is_image(item.path)}
        rest = []
        for item in items:
            kind = kinds[item]
            if item.path in images:
                layout.images.append(item)
            elif item.path in masks:
                layout.masks.append(Item(item.path, item.stem, self.chosen_place(item.path), CHOSEN))
            elif item.place.role == "image" and item.place not in pictured:
                layout.unread[ARRAYS].append(item.path)
            elif kind and not masks:
                item.kind = kind
                layout.masks.append(item)
            elif kind or images:
                rest.append(item)
            elif item in channels:
                layout.unread[CHANNELS].append(item.path)
            else:
                layout.images.append(item)
        if images and not masks and not layout.masks:
            layout.masks += rest
        elif rest:
            layout.unread[NEITHER] += [item.path for item in rest]

    def _kinds(self, items: Sequence[Item]) -> dict[Item, Kind | None]:
        """Return the kind of mask that each file is by its name and place; None for an image."""
        names = {(item.place, item.stem) for item in items}
        # Where images/table_edge.jpg and masks/table_edge.png exist, the word in their names means nothing.
        of_images = {item.stem for item in items if item.place.role == "image"}
        of_masks = {item.stem for item in items if item.place.role == "mask"}
        others: dict[str, set[str]] = {"image": of_masks, "mask": of_images, "": set()}
        # And gas_mask.jpg is the image of gas_mask_mask.png.
        split = ((item.place, split_affix(item.stem, MASK_AFFIX)) for item in items if item.place.role != "mask")
        images = {(place, found[0]) for place, found in split if found and not _is_masks_name(place, found[0], names)}
        return {
            item: None if (item.place, item.stem) in images else _kind(item, names, others[item.place.role])
            for item in items
        }

    def place(self, path: Path, annotations: bool = False) -> Place:
        """Return the place of a file; see `place_of`."""
        key = os.path.dirname(path), annotations  # noqa: PTH120, Path.parent takes four times as long
        if key not in self._places:
            parts = path.relative_to(self.root).parts[:-1]
            self._places[key] = place_of(parts, self.split, self.ignored_words, annotations, self.by_folder)
        return self._places[key]

    def chosen_place(self, path: Path) -> Place:
        """Return the place of a mask that the user's pattern matches, and whose folder it may name."""
        parts = path.relative_to(self.root).parts[:-1]
        words = [word for word in (self.options.masks or "").split("/") if word.strip("*")]
        at = max((i for i, part in enumerate(parts) if any(fnmatch(part, word) for word in words)), default=-1)
        return self._place_at(path, at) if at >= 0 else self.place(path)

    def _take_masks_without_own_words(self, layout: Layout) -> None:
        if not (layout.masks or self.options.masks):
            self._take_masks_by_outer_folder(layout)
        if not layout.masks:
            _take_masks_by_suffix(layout)
            if self.options.masks:  # which choose annotations, then
                layout.unread[NEITHER] += [item.path for item in layout.masks]
                layout.masks, layout.by_suffix = [], 0

    def _take_masks_by_outer_folder(self, layout: Layout) -> None:
        """Take for masks what lies in a folder for images that itself lies in one for masks: masks/img/a.png."""
        found = []
        for item in layout.images:
            outer = [i for i, part in enumerate(item.place.parts[: item.place.at]) if _is_mask_folder(part)]
            if item.place.role == "image" and outer:
                place = self._place_at(item.path, outer[-1])
                found.append(Item(item.path, item.stem, place, kind_of_folder(place.parts[outer[-1]]) or CHOSEN))
        if found and len(found) < len(layout.images):
            paths = {item.path for item in found}
            layout.images = [item for item in layout.images if item.path not in paths]
            layout.masks += found

    def _place_at(self, path: Path, at: int) -> Place:
        return place_of(path.relative_to(self.root).parts[:-1], self.split, self.ignored_words, at=at)


def describe_unread(unread: Mapping[str, Sequence[Path]]) -> str:
    """Return what isn't read and why, in brackets, with a space before; "" if everything is."""
    reasons = [
        f"{files[0].name}{f' and {len(files) - 1} more' * (len(files) > 1)}: {reason}"
        for reason, files in unread.items()
        if files
    ]
    return f" ({'; '.join(reasons)})" if reasons else ""


def _further_channels(items: Sequence[Item]) -> set[Item]:
    """Return the images such as imagesTr/a_0001.png that show another channel of labelsTr/a.png (nnU-Net)."""
    masks = {item.stem for item in items if item.place.role == "mask"}
    found = {item: item.stem[:-5] for item in items if item.place.role == "image" and _CHANNEL.search(item.stem)}
    return {item for item, base in found.items() if base in masks and item.stem not in masks}


def _kind(item: Item, names: set[tuple[Place, str]], others: set[str]) -> Kind | None:
    stem, place = item.stem, item.place
    own = None if stem in others else kind_of_file(stem)
    if place.role == "mask":
        if own and place.kind.rank and (own.rank < 2 or OBSERVER.search(own.words)):
            return Kind(f"{place.kind.words}+{own.words}", own.rank or 1)
        return place.kind
    if own and (place.role == "image" or not own.rank):
        # A name such as gas_mask or table_edge makes a mask only beside its image.
        bases = {without_affix(stem, affix) for affix in (MASK_AFFIX, MASK_NUMBER)} - {stem}
        own = own if any((place, base) in names for base in bases) else None
    return own or (None if is_image(item.path) else Kind("array", 2))


def _is_masks_name(place: Place, stem: str, names: set[tuple[Place, str]]) -> bool:
    """True if a name is that of a mask of another file beside it: a_label of a_label_instance, if there is a."""
    base = without_affix(stem, MASK_AFFIX)
    return base != stem and (not base or (place, base) in names or _is_masks_name(place, base, names))


def _is_mask_folder(part: str) -> bool:
    kind = kind_of_folder(part)
    return kind is not None and kind.rank > 0


def _take_masks_by_suffix(layout: Layout) -> None:
    """Take a.png for the mask of a.jpg in each folder where all files come in such pairs."""
    folders: dict[Path, dict[str, list[Item]]] = defaultdict(lambda: defaultdict(list))
    for item in layout.images:
        folders[item.path.parent][item.stem].append(item)
    for stems in folders.values():
        if all(_are_photo_and_mask(items) for items in stems.values()):
            masks = [i for items in stems.values() for i in items if i.path.suffix.lower() in MASK_SUFFIXES]
            taken = set(masks)
            layout.images = [item for item in layout.images if item not in taken]
            for mask in masks:
                mask.kind = Kind("suffix", 2)
            layout.masks += masks
            layout.by_suffix += len(masks)


def _are_photo_and_mask(items: Sequence[Item]) -> bool:
    suffixes = [item.path.suffix.lower() for item in items]
    return len(items) == 2 and any(s in PHOTO_SUFFIXES for s in suffixes) and any(s in MASK_SUFFIXES for s in suffixes)
