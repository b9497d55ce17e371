"""Holding pairs out: which are for training and which for validation."""

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


def group_of(pair: Pair, by: str | None) -> str:
    """What a pair belongs to: itself (`by` None), its folder ("folder"), or what a regular expression finds in its key.

    The expression's first group counts if it has one, so `^(patient\\d+)_` makes one group of a patient's frames.

    Raises:
        InputError: the expression is broken or finds nothing.
    """
    if by is None:
        return str(pair.image)
    if by == "folder":
        return str(pair.image.parent)
    try:
        found = re.search(by, pair.key)
    except re.error as error:
        raise InputError(f"the group expression {by!r} is broken: {error}") from error
    if not found or (found.re.groups and found[1] is None):
        raise InputError(f"the group expression {by!r} finds nothing in {pair.key!r} ({pair.image})")
    group: str = found[1] if found.re.groups else found[0]
    return group


def hold_out(pairs: Sequence[Pair], share: float, seed: int, by: str | None = None) -> tuple[list[Pair], list[Pair]]:
    """(kept, held out): about `share` of the pairs, at least a group, drawn by `seed`; no group is on both sides.

    Raises:
        InputError: fewer than two groups, so nothing can be held out.
    """
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[group_of(pair, by)].append(pair)
    if len(groups) < 2:
        what = "pair" if by is None else f"group (by {by})"
        raise InputError(
            f"only {len(groups)} {what} in {len(pairs)} pairs: holding out for validation needs two or more"
        )
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    held: set[str] = set()
    missing = share * len(pairs)
    for name in names:
        # A group is held out if that comes nearer to the share than leaving it.
        if abs(missing - len(groups[name])) < abs(missing) and len(held) < len(names) - 1:
            held.add(name)
            missing -= len(groups[name])
    held = held or {min(names, key=lambda name: len(groups[name]))}
    return (
        [p for p in pairs if group_of(p, by) not in held],
        [p for p in pairs if group_of(p, by) in held],
    )


def training_split(listing: Listing, share: float, seed: int, by: str | None = None) -> tuple[list[Pair], list[Pair]]:
    """(training, validation) pairs: the folders `train` and `val` where they exist, else `share` held out.

    A folder `test` takes no part.

    Raises:
        InputError: there is nothing to train on.
    """
    training = listing.pairs.get("train") or listing.pairs.get("") or []
    if not training:
        raise InputError(f"{listing.root}: holds no pairs to train on (a folder test/ is never trained on)")
    validation = listing.pairs.get("val")
    return (training, validation) if validation else hold_out(training, share, seed, by)


def write_split(listing: Listing, out: Path, share: float, seed: int, by: str | None = None) -> tuple[int, int]:
    """Copy all pairs into `out`/train and `out`/test, each with images/ and masks/; polygons become index masks.

    Returns:
        The number of pairs in each.

    Raises:
        InputError: `out` exists and isn't empty, or there is nothing to hold out.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out}: exists and is not empty; name a new folder for the split")
    kept, held = hold_out([pair for pairs in listing.pairs.values() for pair in pairs], share, seed, by)
    split_of = {pair: split for split, pairs in listing.pairs.items() for pair in pairs}
    times = Counter(pair.key for pair in split_of)
    with atomic_path(out) as partial:
        for part, pair in [("train", pair) for pair in kept] + [("test", pair) for pair in held]:
            folder, _, name = pair.key.rpartition("/")
            # train/1.png and val/1.png go on as train_1.png and val_1.png
            name = f"{split_of[pair] or 'other'}_{name}" if times[pair.key] > 1 else name
            image = partial / part / "images" / folder / f"{name}{pair.image.suffix}"
            mask = partial / part / "masks" / folder / f"{name}{getattr(pair.mask, 'suffix', '.png')}"
            for file in (image, mask):
                file.parent.mkdir(parents=True, exist_ok=True)
                if file.exists():
                    raise InputError(f"{pair.image}: another pair would be written as {name} too; rename it")
            shutil.copyfile(pair.image, image)
            if isinstance(pair.mask, Polygons):
                Image.fromarray(read_mask(pair.mask).values).save(mask)
            else:
                shutil.copyfile(pair.mask, mask)
    return len(kept), len(held)
