"""Pairs of image and mask in a folder, and what else it holds."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import InputError
from ..images.image_formats import is_mask_file
from ..options import DataOptions
from ..sources import ImageSource, MaskSource
from .annotated import Numbering
from .choice import Chosen, choose_masks
from .lookalikes import find_lookalikes
from .names import Words
from .pair_list import read_pair_list, row_keys
from .scan import Folder, image_keys, scan
from .sorting import Sorter, describe_unread
from .stacks import split_pages
from .walk import walk

DEFAULTS = DataOptions()


@dataclass(frozen=True)
class Pair:
    """An image and its mask; `key` is the image's path below its folder, with "/" and without suffix."""

    key: str
    image: ImageSource
    mask: MaskSource


@dataclass
class Listing:
    """The pairs of a folder and all other files, by split: "train", "val", "test", or "" if no folder names one."""

    root: Path
    pairs: dict[str, list[Pair]] = field(default_factory=lambda: defaultdict(list))
    unpaired_images: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    unpaired_masks: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    unread: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    """Every other file in the folder but documents, by the reason why it isn't read: "3 files are REASON"."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Number of shapes in annotations that aren't drawn, by reason."""
    remarks: list[str] = field(default_factory=list)
    """Sentences on how the folder was read."""


def find_pairs(root: str | Path, options: DataOptions = DEFAULTS) -> Listing:
    """Match the images and masks below a folder by name, in any layout.

    A folder with a word such as `images`, `Imgs`, `GT`, `masks` or `labels` in its name (`train_masks`,
    `DUTS-TR-Mask`) decides whether its files are images or masks; the innermost such folder wins. Elsewhere a file's
    own name decides (`a_mask.png` beside `a.jpg`); a file whose name says nothing is an image. The files of a pair have
    the same name and the same folders once these words, and what all names of a folder have in common, are removed.
    Annotation files provide masks for the images that they name. Where several files could be the mask, only the user
    knows; several masks of one kind are united. Files of several pages are pairs of pages.

    Args:
        root: the folder.
        options: patterns of images and masks, or a list of pairs, decide before names do.

    Raises:
        InputError: no such folder, no image in it, an ambiguous name, or several candidates for the masks.
    """
    root = Path(root)
    listing = _list_pairs(root, options) if options.pairs else pair_up(root, walk(root), options)
    if not any((listing.pairs, listing.unpaired_images, listing.unpaired_masks)):
        raise InputError(
            f"{root}: holds no images{describe_unread(listing.unread)}: choose a folder with pairs such as "
            "images/a.jpg and masks/a.png"
        )
    return listing


def pair_up(
    root: Path,
    files_below: Iterable[Path],
    options: DataOptions = DEFAULTS,
    ignored_words: Sequence[Words] = (),
) -> Listing:
    """Match some of the files below a folder, as `find_pairs` does.

    Args:
        root: the folder.
        files_below: the files.
        options: see `find_pairs`.
        ignored_words: patterns that are removed from the names of folders before matching.

    Raises:
        InputError: see `find_pairs`.
    """
    folder = scan(Sorter(root, options, split=True, ignored_words=tuple(ignored_words)), list(files_below))
    if options.masks and folder.layout.masks and not folder.layout.images:
        raise InputError(f"{root}: the pattern {options.masks!r} matches all images: narrow it to the masks", "masks")
    for conflict in folder.matching.conflicts:
        raise conflict
    chosen = choose_masks(root, folder.matching, options)
    others = find_lookalikes(root, folder.layout.images, folder.layout.masks, folder.matching, options)
    for reason, items in others.items():
        chosen.left_out[reason] += [item.path for item in items]
        left_out = set(items)
        folder.layout.images = [image for image in folder.layout.images if image not in left_out]
    if not chosen.masks:
        folder.annotations.check()
    return _list_folder(root, folder, chosen, options)


def _list_folder(root: Path, folder: Folder, chosen: Chosen, options: DataOptions) -> Listing:
    listing = Listing(root, skipped=folder.annotations.skipped)
    listing.remarks += [*folder.remarks, *chosen.remarks, *_describe_names(root, folder)]
    numbering = Numbering(folder.annotations.files, options)
    keys = image_keys(folder)
    for image in folder.layout.images:
        mask = chosen.masks.get(image)
        if mask is not None:
            split = image.place.split or chosen.items[image].place.split
            listing.pairs[split] += _split_pair(keys[image], image.path, numbering.complete(mask, image.path), options)
        elif image in folder.left_out:
            listing.unread["left out, as their annotations outline no object"].append(image.path)
        else:
            listing.unpaired_images[image.place.split].append(image.path)
    for item in (*folder.layout.masks, *folder.annotations.items):
        if item.annotation and not item.annotation.shapes and item not in folder.matching.taken:
            folder.annotations.unread.append(item.path)  # an empty text file, perhaps
        elif item not in folder.matching.taken:
            listing.unpaired_masks[item.place.split].append(item.path)
    for reason, files in (*folder.layout.unread.items(), *chosen.left_out.items()):
        listing.unread[reason] += files
    found = folder.annotations
    for reason, files in (
        ("not annotations that can be read here", found.unread),
        ("annotations without outlines", found.without_outline),
        ("lists of names, which are not followed; folders train, val and test, or a list of pairs, tell the split",
         found.lists),
    ):  # fmt: skip
        if files:
            listing.unread[reason] += files
    return listing


def _describe_names(root: Path, folder: Folder) -> Iterable[str]:
    """Yield sentences on pairs whose names alone would not do."""
    layout, folded = folder.layout, folder.matching.folded
    if layout.by_suffix:
        example = next(item.path for item in layout.masks if item.kind.words == "suffix")
        yield (
            f"{layout.by_suffix} files such as {example.relative_to(root)} are taken for masks, since a photograph of "
            "the same name lies beside each"
        )
    if folded:
        image, mask = folded[0]
        yield (
            f"{len(folded)} pairs have names that differ in case, in spaces or in how accents are written, such as "
            f"{image.path.relative_to(root)} and {mask.path.relative_to(root)}"
        )

    if numbered := folder.matching.numbered:
        image, mask = numbered[0]
        yield (
            f"{len(numbered)} pairs have only a number in common, such as {image.path.relative_to(root)} and "
            f"{mask.path.relative_to(root)}"
        )


def _list_pairs(root: Path, options: DataOptions) -> Listing:
    """List the pairs that a CSV file names."""
    assert options.pairs
    rows, listing = read_pair_list(options.pairs, root), Listing(root)
    keys = row_keys(rows, root)
    for row in rows:
        if row.mask is None:
            listing.unpaired_images[row.split].append(row.image)
        else:
            listing.pairs[row.split] += _split_pair(keys[row.image], row.image, row.mask, options)
    listed = {file.resolve() for row in rows for file in (row.image, row.mask) if file}
    rest = [path for path in walk(root) if is_mask_file(path) and path.resolve() not in listed]
    if rest:
        listing.unread[f"not listed in {options.pairs.name}"] = rest
    return listing


def _split_pair(key: str, image: Path, mask: MaskSource, options: DataOptions) -> list[Pair]:
    return [Pair(*page) for page in split_pages(key, image, mask, options.layers)]
