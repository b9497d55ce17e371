"""Images alone, masks alone, and other files that belong to them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...errors import InputError
from ..images.image_formats import is_image, is_mask_file, stem_of
from ..options import DataOptions
from ..sources import MaskSource, files_of
from .annotated import Numbering
from .choice import choose_masks
from .glob_patterns import choose
from .items import CHOSEN, PREDICTION, Item
from .lookalikes import find_lookalikes, looks_like_photo
from .matching import match_items
from .names import Place, place_of
from .pair_list import read_pair_list, row_keys
from .scan import Folder, image_keys, scan
from .sorting import Sorter, describe_unread
from .stacks import page_name, pages_of, split_pages
from .walk import walk

DEFAULTS = DataOptions()
NUM_LOOKED_AT = 8
"""Files that are read to tell whether a folder holds photographs."""


def find_images(
    root: Path, problems: list[str] | None = None, without: Path | None = None, options: DataOptions = DEFAULTS
) -> dict[str, Path]:
    """Find the images below a folder, by key; masks are left out unless nothing pairs.

    Args:
        root: the folder.
        problems: receives a sentence for each unreadable folder and for each two images of the same name, both of which
            are then left out; without it, the first raises InputError.
        without: a folder in it to skip.
        options: `images` and `masks` decide before names do.

    Raises:
        InputError: no such folder.
    """
    folder = scan(Sorter(root, options, split=False), [*walk(root, problems, without)], annotations=False)
    layout, matching = folder.layout, folder.matching
    fits_none = [mask for mask in layout.masks if mask not in matching.taken and is_image(mask.path)]
    if not (matching.taken or layout.images):
        layout.images += fits_none
    elif not options.masks:
        # A name such as gas_mask.png makes a mask only beside its image; a folder named masks/ beside any.
        layout.images += [mask for mask in fits_none if mask.place.role != "mask"]
    return _by_key(image_keys(folder), problems)


def _by_key(keys: Mapping[Item, str], problems: list[str] | None) -> dict[str, Path]:
    found: dict[str, list[Path]] = defaultdict(list)
    for image, key in sorted(keys.items(), key=lambda item: item[0].path):
        found[key].append(image.path)
    for first, *others in found.values():
        for other in others:
            error = f"{first} and {other} have the same name: rename or remove one of them"
            if problems is None:
                raise InputError(error)
            problems.append(error)
    return {key: paths[0] for key, paths in found.items() if len(paths) == 1}


def find_files(root: Path) -> dict[str, Path]:
    """Find all image files below a folder by their paths in it, without suffix.

    Raises:
        InputError: no such folder, or two files differ in their suffix only.
    """
    sorter = Sorter(root, DEFAULTS, split=False)
    files = [path for path in walk(root) if is_image(path)]
    items = [Item(path, stem_of(path), sorter.place(path), PREDICTION) for path in files]
    return _by_key({item: "/".join((*item.place.parts, item.stem)) for item in items}, None)


def find_masks(
    root: Path, options: DataOptions = DEFAULTS, named: Mapping[str, Path] | None = None
) -> dict[str, MaskSource]:
    """Find the masks below a folder, by the key of their image, or by their own if there is none.

    Where neither images nor words tell which files are masks, every file is one.

    Args:
        root: the folder.
        options: see `find_pairs`.
        named: files such as predictions, by key. In a folder of masks only, masks of several files, such as one for
            each object, are united by these names.

    Raises:
        InputError: see `find_pairs`; or the folder holds images, but no masks.
    """
    if options.pairs:
        return _find_listed(root, options.pairs, options)
    folder = scan(Sorter(root, options, split=False), [*walk(root)])
    images, masks = folder.layout.images, folder.layout.masks + folder.annotations.items
    if not folder.matching.matches:
        masks += _images_as_masks(root, folder, options)
        images = [Item(path, stem_of(path), _place(key), PREDICTION) for key, path in (named or {}).items()]
        keys = dict(zip(images, named or (), strict=True))
        folder.matching = match_items(images, masks)
    else:
        find_lookalikes(root, images, masks, folder.matching, options)
        keys = image_keys(folder)
    for conflict in folder.matching.conflicts:
        raise conflict
    chosen, numbering = choose_masks(root, folder.matching, options), Numbering(folder.annotations.files, options)
    found: dict[str, MaskSource] = {}
    for image, mask in chosen.masks.items():
        if image.kind == PREDICTION:  # its own pages say nothing about those of the mask
            found[keys[image]] = mask
        else:
            complete = numbering.complete(mask, image.path)
            found |= {key: page for key, _, page in split_pages(keys[image], image.path, complete, options.layers)}
    rest = {mask: "/".join((*mask.place.shown, mask.stem)) for mask in masks if mask not in folder.matching.taken}
    for key, path in _by_key(rest, None).items():
        pages = pages_of(path, options.layers)
        found |= {page_name(key, page): page for page in pages} if pages else {key: path}
    if folder.layout.images and not found:
        folder.annotations.check()
        raise _only_images(root, folder, folder.layout.images[0])
    return found


def _find_listed(root: Path, file: Path, options: DataOptions) -> dict[str, MaskSource]:
    rows = read_pair_list(file, root)
    keys = row_keys(rows, root)
    pages = (split_pages(keys[row.image], row.image, row.mask, options.layers) for row in rows if row.mask)
    return {key: mask for pairs in pages for key, _, mask in pairs}


def _place(key: str) -> Place:
    return place_of(tuple(key.split("/")[:-1]), split=False)


def _images_as_masks(root: Path, folder: Folder, options: DataOptions) -> list[Item]:
    """Return the files of which nothing says that they are images, where no image has a mask.

    Raises:
        InputError: there are only images, or only the user can tell which files are masks.
    """
    images, masks = folder.layout.images, folder.layout.masks
    if folder.annotations.items or any(mask.place.role == "mask" for mask in masks):
        return []
    sample = images[:: -(-len(images) // NUM_LOOKED_AT) or 1]
    photos = [image for image in sample if image.place.role == "image" or looks_like_photo(image.path)]
    if photos:
        find_lookalikes(root, images, masks, folder.matching, options)
        folder.annotations.check()
        raise _only_images(root, folder, photos[0], [image for image in sample if image not in photos])
    return list(images)


def _only_images(root: Path, folder: Folder, photo: Item, others: Sequence[Item] = ()) -> InputError:
    """Return the error that a folder holds images, and perhaps other files, but none that is known as a mask."""
    reasons = list(folder.remarks)
    if others:
        files = ", ".join(str(item.path.relative_to(root)) for item in others[:2])
        reasons.append(f"no word in the names of files such as {files} says that they are some")
    if special := [match.mask for matches in folder.matching.matches.values() for match in matches]:
        reasons.append(f"{special[0].path.relative_to(root)} is left out, as its name means no mask")
    unread = {"not annotations that can be read here": folder.annotations.unread, **folder.layout.unread}
    found = f" ({'; '.join(reasons)})" if reasons else ""
    return InputError(
        f"{root}: holds {len(folder.layout.images)} image(s), such as {photo.path.relative_to(root)}, but no masks"
        f"{found}{describe_unread(unread)}: name the folder of the masks, or choose them by a pattern",
        "masks",
    )


def match(images: Mapping[str, Path], masks: Mapping[str, MaskSource]) -> dict[str, str]:
    """Return the mask's key for each image's or prediction's key that has one.

    Args:
        images: by key.
        masks: by key.

    Raises:
        InputError: two masks fit an image, or two images a mask.
    """
    items = {Item(path, _last(key), _place(key), PREDICTION): key for key, path in images.items()}
    others = {Item(files_of(mask)[0], _last(key), _place(key), CHOSEN): key for key, mask in masks.items()}
    found = match_items([*items], [*others])
    for conflict in found.conflicts:
        raise conflict
    for matches in found.matches.values():
        if len(matches) > 1:
            one, other = (match.mask.path for match in matches[:2])
            raise InputError(f"{one} and {other} have the same name: rename or remove one of them")
    return {items[image]: others[matches[0].mask] for image, matches in found.matches.items()}


def match_files(keys: Iterable[str], root: Path, pattern: str, parameter: str = "roi") -> dict[str, Path]:
    """Find the file for each image that a pattern matches, such as its region of interest.

    Args:
        keys: the images' keys.
        root: the folder.
        pattern: of the files; see `glob_patterns.matches`.
        parameter: name of the parameter that holds the pattern.

    Returns:
        The files by key; a key without file is left out.

    Raises:
        InputError: the pattern matches no file, or two for one image.
    """
    files = choose(pattern, root, [path for path in walk(root) if is_mask_file(path)], parameter)
    sorter = Sorter(root, DataOptions(masks=pattern), split=False)
    images = {Item(Path(key), _last(key), _place(key), PREDICTION): key for key in keys}
    found = match_items([*images], [Item(path, stem_of(path), sorter.chosen_place(path), CHOSEN) for path in files])
    for image, matches in found.matches.items():
        if len(matches) > 1:
            one, other = (match.mask.path for match in matches[:2])
            raise InputError(f"{one} and {other} both fit {images[image]}: narrow the pattern {pattern!r}", parameter)
    return {images[image]: matches[0].mask.path for image, matches in found.matches.items()}


def _last(key: str) -> str:
    return key.rpartition("/")[2]
