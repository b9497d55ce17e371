"""The words in names of files and folders that tell images, masks and splits apart."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Words = re.Pattern[str]
_BREAK = "\0"  # marks where the words of trainImages and trainannot begin; it never stays in a name
_WORD_STARTS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=train)(?=annot)|(?<=val)(?=annot)|(?<=test)(?=annot)")


def _words(*words: str) -> Words:
    return re.compile(rf"(?<![a-z])(?:{'|'.join(words)})(?![a-z])", re.IGNORECASE)


Affix = tuple[Words, ...]
"""Patterns of words in a file's name with the separators around them; the first that is found counts."""


def _affix(*words: str) -> Affix:
    """Return patterns of words at the end of a file's name, or else at its start, or of all but a number."""
    word = _words(*words).pattern
    patterns = rf"[-_. \0]+{word}$", rf"^{word}(?:[-_. \0]+|(?=[\d(]|$))"
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)


_IMAGE = ("images?", "imgs?", "inputs?", "pictures?", "photos?", "originals?", "jpegimages", "rgb", "left\0?img8bit")
_OBSERVER = (
    "\\d(?:st|nd|rd|th)[-_. \0]?ho", "(?:\\d(?:st|nd|rd|th)[-_. \0]?)?manual\\d?", "label\0?(?:train\0?)?ids",
    r"(?:annotator|expert|grader|observer|rater|reader)[-_. ]?\d?",
)  # fmt: skip
_OTHER_MASKS = (
    "gts?[-_. ]object", "gts?", "ground[-_. \0]?truths?", "labels?", "annos?", "annots?", "annotations?", "segs?",
    "segmentation[-_. \0]class", "segmentations?", "semantics?",
)  # fmt: skip
_OBJECT = "masks?", *_OTHER_MASKS
_WORN = "".join(f"(?<!{word}[-_. ])" for word in ("with", "without", "no", "face", "gas"))
_FOLDER = rf"{_WORN}masks?(?![-_. ](?:on|off)(?![a-z]))"  # not of people with masks
_MASK = *_OBSERVER, *_OBJECT
_INSTANCE = ("panoptic", "trimaps?", "segmentation[-_. \0]objects?", "instances?", "instance\0?(?:train\0?)?ids")
_EXTRA = (
    "boundar(?:y|ies)", "colou?r(?:s|ed)?", "contours?", "depths?", "disparity", "edges?", "fixations?", "flows?",
    "fov", "heatmaps?", "infrared", "npy", "outlines?", "overlays?", "parts", "predictions?", "preds?", "previews?",
    "probability", "results?", "roi", "scribbles?", "skeletons?", "superpixels?", "thermal", "thumb(?:nail)?s?",
    "vi[sz]", "visuali[sz]ations?",
)  # fmt: skip
IMAGE = _words(*_IMAGE, "^im$", "im[-_. ]dir")
MASK = _words(*_OBSERVER, _FOLDER, *_OTHER_MASKS, "^ann$", "ann[-_. ]dir")
OBSERVER = _words(*_OBSERVER)
"""Masks of one image by several people, or in several encodings."""
INSTANCE = _words(*_INSTANCE)
EXTRA = _words(*_EXTRA)
"""What lies beside images and masks under their names."""
ANNOTATION = _words("jsons?", "labelme", "txt", "xml", "yolo", "polygons?")
SPLITS = {
    "train": _words("train", "training", "tr$"),
    "val": _words("val", "valid", "validation"),
    "test": _words("test", "testing", "t[es]$"),
}
IMAGE_AFFIX = _affix(*_IMAGE, "im")
MASK_AFFIX = _affix(*_MASK, "ann", *_INSTANCE, *_EXTRA)
MASK_NUMBER = (
    re.compile(rf"(?:^|[-_. \0]+){_words(*_OBJECT, *_INSTANCE).pattern}[-_. ]*(?:\d+|\(\d+\))$", re.IGNORECASE),
)
SPLIT_AFFIX = _affix("train", "training", "val", "valid", "validation", "test", "testing")


