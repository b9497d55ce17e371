"""What deserves attention in a folder of pairs, and what would make training on it go wrong."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ..card import IGNORED
from ..errors import InputError
from .data_check import DataCheck, Finding, PairCheck, SplitCheck
from .images.perceptual_hash import same_looking
from .layout.pairs import Listing
from .options import DataOptions
from .split import training_split

NUM_EXAMPLES = 3
"""Files that a sentence about several of them names."""
MAX_USED_RANGE = 0.25
"""Images that use less of their range of 16 bits look nearly black."""
MIN_INVERTED = 0.6
"""Mean fraction of foreground from which masks may be inverted."""
MAX_COMPARISONS = 300_000_000
"""Of a training and a test image, to find duplicates."""


def add_findings(result: DataCheck, listing: Listing, options: DataOptions) -> None:
    """Add errors and warnings that follow from what was read.

    Args:
        result: gets the findings.
        listing: what `find_pairs` returned.
        options: the number of classes and their names.
    """
    result.warnings += [*map(Finding, listing.remarks), *_describe_unread(listing)]
    _report_errors(result)
    for split, found in result.splits.items():
        where = f"{result.root} ({split})" if split else str(result.root)
        result.warnings += [Finding(f"{where}: {sentence}") for sentence in _describe_unpaired(found)]
        _check_foreground(result, where, split, found)
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
            findings += kind[:NUM_EXAMPLES]
            if len(kind) > NUM_EXAMPLES:
                findings.append(
                    Finding(f"{result.root}: {len(kind) - NUM_EXAMPLES} more pairs like these", *kind[0].parameters)
                )


def _by_way_out(errors: Iterable[Finding]) -> list[list[Finding]]:
    """Group sentences that end alike."""
    kinds: dict[str, list[Finding]] = defaultdict(list)
    for error in errors:
        kinds[error.rpartition(": ")[2]].append(error)
    return list(kinds.values())


def _describe_unread(listing: Listing) -> Iterator[Finding]:
    for reason, files in listing.unread.items():
        yield Finding(f"{listing.root}: {len(files)} files are {reason}: {_examples(files)}")
    for reason, count in listing.skipped.items():
        yield Finding(f"{listing.root}: annotations hold {reason}: {count} not drawn")


def _describe_unpaired(found: SplitCheck) -> Iterator[str]:
    for files, kind, other in ((found.unpaired_images, "image", "mask"), (found.unpaired_masks, "mask", "image")):
        if files:
            yield f"{len(files)} {kind}(s) without {other} of the same name: {_examples(files)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")


def _examples(names: Sequence[object]) -> str:
    return ", ".join(map(str, names[:NUM_EXAMPLES])) + (", …" if len(names) > NUM_EXAMPLES else "")


def _check_foreground(result: DataCheck, where: str, split: str, found: SplitCheck) -> None:
    """Add what the fractions of foreground tell."""
    resized = [p.pair.mask for p in found.readable if p.mask and p.mask.size != p.size]
    if resized:
        result.warnings.append(
            Finding(f"{where}: {_count(len(resized), 'mask')} of another size than the image but of its shape, "
                    f"resized: {_examples(resized)}")
        )  # fmt: skip
    if split in ("", "train"):
        for fraction, word in ((0, "empty"), (1, "full")):
            if set(found.foreground) == {fraction}:
                result.errors.append(
                    Finding(f"{where}: all {len(found.foreground)} masks are {word}: nothing to learn")
                )
                return
    if found.foreground and np.mean(found.foreground) >= MIN_INVERTED:
        result.warnings.append(
            Finding(f"{where}: {np.mean(found.foreground):.0%} of the pixels are foreground: if the object is what is "
                    "black, the masks are inverted: set mask_values to foreground=0", "mask_values")
        )  # fmt: skip


def _describe_images(result: DataCheck) -> Iterator[Finding]:
    """Yield what is remarkable about the images of all splits."""
    turned = [p.pair.image for p in result.pairs if p.orientation != 1 and not p.error]
    if turned:
        yield Finding(
            f"{result.root}: {_count(len(turned), 'image')} turned by an EXIF orientation that the mask lacks "
            f"({_examples(turned)}): if the masks were drawn on the images as stored, ignore the orientation",
            "ignore_exif",
        )
    ranges = [p.value_range for p in result.pairs if p.value_range]
    deep = [r for r in ranges if r[2] == 16]
    if deep and (highest := max(r[1] for r in deep)) <= MAX_USED_RANGE * 65535:
        yield Finding(
            f"{result.root}: {len(deep)} images of 16 bits use values up to {highest:g}, {highest / 65535:.0%} of the "
            "range, and look nearly black: normalise_range: true in the recipe will stretch each image's own range",
            "normalise_range",
        )
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
    """Yield which training images also occur in another split."""
    by_split = {
        name: [i for i, pair in enumerate(result.pairs) if pair.split == name and pair.hash is not None]
        for name in ("train", "val", "test")
    }
    pairs, hashes = result.pairs, {i: pair.hash for i, pair in enumerate(result.pairs) if pair.hash is not None}
    for name in ("val", "test"):
        if len(by_split["train"]) * len(by_split[name]) > MAX_COMPARISONS:
            yield Finding(f"{result.root}: too many images in train and {name} to look for duplicates")
        elif found := same_looking(by_split["train"], by_split[name], hashes):
            one, other = (pairs[i].pair.image for i in found[0])
            number = len({other for _, other in found})
            yield Finding(
                f"{result.root}: {number} of {len(by_split[name])} images in {name} look like one in train, such as "
                f"{other} like {one}: scores on them tell little about new images"
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
                "name pairs such as images/a.jpg and masks/a.png, or a.jpg and a_mask.png, or give patterns for both",
                "images",
                "masks",
            )
        )
        return
    try:
        training_split(listing, fraction=0.5, seed=0)
    except InputError as error:
        result.errors.append(Finding.of(error))
