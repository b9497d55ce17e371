"""Files that have the names of images and could be their masks, though no word says so."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ..images.image_file import read_raw
from ..options import DataOptions
from .choice import PLAIN, pattern_of
from .items import CHOSEN, Item, Match, Matching
from .matching import match_items
from .names import folder_pattern, place_of, without_split
from .sorting import PHOTO_SUFFIXES

MAX_FOLDERS = 8
"""Most folders that could hold images and several kinds of masks."""
MAX_MASK_VALUES = 32
"""A file of more values is a photograph, unless it has areas of one value, as masks of numbered objects do."""
MIN_FLAT = 0.5
"""Smallest fraction of a mask's pixels, outside of its background, that equal the next."""
MIN_INSIDE = 0.2
"""Smallest fraction of a photograph's pixels that are no background: compression blurs masks of small objects."""
MIN_FRACTION = 0.8
"""Smallest fraction of a folder's files that have the names of images, and of those images."""


def find_lookalikes(
    root: Path, images: Sequence[Item], masks: Sequence[Item], matching: Matching, options: DataOptions
) -> dict[str, list[Item]]:
    """Find unpaired files that could be masks of images.

    Args:
        root: the folder.
        images: the images, those that could be masks included.
        masks: the masks.
        matching: the images' masks.
        options: with patterns, nothing is looked for.

    Returns:
        Files that are neither images nor masks, since others surely are the masks, by that reason.

    Raises:
        InputError: only the user can tell whether they are the masks.
    """
    if options.images or options.masks:
        return {}
    alone = [image for image in images if not image.place.role and not matching.of(image)]
    partners = [image for image in images if image.place.role or matching.of(image)]
    left_out: dict[str, list[Item]] = defaultdict(list)
    if partners or masks:
        candidates = [*_folders(alone, partners)]
    else:
        candidates = [*_twin_folders(alone), *_twin_suffixes(alone), *_affixes(alone)]
    for found in candidates:
        known = next((matches for image in found.images if (matches := matching.of(image))), [])
        if known and known[0].mask.kind.words not in PLAIN:
            left_out[f"left out, as {pattern_of(known[0], known) or 'others'} are the masks"] += found.files
        elif not (_are_photos(found.files) and (known or _are_photos(found.images))):
            raise found.question(root, known)
    return left_out


@dataclass(frozen=True)
class _Lookalikes:
    """Files that have the names of images."""

    patterns: tuple[str, ...]
    """Those of the files; then that of the images, if they could just as well be the masks."""
    files: list[Item]
    images: list[Item]

    def question(self, root: Path, masks: Sequence[Match]) -> InputError:
        """Return the question which files are the masks, given those of an image."""
        file, image = (items[0].path.relative_to(root) for items in (self.files, self.images))
        also = f", which has the mask {masks[0].mask.path.relative_to(root)}" if masks else ""
        patterns = [*self.patterns, *(pattern_of(match, masks) for match in masks)]
        choices = " or ".join(repr(pattern) for pattern in dict.fromkeys(filter(None, patterns)))
        several = len(self.patterns) > 2  # then those that aren't chosen still pass for images
        return InputError(
            f"{root}: {len(self.files)} files such as {file} have the names of images such as {image}{also}: choose "
            f"the masks by their pattern{', and the images by theirs' * several}, {choices}",
            "masks",
            *["images"] * several,
        )


def _folders(alone: Sequence[Item], images: Sequence[Item]) -> Iterator[_Lookalikes]:
    """Yield the folders whose files have the names of images in another."""
    for at in {image.place.at for image in images if image.place.role == "image"}:
        items = [item for item in alone if at < len(item.place.parts)]
        matched: dict[str, list[tuple[Item, Item]]] = defaultdict(list)
        for file, image in _match_folder(images, items, at):
            matched[file.place.parts[at]].append((file, image))
        sizes, folders = Counter(item.place.parts[at] for item in items), Counter(image.place for image in images)
        for name, pairs in matched.items():
            partners = sum(folders[place] for place in {image.place for _, image in pairs})
            if len(pairs) >= MIN_FRACTION * max(sizes[name], partners):
                yield _Lookalikes((folder_pattern(name),), [file for file, _ in pairs], [image for _, image in pairs])


