"""Checks of a folder of pairs: every file is read, and how the masks are read is chosen."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..errors import InputError
from .data_check import DataCheck, Finding, PairCheck, SplitCheck
from .findings import add_findings
from .images.image_file import exif_orientation, read_raw
from .images.perceptual_hash import perceptual_hash
from .layout.pairs import Listing, Pair
from .masks.mask_file import count_labels
from .masks.mask_reading import choose_reading
from .masks.stored_mask import MaskContent, count_values, read_stored
from .options import DataOptions
from .sources import MaskSource

MAX_ASPECT_DIFFERENCE = 0.01
"""Relative difference of the aspect ratio up to which a mask of another size is resized."""
SWAPPING_ORIENTATIONS = (5, 6, 7, 8)
"""EXIF orientations that exchange width and height."""


def check_pairs(
    listing: Listing,
    options: DataOptions = DataOptions(),  # noqa: B008, frozen
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> DataCheck:
    """Read every pair, choose how the masks are read, and report what training on the pairs would meet.

    Args:
        listing: what `find_pairs` returned.
        options: the same as for `find_pairs`.
        progress: is called with the number of pairs read and their total.
    """
    result = DataCheck(listing.root)
    for split in sorted({*listing.pairs, *listing.unpaired_images, *listing.unpaired_masks}):
        result.splits[split] = SplitCheck(
            [], listing.unpaired_images.get(split, []), listing.unpaired_masks.get(split, [])
        )
    _read_pairs(result, listing, options, progress)
    _choose_reading(result, options)
    add_findings(result, listing, options)
    return result


def _read_pairs(
    result: DataCheck, listing: Listing, options: DataOptions, progress: Callable[[int, int], object]
) -> None:
    everything = [(split, pair) for split, pairs in listing.pairs.items() for pair in pairs]
    with ThreadPoolExecutor() as pool:
        checks = pool.map(lambda item: _check_pair(item[0], item[1], options), everything)
        for done, check in enumerate(checks, start=1):
            progress(done, len(everything))
            result.splits[check.split].pairs.append(check)


def _check_pair(split: str, pair: Pair, options: DataOptions) -> PairCheck:
    check = PairCheck(pair, split)
    try:
        raw = read_raw(pair.image, ignore_exif=options.ignore_exif)
        check.size, check.value_range, check.remark = raw.size, raw.value_range(), raw.remark
        check.hash = perceptual_hash(raw.to_rgb())
        check.mask = read_content(pair.mask, options)
        if not options.ignore_exif and isinstance(pair.mask, Path) and isinstance(pair.image, Path):
            turned = exif_orientation(pair.image)
            check.orientation = turned if turned != 1 and turned != exif_orientation(pair.mask) else 1
        check.error = _check_size(check)
    except InputError as error:
        check.error = Finding.of(error)
    return check


def read_content(source: MaskSource, options: DataOptions) -> MaskContent:
    """Read a mask and count its values.

    Raises:
        InputError: a file is missing or broken.
    """
    return count_values(source, read_stored(source, options.ignore_exif))


def _check_size(check: PairCheck) -> Finding | None:
    assert check.mask is not None
    (width, height), (mask_width, mask_height) = check.size, check.mask.size
    if has_same_aspect(check.size, check.mask.size):
        return None
    sentence = f"{check.pair.image} is {width}x{height}, but its mask {check.pair.mask} is {mask_width}x{mask_height}"
    if check.orientation in SWAPPING_ORIENTATIONS and (width, height) == (mask_height, mask_width):
        return Finding(
            f"{sentence}: the image is turned by its EXIF orientation; ignore it for all images", "ignore_exif"
        )
    return Finding(f"{sentence}: export both at the same size")


def has_same_aspect(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """True if two sizes (width, height) have the same aspect ratio, to one percent."""
    return abs(size[0] * other[1] / (size[1] * other[0]) - 1) <= MAX_ASPECT_DIFFERENCE


def _choose_reading(result: DataCheck, options: DataOptions) -> None:
    """Choose the reading, and count each mask's labels by it."""
    readable = [pair for pair in result.pairs if pair.mask and not pair.error]
    try:
        choice = choose_reading(str(result.root), [pair.mask for pair in readable if pair.mask], options)
    except InputError as error:
        result.errors.append(Finding.of(error))
        return
    result.reading = choice.reading
    result.warnings += [Finding(f"{result.root}: {remark}", "mask_values") for remark in choice.remarks]
    for pair in readable:
        try:
            assert pair.mask is not None
            pair.labels = count_labels(pair.mask, choice.reading, options.classes)
        except InputError as error:
            pair.error = Finding.of(error)