@dataclass(frozen=True)
class Kind:
    """What a name says about a mask."""

    words: str
    rank: Literal[0, 1, 2]
    """2: a mask; 1: a mask of something special, such as edges or instances; 0: no mask at all, such as depth."""


@dataclass(frozen=True, eq=False)
class Place:
    """A folder below the root, and what its path says."""

    parts: tuple[str, ...]
    role: Literal["image", "mask", ""]
    """That of the innermost part with a word for one."""
    at: int
    """Index of that part; -1 if there is none."""
    kind: Kind
    split: str
    reduced: tuple[str, ...]
    """The parts without words for roles and splits."""
    kept: tuple[int, ...]
    """Indices of the parts of which `reduced` holds something."""
    bare: tuple[str, ...]
    """The parts without those that hold a word for a role, and without words for splits."""
    shown: tuple[str, ...]
    """The parts as names of outputs have them, if masks belong to the images in this folder."""
    exact: tuple[str, ...]
    """The same if none do: only a part that is no more than a word such as "images" is left out."""


def fold(name: str) -> str:
    """Return what is equal for names that differ in case, in surrounding spaces or in their Unicode form only."""
    return "/".join(part.strip() for part in unicodedata.normalize("NFC", name).casefold().split("/"))


def kind_of_folder(name: str) -> Kind | None:
    """Return the kind of masks that a folder's name means, if it has a word for one."""
    return _kind([word for pattern in (MASK, INSTANCE, EXTRA) for word in pattern.findall(_mark(name))])


def kind_of_file(stem: str) -> Kind | None:
    """Return the kind of mask that a file's name without suffix means by the word at its start or end, if any."""
    number = split_affix(stem, MASK_NUMBER)
    affix = number if number and number[0] else split_affix(stem, MASK_AFFIX) or number
    if not affix:
        return None
    word = affix[1].strip("-_. ")
    return _kind([word if OBSERVER.search(word) else word.strip("-_. ()0123456789")])


def _kind(words: list[str]) -> Kind | None:
    if not words:
        return None
    means = {pattern: any(map(pattern.search, words)) for pattern in (MASK, INSTANCE, EXTRA)}
    special, mask = means[INSTANCE] or means[EXTRA], means[MASK] or means[INSTANCE] or not means[EXTRA]
    name = "+".join(sorted({word.replace(_BREAK, "").lower() for word in words}))
    return Kind(name, 2 if not special else 1 if mask else 0)


def split_affix(stem: str, affix: Affix) -> tuple[str, str] | None:
    """Return a file's name without the words at its end, or else its start, and those; None if it has none."""
    marked = _mark(stem)
    found = next(filter(None, (pattern.search(marked) for pattern in affix)), None)
    if not found:
        return None
    rest = marked[: found.start()] + marked[found.end() :]
    return rest.replace(_BREAK, ""), found[0].replace(_BREAK, "")


def without_affix(stem: str, affix: Affix) -> str:
    """Return a file's name without the words at its end, or else its start."""
    found = split_affix(stem, affix)
    return found[0] if found else stem


def _mark(name: str) -> str:
    return _WORD_STARTS.sub(_BREAK, name)


def has_word(name: str, *words: Words) -> bool:
    """True if a name has one of the words."""
    return any(pattern.search(_mark(name)) for pattern in words)


def remove_words(name: str, *words: Words) -> str:
    """Remove words from a folder's name, each with a separator beside it; the rest stays as it is."""
    marked = _mark(name)
    if not any(pattern.search(marked) for pattern in words):
        return name
    for pattern in words:
        around = re.compile(rf"([-_. \0]*){pattern.pattern}[-_. \0]*", re.IGNORECASE)
        marked = around.sub(lambda m: m[1] if m.start() and m.end() < len(m.string) else "", marked).strip("-_. \0")
    return marked.replace(_BREAK, "")


