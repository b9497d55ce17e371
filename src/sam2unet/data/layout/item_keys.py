"""By what the names of images and masks are compared."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from .items import CHOSEN, PREDICTION, Item
from .names import (
    IMAGE_AFFIX,
    MASK_AFFIX,
    MASK_NUMBER,
    SPLIT_AFFIX,
    Place,
    fold,
    kind_of_file,
    split_affix,
    without_affix,
)

Keys = Callable[[Item], Iterable[str]]
NUMBER = re.compile(r"[-_. ]*(?:\d+|\(\d+\))")
_ONE_NUMBER = re.compile(r"(\D*)(\d+)(\D*)")
_BOUNDARY = re.compile(r"(?<=[^-_. ])(?=[-_. (])")  # between a, _x and _y of a_x_y


def stem(item: Item) -> list[str]:
    """Return the name."""
    return [item.stem]


def image_stems(item: Item) -> list[str]:
    """Return the name of an image as it is, and without the words for images."""
    words = (IMAGE_AFFIX, MASK_AFFIX) if item.kind == PREDICTION else (IMAGE_AFFIX,)  # which may be named after masks
    return [item.stem, *(without_affix(item.stem, affix) for affix in words)]


def mask_stems(item: Item) -> list[str]:
    """Return the name of a mask as it is, and without the words for masks."""
    return [item.stem, without_affix(item.stem, MASK_AFFIX)]


def numbered_stem(item: Item) -> list[str]:
    """Return the name of a mask without the word for masks and a number."""
    found = split_affix(item.stem, MASK_NUMBER)
    return [found[0]] if found else []


def affix_of(mask: Item) -> str:
    """Return the word in a mask's name as a pattern, without its number; "" if there is none."""
    if found := split_affix(mask.stem, MASK_NUMBER):
        word = re.sub(r"[\d()]+$", "", found[1])
        return f"*{word.rstrip('-_. ')}" if found[0] else f"{word}*"
    found = split_affix(mask.stem, MASK_AFFIX)
    return "" if not found else f"*{found[1]}" if mask.stem.endswith(found[1]) else f"{found[1]}*"


def folder(item: Item) -> list[str]:
    """Return the folder."""
    return ["/".join(item.place.parts)]


def reduced(item: Item) -> list[str]:
    """Return the folder without words for roles."""
    return ["/".join(item.place.reduced)]


def bare(item: Item) -> list[str]:
    """Return the folder without those for images and masks."""
    return ["/".join(item.place.bare)]


def ends(common: int, whole: bool = False) -> Keys:
    """Return the folders below the first few, and the ends of this path down to nothing, unless it is to be whole."""

    def folders(item: Item) -> list[str]:
        parts = item.place.bare[common:]
        return ["/".join(parts[start:]) for start in range(1 if whole else len(parts) + 1)]

    return folders


def without_last(mask: Item) -> tuple[str, str] | None:
    """Return a mask's folders without the last, and that; None if it lies in no folder below that for masks."""
    place = mask.place
    if not place.bare or place.at == len(place.parts) - 1:
        return None
    if place.role == "mask":
        return "/".join(place.bare[:-1]), place.bare[-1]
    return ("/".join(place.bare[:-1]), "") if mask.kind == CHOSEN else None


def without_first(mask: Item) -> tuple[str, str] | None:
    """Return a mask's folders without the one below that for masks, and that."""
    at, bare = mask.place.at, mask.place.bare
    below = len(mask.place.parts) - 1 - at
    if mask.place.role != "mask" or not 1 < below <= len(bare):
        return None
    first = len(bare) - below
    return "/".join(bare[:first] + bare[first + 1 :]), bare[first]


def join(folders: Keys, stems: Keys, normal: Callable[[str], str] = str) -> Keys:
    """Return the keys of all combinations of folders and names."""

    def keys(item: Item) -> Iterator[str]:
        return (normal(f"{folder}/{stem}".lstrip("/")) for folder in folders(item) for stem in stems(item))

    return keys


