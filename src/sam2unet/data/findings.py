"""What deserves attention in a folder of pairs, and what would make training on it go wrong."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from ..card import IGNORED
from ..errors import MAX_NAMED, InputError, name_some
from .data_check import DataCheck, Finding, PairCheck, SplitCheck
from .images.perceptual_hash import same_looking
from .layout.pairs import Listing
from .options import DataOptions
from .sources import ImageSource
from .split import training_split

MAX_USED_RANGE = 0.25
"""Images that use less of their range of 16 bits look nearly black."""
MIN_INVERTED = 0.6
"""Mean fraction of foreground from which masks may be inverted."""
MAX_COMPARISONS = 300_000_000
"""Of an image in one split and one in another, to find duplicates."""
SPLITS = "", "train", "val", "test"


def add_findings(result: DataCheck, listing: Listing, options: DataOptions) -> None:
    """Add errors and warnings that follow from what was read.

    Args:
        result: gets the findings.
        listing: what `find_pairs` returned.
        options: the number of classes and their names.
    """
    result.warnings += describe_listing(listing)
    _report_errors(result)
    for split, found in result.splits.items():
        where = f"{result.root} ({split})" if split else str(result.root)
        result.warnings += [Finding(f"{where}: {sentence}") for sentence in _describe_unpaired(found)]
        _check_foreground(result, where, split, options)
    result.warnings += _describe_images(result)
    if (val := result.splits.get("val")) and result.splits.get("train"):
        result.warnings += check_validation(f"{result.root} (val)", val.readable, options)
    result.warnings += _describe_duplicates(result)
    _check_training(result, listing)


def _report_errors(result: DataCheck) -> None:
    """Add the pairs' errors: each, or examples where there are many; those of test images are warnings."""
    for is_test in (False, True):
        errors = [pair.error for pair in result.pairs if pair.error and (pair.split == "test") == is_test]
        findings = result.warnings if is_test else result.errors
        for kind in _by_way_out(errors):
            findings += kind[:MAX_NAMED]
            if len(kind) > MAX_NAMED:
                findings.append(
                    Finding(f"{result.root}: {len(kind) - MAX_NAMED} more pairs like these", *kind[0].parameters)
                )


def _by_way_out(errors: Iterable[Finding]) -> list[list[Finding]]:
    """Group sentences that end alike."""
    kinds: dict[str, list[Finding]] = defaultdict(list)
    for error in errors:
        kinds[error.rpartition(": ")[2]].append(error)
    return list(kinds.values())


def describe_listing(listing: Listing, used: Collection[Path] = ()) -> list[Finding]:
    """Return how a folder was read, and what in it was not.

    Args:
        listing: what `find_pairs` returned.
        used: files that something else reads, such as regions of interest.
    """
    findings = [*map(Finding, listing.remarks)]
    for reason, files in listing.unread.items():
        if rest := [file for file in files if file not in used]:
            verb = "is" if len(rest) == 1 else "are"
            findings.append(Finding(f"{listing.root}: {_count(len(rest), 'file')} {verb} {reason}: {name_some(rest)}"))
    for reason, count in listing.skipped.items():
        findings.append(Finding(f"{listing.root}: annotations hold {reason}: {count} not drawn"))
    return findings


def _describe_unpaired(found: SplitCheck) -> Iterator[str]:
    for files, kind, other in ((found.unpaired_images, "image", "mask"), (found.unpaired_masks, "mask", "image")):
        if files:
            yield f"{len(files)} {kind}(s) without {other} of the same name: {name_some(files)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")


def _check_foreground(result: DataCheck, where: str, split: str, options: DataOptions) -> None:
    """Add what the sizes of masks and their fractions of foreground tell."""
    found = result.splits[split]
    resized = [p.pair.mask for p in found.readable if p.mask and p.mask.size != p.size]
    if resized:
        result.warnings.append(
            Finding(f"{where}: {_count(len(resized), 'mask')} of another size than the image but of its shape, "
                    f"resized: {name_some(resized)}")
        )  # fmt: skip
    if split in ("", "train") and (sentence := describe_uniform(where, found.foreground, options)):
        result.errors.append(Finding(f"{sentence}: nothing to learn", *sentence.parameters))
    else:
        result.warnings += describe_inverted(where, found.foreground, options)


def describe_uniform(where: str, foreground: Sequence[float], options: DataOptions) -> Finding | None:
    """Return that all masks are empty, or all full; None if they are not.

    Args:
        where: name of the set, for messages.
        foreground: fraction of each mask that is foreground, in [0, 1].
        options: `mask_values`, if the user set it, may be the cause.
    """
    word = {0.0: "empty", 1.0: "full"}.get(foreground[0]) if len(set(foreground)) == 1 else None
    cause = f", read as {options.mask_values}" if options.mask_values else ""
    parameters = ("mask_values",) if options.mask_values else ()
    return Finding(f"{where}: all {len(foreground)} masks are {word}{cause}", *parameters) if word else None


def describe_inverted(where: str, foreground: Sequence[float], options: DataOptions) -> list[Finding]:
    """Return that masks may be inverted, if so; see `describe_uniform` for the arguments."""
    if options.mask_values or options.classes > 1 or not foreground or np.mean(foreground) < MIN_INVERTED:
        return []
    return [
        Finding(f"{where}: {np.mean(foreground):.0%} of the pixels are foreground: if the object is what is black, the "
                "masks are inverted: set mask_values to foreground=0", "mask_values")
    ]  # fmt: skip


