"""The images of a folder with all candidates for their masks."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..images.image_formats import is_image
from .annotated import ANNOTATION, Annotations, match_named, read_annotations
from .items import Item, Matching
from .matching import match_items
from .names import EXTRA, IMAGE, INSTANCE, MASK, MASK_AFFIX, SPLITS, Place, remove_words, without_affix
from .sorting import Layout, Sorter

COLOUR = re.compile(r"colou?rs?")


@dataclass
class Folder:
    """What is found in a folder before masks are chosen."""

    layout: Layout
    matching: Matching
    annotations: Annotations = field(default_factory=Annotations)
    left_out: set[Item] = field(default_factory=set)
    """Images whose annotations outline nothing."""
    remarks: list[str] = field(default_factory=list)


def scan(sorter: Sorter, files: Sequence[Path], annotations: bool = True) -> Folder:
    """Sort files and match them by name.

    Args:
        sorter: that of the folder.
        files: files below it.
        annotations: read annotation files.

    Raises:
        InputError: a pattern matches no file, or an annotation file can't be read.
    """
    layout = sorter.sort(files)
    if not layout.images and layout.masks and sorter.by_folder:
        # A folder of masks alone, or one whose name says "labels" and that holds the images, too.
        by_name = scan(replace(sorter, by_folder=False), files, annotations)
        if by_name.matching.matches:
            return by_name
    matching = _match_extras(layout)
    folder = Folder(layout, matching)
    if annotations:
        folder.annotations = read_annotations(layout.annotations, sorter, layout.images)
    match_items(layout.images, layout.masks + folder.annotations.items, matching)
    _sort_again(folder, sorter)
    if annotations:
        named = [file for file in folder.annotations.files if not file.of_one_image]
        folder.left_out, folder.remarks = match_named(named, layout.images, sorter, matching)
        _leave_out(folder)
    return folder


def _match_extras(layout: Layout) -> Matching:
    """Match what is no mask, such as depth; what has no image beside it is an image itself."""
    extras = [mask for mask in layout.masks if not mask.kind.rank]
    if not layout.images:  # then those in colour are, beside depth
        layout.images += [extra for extra in extras if COLOUR.fullmatch(extra.kind.words)]
        extras = [extra for extra in extras if extra not in layout.images]
    matching = match_items(layout.images, extras) if layout.images and extras else Matching()
    matching.conflicts.clear()
    layout.masks = [mask for mask in layout.masks if mask.kind.rank]
    masks = {(mask.place, mask.stem) for mask in layout.masks}
    for extra in extras:
        if (extra.place, without_affix(extra.stem, MASK_AFFIX)) in masks:
            layout.unread["left out, as they show masks"].append(extra.path)
        elif extra not in matching.taken and is_image(extra.path):
            layout.images.append(extra)
    return matching


def _sort_again(folder: Folder, sorter: Sorter) -> None:
    """Sort by their own names the files in a folder such as "mask off" of which none is the mask of an image."""
    layout, matching = folder.layout, folder.matching
    known = {"/".join(mask.place.parts[:end]) for mask in matching.taken for end in range(len(mask.place.parts) + 1)}
    beside = {image.place.parts[: image.place.at] for image in layout.images if image.place.role == "image"}
    doubtful = [
        mask for mask in layout.masks
        if mask.folder and mask.folder not in known and mask.place.parts[: mask.place.at] not in beside
        and not _is_word(mask.place)
    ]  # fmt: skip
    if not doubtful or sorter.options.masks:
        return
    again = replace(sorter, by_folder=False).sort([mask.path for mask in doubtful])
    left = set(doubtful)
    layout.masks = [mask for mask in layout.masks if mask not in left] + again.masks
    layout.images += again.images
    match_items(again.images, again.masks + [m for m in layout.masks if m not in matching.taken], matching)


def _is_word(place: Place) -> bool:
    """True if the name of the folder that makes files masks is no more than a word for them."""
    return not remove_words(place.parts[place.at], MASK, IMAGE, INSTANCE, EXTRA, *SPLITS.values())


def _leave_out(folder: Folder) -> None:
    """Take out the matches with annotation files that leave their image out."""
    for image, matches in folder.matching.matches.items():
        for match in [m for m in matches if m.mask.kind == ANNOTATION and m.mask.annotation is None]:
            matches.remove(match)
            folder.left_out.add(image)
    folder.matching.matches = {image: found for image, found in folder.matching.matches.items() if found}


def image_keys(folder: Folder) -> dict[Item, str]:
    """Return the name of each image: its path, without words for images where mask files belong to its folder."""
    images, matching = folder.layout.images, folder.matching
    shown = {image.place for image in images if any(not match.mask.annotation for match in matching.of(image))}
    keys = {i: "/".join((*(i.place.shown if i.place in shown else i.place.exact), i.stem)) for i in images}
    owners: dict[tuple[str, str], set[str]] = defaultdict(set)
    for image, key in keys.items():
        owners[image.place.split, key].add("/".join((*image.place.parts, image.stem)))
    for image, key in keys.items():
        if len(owners[image.place.split, key]) > 1:
            keys[image] = "/".join((*image.place.parts, image.stem))
    return keys