class KnownStems:
    """Images by folder and name, also without what all names of a folder begin or end with."""

    def __init__(self, images: Sequence[Item], folders: Keys):
        stems = defaultdict(list)
        for image in images:
            stems[image.place].append(image.stem)
        alone = [names[0] for names in stems.values() if len(names) == 1]  # p1/p1_flair and p2/p2_flair
        ends = {
            place: (_common_end(some), _common_start(some))
            for place, names in stems.items()
            for some in (names if len(names) > 1 else alone,)
        }
        self._sure: dict[tuple[str, str], Item | None] = {}  # None: two images fit
        self._guessed: dict[tuple[str, str], Item | None] = {}
        for image in images:
            end, start = ends[image.place]
            channel = image.stem.removesuffix("_0000")  # nnU-Net's first
            sure = {*image_stems(image), without_affix(image.stem, SPLIT_AFFIX), channel}
            guessed = {image.stem.removesuffix(end), image.stem.removeprefix(start)}
            for known, names in ((self._sure, sure), (self._guessed, guessed)):
                for key in ((fold(folder), fold(name)) for folder in folders(image) for name in names if name):
                    known[key] = image if known.get(key, image) is image else None

    def find(self, mask: Item, folders: Keys) -> tuple[Item, str] | None:
        """Return the image with the longest name that a mask's starts or ends with, and the rest as a pattern."""
        cuts = [match.start() for match in _BOUNDARY.finditer(mask.stem)]
        parts = [(mask.stem[:cut], f"*{mask.stem[cut:]}") for cut in (len(mask.stem), *reversed(cuts))]
        parts += [(mask.stem[cut:].lstrip("-_. "), f"{mask.stem[:cut]}*") for cut in cuts]
        parts += [(mask.stem[:i] + mask.stem[j:], f"*{mask.stem[i:j]}*") for i, j in pairwise(cuts)]
        # Names that both have something of their own, 1_x and 1_y, belong together if a word says that one is a mask.
        is_named = mask.kind == CHOSEN or kind_of_file(mask.stem) is not None
        for known in (self._sure, self._guessed):
            for folder in folders(mask):
                for name, affix in parts:
                    image = known.get((fold(folder), fold(name)))
                    if image and (known is self._sure or is_named or affix == "*"):
                        return image, affix
        return None


def _common_end(stems: Sequence[str]) -> str:
    """Return the part after a separator that several names end with: "_training"."""
    end = ""
    for letters in zip(*(reversed(stem) for stem in stems), strict=False) if len(stems) > 1 else ():
        if len(set(letters)) > 1:
            break
        end = letters[0] + end
    found = re.search(r"[-_. (].*", end)
    return found[0] if found else ""


def _common_start(stems: Sequence[str]) -> str:
    """Return the part up to a separator that several names begin with: "frame_"."""
    return _common_end([stem[::-1] for stem in stems])[::-1]


def numbers(items: Sequence[Item]) -> tuple[dict[Item, str], list[Item]]:
    """Return the number in each name, in folders where all names are the same but for it: 1 of t001.

    Returns:
        The numbers, and the items whose names have one letter beside it at most, but for words.
    """
    folders: dict[Place, list[tuple[Item, re.Match[str] | None]]] = defaultdict(list)
    for item in items:
        folders[item.place].append((item, _ONE_NUMBER.fullmatch(item.stem)))
    found: dict[Item, str] = {}
    plain: list[Item] = []
    for pairs in folders.values():
        if len({match and match.group(1, 3) for _, match in pairs}) == 1 and (first := pairs[0][1]):
            found |= {item: match[2].lstrip("0") for item, match in pairs if match}
            words = [without_affix(part, affix) for part in first.group(1, 3) for affix in (IMAGE_AFFIX, MASK_AFFIX)]
            if min(len(re.sub(r"[-_. ]", "", one + other)) for one, other in (words[::2], words[1::2])) <= 1:
                plain += [item for item, _ in pairs]
    return found, plain


def numbers_images(images: Sequence[Item]) -> bool:
    """True if an image's name is another's with a number, so that a number doesn't mean a part."""
    names = {(image.place, image.stem) for image in images}
    ends = [(image.place, re.sub(rf"{NUMBER.pattern}$", "", image.stem)) for image in images]
    return any(end in names and end[1] != image.stem for end, image in zip(ends, images, strict=True))
