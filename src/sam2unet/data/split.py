"""Splitting pairs: training against validation or test."""

import random
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import InputError
from ..files import atomic_path
from .annotations import Annotation
from .images.image_file import read_raw
from .images.image_formats import suffix_of
from .images.raw_image import RawImage
from .layout.pairs import Listing, Pair
from .masks.stored_mask import read_stored
from .sources import ImageSource, MaskSource, Page, files_of

GDAL_NODATA = 42113
"""TIFF tag of the value that means no data."""


def group_of(pair: Pair, group: str | None) -> str:
    """Return the name of the group that a pair belongs to.

    Args:
        pair: the pair.
        group: None for a group of its own, which pages of a file share; "folder" for its image's folder; or a regular
            expression that finds the group in the pair's key. If the expression has a group, its first is taken:
            `^(patient\\d+)_` groups the frames of a patient.

    Raises:
        InputError: the expression is invalid or finds nothing.
    """
    (file,) = files_of(pair.image)
    if group is None:
        return str(file)
    if group == "folder":
        return str(file.parent)
    try:
        found = re.search(group, pair.key)
    except re.error as error:
        raise InputError(f"the group expression {group!r} is invalid: {error}", "group") from error
    if not found or (found.re.groups and found[1] is None):
        raise InputError(f"the group expression {group!r} finds nothing in {pair.key!r} ({file})", "group")
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
    if len(groups) == 1 and group is None:
        groups = {str(index): [pair] for index, pair in enumerate(pairs)}  # the pages of a single file
    if len(groups) < 2:
        if group is not None:
            raise InputError(
                f"only {len(groups)} group (by {group}) in {len(pairs)} pairs: holding some out needs two or more"
            )
        raise InputError(
            f"only {len(pairs)} pair: one is held out, so two or more are needed: add a pair, or cut this one in two"
        )
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
    held_pairs = {pair for name in held for pair in groups[name]}
    return [pair for pair in pairs if pair not in held_pairs], [pair for pair in pairs if pair in held_pairs]


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
    """Copy all pairs into `out`/train and `out`/test, each with images/ and masks/.

    Files are copied as they are. Annotations become masks of class indices; several masks of one image become one; and
    pages become files of their own.

    Args:
        listing: what `find_pairs` returned.
        out: a new or empty folder.
        fraction: of the pairs that go to test; see `hold_out`.
        seed: see `hold_out`.
        group: see `group_of`.

    Returns:
        The number of pairs in train and in test.

    Raises:
        InputError: `out` is not empty, nothing can be held out, or a file can't be read.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out}: exists and is not empty: choose another folder", "out")
    split_of = {pair: split for split, pairs in listing.pairs.items() for pair in pairs}
    train, test = hold_out([*split_of], fraction, seed, group)
    times = Counter(pair.key for pair in split_of)
    with atomic_path(out) as partial:
        written = set[tuple[str, Path]]()
        for side, pair in [("train", pair) for pair in train] + [("test", pair) for pair in test]:
            folder, _, name = pair.key.rpartition("/")
            # train/1.png and val/1.png become train_1.png and val_1.png
            name = f"{split_of[pair] or 'other'}_{name}" if times[pair.key] > 1 else name
            target = Path(folder, name)
            if (side, target) in written:
                raise InputError(f"{pair.image}: another pair would be written as {name} too: rename it")
            written.add((side, target))
            for kind, source in (("images", pair.image), ("masks", pair.mask)):
                _copy(source, partial / side / kind / target)
    return len(train), len(test)


def _copy(source: ImageSource | MaskSource, target: Path) -> None:
    """Write an image or a mask to a name without suffix."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, Path):
        shutil.copyfile(source, f"{target}{source.name[-len(suffix_of(source)) :]}")
    elif isinstance(source, Page):
        _write_raw(read_raw(source), target)
    elif isinstance(source, Annotation):
        _write_array(source.draw(), target)
    else:
        _write_array(read_stored(source).values, target)


def _write_raw(raw: RawImage, target: Path) -> None:
    """Write what a page stores, with its palette, its transparency, and what it declares as no data."""
    if raw.pixels.dtype != np.uint8 or raw.nodata is not None:
        _write_array(raw.pixels, target, raw.nodata)
        return
    pixels = raw.pixels if raw.alpha is None or raw.palette is not None else np.dstack([raw.pixels, raw.alpha])
    image = Image.fromarray(pixels)
    if raw.palette is not None:
        image.putpalette(raw.palette.tobytes())
    image.save(f"{target}.png")


def _write_array(values: NDArray[np.generic], target: Path, nodata: float | None = None) -> None:
    """Write (H, W) or (H, W, 3) as PNG if it has 8 bits, else as TIFF."""
    if values.dtype == bool:
        values = values.astype(np.uint8)
    if values.dtype == np.uint8 and nodata is None:
        Image.fromarray(np.ascontiguousarray(values)).save(f"{target}.png")
        return
    import tifffile

    tags = [] if nodata is None else [(GDAL_NODATA, "s", 0, f"{nodata:g}", True)]
    photometric = "rgb" if values.ndim == 3 and values.shape[2] in (3, 4) else "minisblack"
    tifffile.imwrite(f"{target}.tif", values, photometric=photometric, extratags=tags, compression="zlib")
