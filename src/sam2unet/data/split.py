"""Splitting pairs: training against validation or test."""

import random
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ..errors import InputError
from ..files import atomic_path
from .mask_file import Polygons, read_mask
from .pairs import Listing, Pair


def group_of(pair: Pair, group: str | None) -> str:
    """Return the name of the group that a pair belongs to.

    Args:
        pair: the pair.
        group: None for a group of its own, "folder" for its image's folder, or a regular expression that finds the
            group in the pair's key. If the expression has a group, its first is taken: `^(patient\\d+)_` groups the
            frames of a patient.

    Raises:
        InputError: the expression is invalid or finds nothing.
    """
    if group is None:
        return str(pair.image)
    if group == "folder":
        return str(pair.image.parent)
    try:
        found = re.search(group, pair.key)
    except re.error as error:
        raise InputError(f"the group expression {group!r} is invalid: {error}", "group") from error
    if not found or (found.re.groups and found[1] is None):
        raise InputError(f"the group expression {group!r} finds nothing in {pair.key!r} ({pair.image})", "group")
    name: str = found[1] if found.re.groups else found[0]
    return name


def hold_out(
    pairs: Sequence[Pair], fraction: float, seed: int, group: str | None = None
) -> tuple[list[Pair], list[Pair]]:
    """Split pairs at random so that no group is on both sides.

    Args:
        pairs: at least two groups.
        fraction: of the pairs to hold out, approximately; at least one group is held out.
        seed: random seed.
        group: see `group_of`.

    Returns:
        The pairs that remain, and those that are held out.

    Raises:
        InputError: fewer than two groups.
    """
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[group_of(pair, group)].append(pair)
    if len(groups) < 2:
        unit = "pair" if group is None else f"group (by {group})"
        raise InputError(f"only {len(groups)} {unit} in {len(pairs)} pairs: holding some out needs two or more")
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    held: set[str] = set()
    missing = fraction * len(pairs)
    for name in names:
        # A group is held out if that gets closer to the fraction.
        if abs(missing - len(groups[name])) < abs(missing) and len(held) < len(names) - 1:
            held.add(name)
            missing -= len(groups[name])
    held = held or {min(names, key=lambda name: len(groups[name]))}
    return (
        [p for p in pairs if group_of(p, group) not in held],
        [p for p in pairs if group_of(p, group) in held],
    )


def training_split(
    listing: Listing, fraction: float, seed: int, group: str | None = None
) -> tuple[list[Pair], list[Pair]]:
    """Return (training, validation) pairs: the splits `train` and `val` where they exist, else by `hold_out`.

    The split `test` is never used.

    Args:
        listing: what `find_pairs` returned.
        fraction: see `hold_out`.
        seed: see `hold_out`.
        group: see `group_of`.

    Raises:
        InputError: there is nothing to train on, or nothing can be held out.
    """
    training = listing.pairs.get("train") or listing.pairs.get("") or []
    if not training:
        raise InputError(f"{listing.root}: holds no pairs to train on (a folder test/ is never trained on)")
    validation = listing.pairs.get("val")
    return (training, validation) if validation else hold_out(training, fraction, seed, group)


def write_split(listing: Listing, out: Path, fraction: float, seed: int, group: str | None = None) -> tuple[int, int]:
    """Copy all pairs into `out`/train and `out`/test, each with images/ and masks/; polygons become index masks.

    Args:
        listing: what `find_pairs` returned.
        out: a new or empty folder.
        fraction: of the pairs that go to test; see `hold_out`.
        seed: see `hold_out`.
        group: see `group_of`.

    Returns:
        The number of pairs in train and in test.

    Raises:
        InputError: `out` is not empty, or nothing can be held out.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out}: exists and is not empty: choose another folder", "out")
    split_of = {pair: split for split, pairs in listing.pairs.items() for pair in pairs}
    train, test = hold_out([*split_of], fraction, seed, group)
    times = Counter(pair.key for pair in split_of)
    with atomic_path(out) as partial:
        for side, pair in [("train", pair) for pair in train] + [("test", pair) for pair in test]:
            folder, _, name = pair.key.rpartition("/")
            # train/1.png and val/1.png become train_1.png and val_1.png
            name = f"{split_of[pair] or 'other'}_{name}" if times[pair.key] > 1 else name
            image = partial / side / "images" / folder / f"{name}{pair.image.suffix}"
            mask = partial / side / "masks" / folder / f"{name}{getattr(pair.mask, 'suffix', '.png')}"
            for file in (image, mask):
                file.parent.mkdir(parents=True, exist_ok=True)
                if file.exists():
                    raise InputError(f"{pair.image}: another pair would be written as {name} too: rename it")
            shutil.copyfile(pair.image, image)
            if isinstance(pair.mask, Polygons):
                Image.fromarray(read_mask(pair.mask).values).save(mask)
            else:
                shutil.copyfile(pair.mask, mask)
    return len(train), len(test)
