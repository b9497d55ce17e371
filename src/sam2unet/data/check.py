"""What a folder of pairs holds, and whether training on it would go wrong."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import InputError
from .image_file import open_image
from .mask_file import class_indices, read_mask
from .pairs import Listing, Pair
from .split import training_split


@dataclass
class PartCheck:
    """One split of a folder, every file of it read."""

    pairs: int = 0
    lone_images: list[Path] = field(default_factory=list)
    lone_masks: list[Path] = field(default_factory=list)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Width and height of the pictures."""
    kinds: Counter[str] = field(default_factory=Counter)
    """How the masks are stored, see `mask_file.Kind`."""
    foreground: list[float] = field(default_factory=list)
    """Share of each picture that is foreground, in [0, 1]."""


@dataclass
class DataCheck:
    """The parts by split, and in sentences what makes training fail (`errors`) or deserves a look (`warnings`)."""

    root: Path
    parts: dict[str, PartCheck] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Reading:
    size: tuple[int, int] | None = None
    kind: str = ""
    foreground: float = 0.0
    error: str = ""


def check_pairs(
    listing: Listing, classes: int = 1, progress: Callable[[int, int], object] = lambda done, total: None
) -> DataCheck:
    """Read every pair and say what training on them would meet.

    Args:
        listing: what `find_pairs` found.
        classes: 1 for foreground against background, else the number of classes, background counted.
        progress: gets how many of how many pairs are read.
    """
    result = DataCheck(listing.root)
    everything = [(split, pair) for split, pairs in listing.pairs.items() for pair in pairs]
    for split in sorted({*listing.pairs, *listing.lone_images, *listing.lone_masks}):
        pairs = listing.pairs.get(split, [])
        lone = listing.lone_images.get(split, []), listing.lone_masks.get(split, [])
        result.parts[split] = PartCheck(len(pairs), *lone)
    with ThreadPoolExecutor() as pool:
        readings = pool.map(lambda item: _read(item[1], classes), everything)
        for done, ((split, _), reading) in enumerate(zip(everything, readings, strict=True), start=1):
            progress(done, len(everything))
            if reading.error:
                (result.warnings if split == "test" else result.errors).append(reading.error)
            else:
                part = result.parts[split]
                part.kinds[reading.kind] += 1
                part.foreground.append(reading.foreground)
                if reading.size:
                    part.sizes[reading.size] += 1
    _judge(result, listing, classes)
    return result


def _read(pair: Pair, classes: int) -> _Reading:
    try:
        size = open_image(pair.image).size
        mask = read_mask(pair.mask)
        foreground = class_indices(mask, classes, pair.mask) % 255 > 0 if classes > 1 else mask.foreground() >= 128
    except InputError as error:
        return _Reading(error=str(error))
    height, width = foreground.shape
    if (width, height) != size:
        return _Reading(
            error=f"{pair.image} is {size[0]}x{size[1]}, but its mask {pair.mask} is {width}x{height}; "
            "export both at one size"
        )
    return _Reading(size, mask.kind, float(np.mean(foreground)))


def _judge(result: DataCheck, listing: Listing, classes: int) -> None:
    """Fill in what follows from all the readings together."""
    for split, part in result.parts.items():
        where = f"{listing.root}{f' ({split})' if split else ''}"
        for lone, what, other in ((part.lone_images, "picture", "mask"), (part.lone_masks, "mask", "picture")):
            if lone:
                names = ", ".join(map(str, lone[:3])) + (", …" if len(lone) > 3 else "")
                result.warnings.append(f"{where}: {len(lone)} {what}(s) without a {other} of the same name: {names}")
        if split in ("", "train") and part.foreground:
            for share, word in ((0, "empty"), (1, "full")):
                if set(part.foreground) == {share}:
                    result.errors.append(f"{where}: all {len(part.foreground)} masks are {word}: nothing to learn")
        if classes > 1 and part.kinds["0/255"]:
            result.warnings.append(
                f"{where}: {part.kinds['0/255']} mask(s) of 0 and 255, which is ignored beside several classes; "
                "store each pixel's class, or use classes 1"
            )
        if classes == 1 and part.kinds["class indices"] + part.kinds["palette"]:
            result.warnings.append(
                f"{where}: {part.kinds['class indices'] + part.kinds['palette']} mask(s) of class indices; all above 0 "
                "count as one object, unless classes says how many there are"
            )
        if "colours" in part.kinds:
            result.warnings.append(f"{where}: {part.kinds['colours']} mask(s) in colours; all but black is foreground")
        if part.kinds["soft"]:
            result.warnings.append(f"{where}: {part.kinds['soft']} mask(s) with grey levels; foreground begins at 128")
        if part.kinds["0/1"] and part.kinds["0/255"]:
            result.warnings.append(f"{where}: some masks are 0/1 and some 0/255; each is read as what it is")
    if listing.pairs.get("") and listing.pairs.get("train"):
        outside = listing.pairs[""][0].image
        result.warnings.append(f"{listing.root}: pairs outside train/ are not trained on, such as {outside}")
    if not any(listing.pairs.values()):
        lone = [path for part in result.parts.values() for path in (*part.lone_images[:1], *part.lone_masks[:1])]
        result.errors.append(
            f"{listing.root}: no picture has a mask of the same name (found {', '.join(map(str, lone[:2]))}); "
            "expected pairs such as images/a.jpg and masks/a.png, or a.jpg and a_mask.png, and one mask a picture"
        )
        return
    try:
        training_split(listing, 0.1, seed=0)
    except InputError as error:
        result.errors.append(str(error))
