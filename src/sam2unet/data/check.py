"""Checks of a folder of pairs: what it holds, and whether training on it would fail."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..card import IGNORED
from ..errors import InputError
from .image_file import open_image
from .mask_file import class_indices, read_mask
from .pairs import Listing, Pair
from .split import training_split


@dataclass
class SplitCheck:
    """One split of a folder, each of its files read."""

    pairs: int = 0
    unpaired_images: list[Path] = field(default_factory=list)
    unpaired_masks: list[Path] = field(default_factory=list)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Number of images by (width, height)."""
    kinds: Counter[str] = field(default_factory=Counter)
    """Number of masks by how they are stored; see `mask_file.Kind`."""
    foreground: list[float] = field(default_factory=list)
    """Fraction of each image that is foreground, in [0, 1]."""


@dataclass
class DataCheck:
    """The splits by name, and sentences: `errors` make training fail, `warnings` deserve attention."""

    root: Path
    splits: dict[str, SplitCheck] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _PairCheck:
    size: tuple[int, int] = (0, 0)
    kind: str = ""
    foreground: float = 0.0
    error: str = ""


def check_pairs(
    listing: Listing, classes: int = 1, progress: Callable[[int, int], object] = lambda done, total: None
) -> DataCheck:
    """Read every pair and report what training on them would meet.

    Args:
        listing: what `find_pairs` returned.
        classes: 1 for foreground against background, else the number of classes, including background.
        progress: is called with the number of pairs read and their total.
    """
    result = DataCheck(listing.root)
    for split in sorted({*listing.pairs, *listing.unpaired_images, *listing.unpaired_masks}):
        unpaired = listing.unpaired_images.get(split, []), listing.unpaired_masks.get(split, [])
        result.splits[split] = SplitCheck(len(listing.pairs.get(split, [])), *unpaired)
    everything = [(split, pair) for split, pairs in listing.pairs.items() for pair in pairs]
    with ThreadPoolExecutor() as pool:
        checks = pool.map(lambda item: _check_pair(item[1], classes), everything)
        for done, ((split, _), check) in enumerate(zip(everything, checks, strict=True), start=1):
            progress(done, len(everything))
            if check.error:
                (result.warnings if split == "test" else result.errors).append(check.error)
                continue
            found = result.splits[split]
            found.sizes[check.size] += 1
            found.kinds[check.kind] += 1
            found.foreground.append(check.foreground)
    _check_splits(result, classes)
    _check_training(result, listing)
    return result


def _check_pair(pair: Pair, classes: int) -> _PairCheck:
    try:
        size = open_image(pair.image).size
        mask = read_mask(pair.mask)
        foreground = class_indices(mask, classes, pair.mask) % IGNORED > 0 if classes > 1 else mask.foreground() >= 128
    except InputError as error:
        return _PairCheck(error=str(error))
    height, width = foreground.shape
    if (width, height) != size:
        return _PairCheck(
            error=f"{pair.image} is {size[0]}x{size[1]}, but its mask {pair.mask} is {width}x{height}: "
            "export both at the same size"
        )
    return _PairCheck(size, mask.kind, float(np.mean(foreground)))


def _check_splits(result: DataCheck, classes: int) -> None:
    """Add what follows from the files of each split together."""
    for split, found in result.splits.items():
        where = f"{result.root} ({split})" if split else str(result.root)
        sentences = (*_describe_unpaired(found), *_describe_kinds(found.kinds, classes))
        result.warnings += [f"{where}: {sentence}" for sentence in sentences]
        if split in ("", "train"):
            for fraction, word in ((0, "empty"), (1, "full")):
                if set(found.foreground) == {fraction}:
                    result.errors.append(f"{where}: all {len(found.foreground)} masks are {word}: nothing to learn")


def _describe_unpaired(found: SplitCheck) -> Iterator[str]:
    for files, kind, other in ((found.unpaired_images, "image", "mask"), (found.unpaired_masks, "mask", "image")):
        if files:
            names = ", ".join(map(str, files[:3])) + (", …" if len(files) > 3 else "")
            yield f"{len(files)} {kind}(s) without {other} of the same name: {names}"


def _describe_kinds(kinds: Counter[str], classes: int) -> Iterator[str]:
    """Yield what is remarkable about how masks are stored."""
    indexed = kinds["class indices"] + kinds["palette"]
    if classes > 1 and kinds["0/255"]:
        yield (
            f"{kinds['0/255']} mask(s) of 0 and 255, but with several classes 255 is ignored: store each pixel's class "
            "or use a single class"
        )
    if classes == 1 and indexed:
        yield f"{indexed} mask(s) of class indices; all above 0 are one object unless the number of classes is given"
    if kinds["colours"]:
        yield f"{kinds['colours']} mask(s) in colours; all but black is foreground"
    if kinds["soft"]:
        yield f"{kinds['soft']} mask(s) with grey levels; foreground starts at 128"
    if kinds["0/1"] and kinds["0/255"]:
        yield "some masks are 0/1 and some 0/255; each is read accordingly"


def _check_training(result: DataCheck, listing: Listing) -> None:
    """Add whether there is something to train on."""
    if listing.pairs.get("") and listing.pairs.get("train"):
        outside = listing.pairs[""][0].image
        result.warnings.append(f"{listing.root}: pairs outside train/ are not used for training, such as {outside}")
    if not any(listing.pairs.values()):
        unpaired = [p for s in result.splits.values() for p in (*s.unpaired_images[:1], *s.unpaired_masks[:1])]
        result.errors.append(
            f"{listing.root}: no image has a mask of the same name (found {', '.join(map(str, unpaired[:2]))}): name "
            "pairs such as images/a.jpg and masks/a.png, or a.jpg and a_mask.png, with one mask per image"
        )
        return
    try:
        training_split(listing, 0.1, seed=0)
    except InputError as error:
        result.errors.append(str(error))