def describe_turned(root: Path, turned: Sequence[ImageSource]) -> list[Finding]:
    """Return that images are turned by an EXIF orientation that their masks lack, if there are any."""
    if not turned:
        return []
    return [
        Finding(f"{root}: {_count(len(turned), 'image')} turned by an EXIF orientation that the mask lacks "
                f"({name_some(turned)}): if the masks were drawn on the images as stored, ignore the orientation",
                "ignore_exif")
    ]  # fmt: skip


def _describe_images(result: DataCheck) -> Iterator[Finding]:
    """Yield what is remarkable about the images of all splits."""
    yield from describe_turned(result.root, [p.pair.image for p in result.pairs if p.orientation != 1 and not p.error])
    ranges = [p.value_range for p in result.pairs if p.value_range and p.is_scaled_by_type]
    deep = [r for r in ranges if r[2] == 16]
    if deep and (highest := max(r[1] for r in deep)) <= MAX_USED_RANGE * 65535:
        yield Finding(
            f"{result.root}: {len(deep)} images of 16 bits use values up to {highest:g}, {highest / 65535:.0%} of the "
            "range, and look nearly black: normalise_range: true in the recipe will stretch each image's own range",
            "normalise_range",
        )
    flat = [p.pair.image for p in result.pairs if p.value_range and p.value_range[0] == p.value_range[1]]
    if flat:
        yield Finding(f"{result.root}: {_count(len(flat), 'image')} of a single value, or of none: {name_some(flat)}")
    for remark, times in Counter(p.remark for p in result.pairs if p.remark).items():
        first = next(p.pair.image for p in result.pairs if p.remark == remark)
        yield Finding(f"{result.root}: {_count(times, 'image')} of {remark}, such as {first}")


def check_validation(where: str, pairs: Sequence[PairCheck], options: DataOptions) -> list[Finding]:
    """Return why scores of validation pairs would say nothing.

    Args:
        where: name of the validation pairs, for messages.
        pairs: as `check_pairs` found them.
        options: the number of classes and their names.
    """
    known = [pair for pair in pairs if pair.labels]
    present = {label for pair in known for label, pixels in pair.labels.items() if pixels}
    if not known:
        return []
    if not present - {0, IGNORED}:
        return [
            Finding(
                f"{where}: none of {len(known)} validation images shows the object, so Dice says nothing: add some "
                "that do"
            )
        ]
    if options.classes == 1 and all(pair.foreground == 1 for pair in known):
        return [
            Finding(
                f"{where}: the masks of all {len(known)} validation images are full, so Dice says nothing: add others"
            )
        ]
    names = dict(enumerate(options.class_names)) if len(options.class_names) == options.classes else {}
    absent = [names.get(index, str(index)) for index in range(1, options.classes) if index not in present]
    if absent and options.classes > 1:
        return [
            Finding(
                f"{where}: no validation image shows class {', '.join(absent)}, so it has no score: add some that do"
            )
        ]
    return []


def _describe_duplicates(result: DataCheck) -> Iterator[Finding]:
    """Yield which images of a split also occur in an earlier one; their pairs are added to `result.duplicates`."""
    pairs, hashes = result.pairs, {i: pair.hash for i, pair in enumerate(result.pairs) if pair.hash is not None}
    for first, second in combinations([name for name in SPLITS if name in result.splits], 2):
        name = first or "no split"
        known, later = ([i for i in hashes if pairs[i].split == split] for split in (first, second))
        if len(known) * len(later) > MAX_COMPARISONS:
            yield Finding(f"{result.root}: too many images in {name} and {second} to look for duplicates")
        elif found := same_looking(known, later, hashes):
            result.duplicates += [(pairs[i], pairs[j]) for i, j in found]
            one, other = (pairs[i].pair.image for i in found[0])
            number = len({j for _, j in found})
            yield Finding(
                f"{result.root}: {number} of {len(later)} images in {second} look like one in {name}, such as {other} "
                f"like {one}: scores on them tell little about new images"
            )


def _check_training(result: DataCheck, listing: Listing) -> None:
    """Add whether there is something to train on."""
    if listing.pairs.get("") and listing.pairs.get("train"):
        outside = listing.pairs[""][0].image
        result.warnings.append(
            Finding(f"{listing.root}: pairs outside train/ are not used for training, such as {outside}")
        )
    if not any(listing.pairs.values()):
        unpaired = [p for s in result.splits.values() for p in (*s.unpaired_images[:1], *s.unpaired_masks[:1])]
        result.errors.append(
            Finding(
                f"{listing.root}: no image has a mask of the same name (found {', '.join(map(str, unpaired[:2]))}): "
                "name pairs such as images/a.jpg and masks/a.png, or a.jpg and a_mask.png, or give patterns for both, "
                "or a list of pairs",
                "images",
                "masks",
                "pairs",
            )
        )
        return
    try:
        training_split(listing, fraction=0.5, seed=0)
    except InputError as error:
        result.errors.append(Finding.of(error))