def split_of(parts: Iterable[str]) -> str:
    """Return the split that the first of some folders' names contains: "train", "val", "test", or ""."""
    plain = [_mark(remove_words(part, MASK, IMAGE)) for part in parts]
    return next((name for part in plain for name, words in SPLITS.items() if words.search(part)), "")


def folder_pattern(name: str) -> str:
    """Return the pattern of the files in folders of a name, whatever split it contains: "*masks/*" of train_masks."""
    rest = without_split(name) or name
    if rest not in name:  # the split stands in the middle
        return f"{file_pattern(_mark(name)).replace(_BREAK, '')}/*"
    before, _, after = name.partition(rest)
    return f"{'*' if before else ''}{rest}{'*' if after else ''}/*"


def file_pattern(name: str) -> str:
    """Return the pattern of the files of a name, whatever split it contains: "a_*2017.json" of a_train2017.json."""
    for words in SPLITS.values():
        name = words.sub("*", name)
    return name


def without_split(part: str) -> str:
    """Remove the words for a split from a folder's name."""
    return remove_words(part, *SPLITS.values())


def without_roles(parts: Iterable[str]) -> tuple[str, ...]:
    """Remove the words for image, mask and split from folders' names; drop the folders of which nothing remains."""
    return tuple(filter(None, (remove_words(part, MASK, IMAGE, *SPLITS.values()) for part in parts)))


@lru_cache(maxsize=1 << 16)
def place_of(
    parts: tuple[str, ...],
    split: bool,
    ignored_words: tuple[Words, ...] = (),
    annotations: bool = False,
    by_folder: bool = True,
    at: int | None = None,
) -> Place:
    """Find out what a folder is for.

    Args:
        parts: its path below the root.
        split: look for the words for splits, and remove them.
        ignored_words: patterns to remove, too, before names are compared.
        annotations: take words such as "json" for a mask's.
        by_folder: False to take no folder for one of images or masks.
        at: index of the part that is one of masks, whatever its name.
    """
    role, at, kind = _role(parts if by_folder else (), annotations, at)
    words = (*ignored_words, *(SPLITS.values() if split else ()))
    both = (MASK, IMAGE) if by_folder else ()
    own = (MASK, IMAGE, INSTANCE, EXTRA, *((ANNOTATION,) if annotations else ()))
    unsplit = [remove_words(part, *SPLITS.values()) if split else part for part in parts]
    names = (
        [remove_words(part, *(own if i == at else both), *words) for i, part in enumerate(parts)],
        [remove_words(part, *words) for i, part in enumerate(parts) if i != at and not has_word(part, *both)],
        [
            remove_words(p, MASK, IMAGE) if i == at else p
            for i, p in enumerate(unsplit)
            if i == at or remove_words(p, IMAGE)
        ],
        [part for part in unsplit if remove_words(part, IMAGE)],
    )
    reduced, bare, shown, exact = (tuple(filter(None, parts)) for parts in names)
    kept = tuple(i for i, part in enumerate(names[0]) if part)
    return Place(parts, role, at, kind, split_of(parts) if split else "", reduced, kept, bare, shown, exact)


def _role(
    parts: tuple[str, ...], annotations: bool, given: int | None
) -> tuple[Literal["image", "mask", ""], int, Kind]:
    """Return the role of a folder, the index of the part that decides it, and the kind of its masks."""
    if given is not None:
        return "mask", given, Kind("", 2)
    for at in reversed(range(len(parts))):
        if kind := kind_of_folder(parts[at]):
            return "mask", at, kind
        if annotations and has_word(parts[at], ANNOTATION):
            return "mask", at, Kind("annotation", 2)
        if has_word(parts[at], IMAGE):
            return "image", at, Kind("", 2)
    return "", -1, Kind("", 2)