def _twin_folders(alone: Sequence[Item]) -> Iterator[_Lookalikes]:
    """Yield the files of a few folders whose files have the names of those in another, if there are no other files."""
    for at in range(min((len(item.place.parts) for item in alone), default=0)):
        groups: dict[str, list[Item]] = defaultdict(list)
        for item in alone:
            groups[folder_pattern(item.place.parts[at])].append(item)
        is_split = any(not without_split(item.place.parts[at]) for item in alone) if alone[0].place.split else False
        if not 2 <= len(groups) <= MAX_FOLDERS or is_split:
            continue
        one, *others = sorted(groups, key=lambda name: (not _are_photos(groups[name]), name))
        pairs = [_match_folder(groups[one], groups[other], at) for other in others]
        if all(
            len(p) >= MIN_FRACTION * max(len(groups[one]), len(groups[o])) for p, o in zip(pairs, others, strict=True)
        ):
            yield _Lookalikes((*others, one), [file for p in pairs for file, _ in p], [image for _, image in pairs[0]])


def _match_folder(images: Sequence[Item], files: Sequence[Item], at: int) -> list[tuple[Item, Item]]:
    """Match files with images if part `at` of the files' paths is taken for a folder of masks."""
    places = [place_of(item.place.parts, bool(item.place.split), at=at) for item in files]
    masks = {Item(i.path, i.stem, place, CHOSEN): i for i, place in zip(files, places, strict=True)}
    found = match_items(images, [*masks]).matches
    return [(masks[match.mask], image) for image, matches in found.items() for match in matches]


def _twin_suffixes(alone: Sequence[Item]) -> Iterator[_Lookalikes]:
    """Yield the files of one of two suffixes, if each file has a partner with the other."""
    suffixes: dict[str, dict[tuple[Path, str], Item]] = defaultdict(dict)
    for item in alone:
        suffixes[item.path.suffix][item.path.parent, item.stem] = item
    if len(suffixes) == 2:
        (one, images), (other, files) = sorted(suffixes.items(), reverse=True)
        if images.keys() == files.keys():
            yield _Lookalikes((f"*{other}", f"*{one}"), [*files.values()], [*images.values()])


def _are_photos(items: Sequence[Item]) -> bool:
    """True if the suffixes of some files, or the content of the first, are a photograph's."""
    return any(item.path.suffix.lower() in PHOTO_SUFFIXES for item in items) or looks_like_photo(items[0].path)


def looks_like_photo(path: Path) -> bool:
    """True if an image has many values, and its neighbouring pixels differ outside of its background."""
    try:
        pixels = read_raw(path).pixels
    except InputError:
        return False
    band = pixels if pixels.ndim == 2 else pixels[..., 0]
    values, counts = np.unique(band, return_counts=True)
    one, other = band[:, :-1], band[:, 1:]
    background = values[counts.argmax()]
    inside = (one != background) | (other != background)
    if len(values) <= MAX_MASK_VALUES or inside.sum() < MIN_INSIDE * band.size:
        return False
    return bool((one == other)[inside].mean() < MIN_FLAT)


def _affixes(alone: Sequence[Item]) -> Iterator[_Lookalikes]:
    """Yield the files that have the names of images beside them with an affix, the same for all."""
    names = {(item.place, item.stem): item for item in alone}
    fits: dict[tuple[str, str], list[tuple[Item, Item]]] = defaultdict(list)
    for item in alone:
        for base, affix in _cuts(item.stem):
            if image := names.get((item.place, base)):
                fits[affix, item.path.suffix].append((item, image))
                break
    bases = len(alone) - sum(map(len, fits.values()))
    for (affix, suffix), pairs in fits.items():
        if not affix.strip("*-_. ").isdecimal() and len(pairs) >= MIN_FRACTION * bases:
            yield _Lookalikes((f"{affix}{suffix}",), [item for item, _ in pairs], [image for _, image in pairs])


def _cuts(stem: str) -> Iterator[tuple[str, str]]:
    """Yield what a name may be without an affix, and the affix as a pattern: 1_x is 1 and *_x, p1 is 1 and p*."""
    for cut in reversed([i for i, letter in enumerate(stem) if letter in "-_. "]):
        yield stem[:cut], f"*{stem[cut:]}"
    if found := re.fullmatch(r"(\D+)(\d+)", stem):
        yield found[2], f"{found[1]}*"
