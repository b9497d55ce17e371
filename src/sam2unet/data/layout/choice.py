"""Which of several files is an image's mask: one, several together, or a question."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from ...errors import InputError
from ..annotations import Annotation
from ..options import DataOptions
from ..sources import MaskParts, MaskSource
from .annotated import ANNOTATIONS, KEYPOINTS
from .items import Item, Match, Matching
from .names import file_pattern, folder_pattern
from .stacks import pages_of

PLAIN = "masks", "mask"
"""Words that may just as well mean a field of view as an object."""


@dataclass
class Chosen:
    """The masks of images."""

    masks: dict[Item, MaskSource] = field(default_factory=dict)
    items: dict[Item, Item] = field(default_factory=dict)
    """Of each image one of its masks, for the split that it is in."""
    left_out: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    """Files that show something else than the chosen masks, by the reason."""
    remarks: list[str] = field(default_factory=list)


def choose_masks(root: Path, matching: Matching, options: DataOptions) -> Chosen:
    """Choose the mask of each image.

    Masks win over what shows something special, such as edges, instances or depth. Several files of one kind are parts
    of one mask.

    Args:
        root: the folder, for messages.
        matching: the candidates.
        options: `classes` and `class_names` number parts that are classes.

    Raises:
        InputError: several files could be the mask, or parts can't be numbered.
    """
    chosen, question = Chosen(), _Question(root)
    best = max((match.mask.kind.rank for matches in matching.matches.values() for match in matches), default=0)
    kept = {}
    for image, matches in matching.matches.items():
        winners = [match for match in matches if match.mask.kind.rank == best and best]
        if winners:
            kept[image] = winners
        others = f"{pattern_of(winners[0], matches) or 'others'} are the masks" if winners else "others are the masks"
        for match in matches:
            if match not in winners:
                left_out = chosen.left_out[f"left out, as {others if best else 'their names mean no masks'}"]
                if match.mask.path not in left_out[-1:]:  # a file of annotations has many images
                    left_out.append(match.mask.path)
    parts = {match.part for matches in kept.values() for match in matches if match.part}
    united = []
    for image, matches in kept.items():
        chosen.items[image] = matches[0].mask
        if _are_candidates(matches):
            question.add(image, matches)
        elif len(matches) > 1 or (options.classes > 1 and matches[0].part and len(parts) > 1):
            chosen.masks[image] = _unite(root, matches, parts, options)
            united.append((image, matches))
        else:
            chosen.masks[image] = source_of(matches[0].mask)
    question.raise_if_asked()
    _check_class_numbers(root, chosen, options)
    # The files of a stack are its pages.
    if several := [(i, matches) for i, matches in united if len(matches) > 1 and not pages_of(i.path, options.layers)]:
        chosen.remarks.append(_describe_union(root, several, chosen))
    return chosen


def _check_class_numbers(root: Path, chosen: Chosen, options: DataOptions) -> None:
    """Raise an InputError if masks such as Cityscapes' label images would be read as a single class."""
    numbered = [mask.path for mask in chosen.items.values() if "ids" in mask.kind.words.rpartition("label")[2]]
    if numbered and options.classes == 1 and not options.mask_values:
        raise InputError(
            f"{root}: masks such as {_below(root, numbered[0])} hold the numbers of many classes: set the number "
            "of classes, or say which numbers are foreground",
            "classes",
            "mask_values",
        )


def source_of(mask: Item) -> Path | Annotation:
    """Return what a single mask is read from."""
    return mask.annotation or mask.path


def _are_candidates(matches: Sequence[Match]) -> bool:
    """True if only one of several masks can be meant.

    Raises:
        InputError: two files differ in their suffix only.
    """
    if len(matches) == 1:
        return False
    masks = [match.mask for match in matches]
    names: dict[tuple[Path, str], Item] = {}
    for mask in masks:
        other = names.setdefault((mask.path.parent, mask.stem), mask)
        if other is not mask and not (mask.annotation or other.annotation):
            raise InputError(f"{other.path} and {mask.path} have the same name: rename or remove one of them")
    kinds, folders = {mask.kind for mask in masks}, {mask.folder for mask in masks}
    words = {match.affix for match in matches if not match.part}
    mixed = len({bool(match.part) for match in matches}) > 1
    return len(kinds) > 1 or len(folders) > 1 or len(words) > 1 or mixed or any(mask.annotation for mask in masks)


