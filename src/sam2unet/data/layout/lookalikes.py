"""Files that have the names of images and could be their masks, though no word says so."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ..options import DataOptions
from .choice import PLAIN, pattern_of
from .items import CHOSEN, Item, Match, Matching
from .matching import match_items
from .names import folder_pattern, place_of, split_of
from .sorting import PHOTO_SUFFIXES

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
        elif not (any(map(_is_photo, found.files)) and (known or any(map(_is_photo, found.images)))):
            raise found.question(root, known)
    return left_out


@dataclass(frozen=True)
class _Lookalikes:
    """Files that have the names of images."""

    pattern: str
    files: list[Item]
    images: list[Item]
    other_pattern: str = ""
    """Of the images, if they could just as well be the masks."""

    def question(self, root: Path, masks: Sequence[Match]) -> InputError:
        """Return the question which files are the masks, given those of an image."""
        file, image = (items[0].path.relative_to(root) for items in (self.files, self.images))
        also = f", which has the mask {masks[0].mask.path.relative_to(root)}" if masks else ""
        patterns = [self.pattern, self.other_pattern, *(pattern_of(match, masks) for match in masks)]
        choices = " or ".join(repr(pattern) for pattern in dict.fromkeys(filter(None, patterns)))
        return InputError(
            f"{root}: {len(self.files)} files such as {file} have the names of images such as {image}{also}: choose "
            f"the masks by their pattern, {choices}",
            "masks",
        )


def _folders(alone: Sequence[Item], images: Sequence[Item]) -> Iterator[_Lookalikes]:
    """Yield the folders whose files have the names of images in another."""
    for at in {image.place.at for image in images if image.place.role == "image"}:
        items = [item for item in alone if at < len(item.place.parts)]
        places = [place_of(item.place.parts, bool(item.place.split), at=at) for item in items]
        masks = {Item(i.path, i.stem, place, CHOSEN): i for i, place in zip(items, places, strict=True)}
        matched: dict[str, list[tuple[Item, Item]]] = defaultdict(list)
        for image, matches in match_items(images, [*masks]).matches.items():
            for match in matches:
                matched[match.mask.place.parts[at]].append((masks[match.mask], image))
        sizes, folders = Counter(item.place.parts[at] for item in items), Counter(image.place for image in images)
        for name, pairs in matched.items():
            partners = sum(folders[place] for place in {image.place for _, image in pairs})
            if len(pairs) >= MIN_FRACTION * max(sizes[name], partners):
                yield _Lookalikes(folder_pattern(name), [file for file, _ in pairs], [image for _, image in pairs])


def _twin_folders(alone: Sequence[Item]) -> Iterator[_Lookalikes]:
    """Yield one of two folders whose files have the same names, if there are no other files."""
    for at in (0, 1):
        groups: dict[str, dict[tuple[str, ...], Item]] = defaultdict(dict)
        for item in alone:
            parts = item.place.parts
            groups["".join(parts[at : at + 1])][(*parts[:at], *parts[at + 1 :], item.stem)] = item
        if len(groups) == 2 and "" not in groups and not any(split_of([name]) for name in groups):
            (one, images), (other, files) = sorted(
                groups.items(), key=lambda g: -sum(_is_photo(i) for i in g[1].values())
            )
            both = images.keys() & files.keys()
            if len(both) >= MIN_FRACTION * max(len(images), len(files)):
                yield _Lookalikes(
                    f"{other}/*",
                    [files[k] for k in files if k in both],
                    [images[k] for k in images if k in both],
                    f"{one}/*",
                )


def _twin_suffixes(alone: Sequence[Item]) -> Iterator[_Lookalikes]:
    """Yield the files of one of two suffixes, if each file has a partner with the other."""
    suffixes: dict[str, dict[tuple[Path, str], Item]] = defaultdict(dict)
    for item in alone:
        suffixes[item.path.suffix][item.path.parent, item.stem] = item
    if len(suffixes) == 2:
        (one, images), (other, files) = sorted(suffixes.items(), reverse=True)
        if images.keys() == files.keys():
            yield _Lookalikes(f"*{other}", [*files.values()], [*images.values()], f"*{one}")


def _is_photo(item: Item) -> bool:
    return item.path.suffix.lower() in PHOTO_SUFFIXES


def _affixes(alone: Sequence[Item]) -> Iterator[_Lookalikes]:
    """Yield the files that have the names of images beside them with an affix, the same for all."""
    names = {(item.place, item.stem): item for item in alone}
    fits: dict[tuple[str, str], list[tuple[Item, Item]]] = defaultdict(list)
    for item in alone:
        cuts = [i for i, letter in enumerate(item.stem) if letter in "-_. "]
        base = next((names[key] for cut in reversed(cuts) if (key := (item.place, item.stem[:cut])) in names), None)
        if base:
            fits[item.stem[len(base.stem) :], item.path.suffix].append((item, base))
    bases = len(alone) - sum(map(len, fits.values()))
    for (affix, suffix), pairs in fits.items():
        if not affix.strip("-_. ").isdecimal() and len(pairs) >= MIN_FRACTION * bases:
            yield _Lookalikes(f"*{affix}{suffix}", [item for item, _ in pairs], [base for _, base in pairs])