def pattern_of(match: Match, others: Sequence[Match]) -> str:
    """Return the pattern that chooses a mask and those like it among others of its image; "" if there is none."""
    mask, rivals = match.mask, [other.mask for other in others if other.mask is not match.mask]
    if mask.kind in (ANNOTATIONS, KEYPOINTS):
        return file_pattern(mask.path.name)
    if mask.folder and all(other.folder != mask.folder for other in rivals):
        return folder_pattern(mask.place.parts[mask.place.at])
    if mask.place.parts and all(other.path.parent != mask.path.parent for other in rivals):
        return folder_pattern(mask.place.parts[-1])
    if mask.annotation and all(other.path.suffix != mask.path.suffix for other in rivals):
        return f"*{mask.path.suffix}"
    if len(match.affix) < 2:
        return f"*{mask.path.suffix}" if mask.kind.words == "suffix" else ""
    number = "" if fnmatch(mask.stem, match.affix) else "*"
    return f"{match.affix}{number}{mask.path.suffix}"


class _Question:
    """Collects images with several candidates."""

    def __init__(self, root: Path):
        self._root, self._images = root, dict[tuple[str, ...], list[tuple[Item, Sequence[Match]]]]()

    def add(self, image: Item, matches: Sequence[Match]) -> None:
        patterns = tuple(dict.fromkeys(pattern_of(match, matches) for match in matches))
        self._images.setdefault(patterns, []).append((image, matches))

    def raise_if_asked(self) -> None:
        """Raise an InputError with the candidates that most images have, if any has some."""
        if not self._images:
            return
        patterns, images = max(self._images.items(), key=lambda item: len(item[1]))
        image, matches = images[0]
        files = ", ".join(_below(self._root, match.mask.path) for match in matches)
        number = "1 image has" if len(images) == 1 else f"{len(images)} images have"
        found = f"{number} more than one file that could be the mask; {_below(self._root, image.path)} has {files}"
        if "" in patterns:
            raise InputError(f"{self._root}: {found}: rename or remove all but one")
        choices = " or ".join(repr(pattern) for pattern in patterns)
        raise InputError(f"{self._root}: {found}: choose one kind by its pattern, {choices}", "masks")


def _below(root: Path, path: Path) -> str:
    """Return a path as messages about a folder show it."""
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def _unite(root: Path, matches: Sequence[Match], parts: Iterable[str], options: DataOptions) -> MaskParts:
    """Return the parts of a mask, with the class of each if there are several classes and the parts have names."""
    ordered = sorted(matches, key=lambda match: match.mask.path)
    files = tuple(match.mask.path for match in ordered)
    indices = {name.casefold(): index for index, name in enumerate(options.class_names)}
    names = [(match.part.casefold(), match.mask.stem.casefold()) for match in ordered]
    labels = [next((indices[word] for word in words if word in indices), 0) for words in names]
    if options.classes == 1 or not any((*labels, *parts)):
        return MaskParts(files, (1,) * len(files))
    if not all(labels):
        unknown = sorted(part for part in parts if part.casefold() not in indices) or [files[labels.index(0)].stem]
        shown = ", ".join(repr(part) for part in unknown[:5])
        raise InputError(
            f"{root}: masks come in parts, such as {_below(root, files[0])}, but no class is named {shown}: list "
            "the names of the classes as the files have them",
            "class_names",
        )
    return MaskParts(files, tuple(labels))


def _describe_union(root: Path, united: Sequence[tuple[Item, Sequence[Match]]], chosen: Chosen) -> str:
    image, matches = united[0]
    mask = chosen.masks[image]
    names = [_below(root, match.mask.path) for match in matches]
    files = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    parts = sorted({match.part for _, matches in united for match in matches if match.part})
    of_what = f" of {', '.join(parts[:6])}" if parts else ""
    what = "one for each class" if isinstance(mask, MaskParts) and set(mask.labels) != {1} else "which are united"
    number = "1 image has" if len(united) == 1 else f"{len(united)} images have"
    return f"{number} several masks{of_what}, {what}: {_below(root, image.path)} has {files}"
