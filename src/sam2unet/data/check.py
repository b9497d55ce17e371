"""Checks of a folder of pairs: every file is read, and how the masks are read is chosen."""

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from ..errors import InputError
from .data_check import DataCheck, Finding, PairCheck, SplitCheck, fraction_of
from .findings import add_findings, describe_inverted, describe_listing, describe_turned, describe_uniform
from .images.image_file import check_image, exif_orientation
from .images.perceptual_hash import perceptual_hash
from .layout.pairs import Listing, Pair, find_pairs
from .masks.mask_file import count_labels
from .masks.mask_reading import choose_reading, describe_reading
from .masks.mask_values import MaskReading
from .masks.stored_mask import MaskContent, count_values, read_stored
from .options import DataOptions
from .sources import ImageSource, MaskSource

MAX_ASPECT_DIFFERENCE = 0.01
"""Relative difference of the aspect ratio up to which a mask of another size is resized."""
THREADS = max(2, os.cpu_count() or 1)
"""Number of threads that read files; more than one per core is slower, as they wait for each other."""
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
    several_splits = sum(map(bool, listing.pairs.values())) > 1  # else there is nothing to compare hashes with
    with ThreadPoolExecutor(THREADS) as pool:
        checks = pool.map(lambda item: _check_pair(item[0], item[1], options, several_splits), everything)
        for done, check in enumerate(checks, start=1):
            progress(done, len(everything))
            result.splits[check.split].pairs.append(check)


def _check_pair(split: str, pair: Pair, options: DataOptions, with_hash: bool) -> PairCheck:
    check = PairCheck(pair, split)
    try:
        found = check_image(pair.image, ignore_exif=options.ignore_exif)
        check.size, check.value_range, check.remark = found.size, found.value_range, found.remark
        check.is_scaled_by_type = found.is_scaled_by_type
        check.hash = perceptual_hash(found.image) if with_hash else None
        check.mask = read_content(pair.mask, options)
        check.orientation = _differing_orientation(found.orientation, pair.image, pair.mask, options)
        check.error = _check_size(check)
    except InputError as error:
        check.error = Finding.of(error)
    return check


def _differing_orientation(turned: int, image: ImageSource, mask: MaskSource, options: DataOptions) -> int:
    """Return the EXIF orientation of an image if its mask has another one, else 1."""
    if turned == 1 or options.ignore_exif or not isinstance(mask, Path) or not isinstance(image, Path):
        return 1
    return turned if turned != exif_orientation(mask) else 1


def check_masks(where: Path, masks: Sequence[MaskSource], options: DataOptions) -> tuple[MaskReading, str, list[str]]:
    """Read all masks of a set and choose how they are read.

    Args:
        where: the folder, for messages.
        masks: all of the set.
        options: the same as for `find_pairs`.

    Returns:
        The reading, a sentence about it, and remarks, as `check_pairs` has them.

    Raises:
        InputError: a broken mask, or masks that can be read in more than one way.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        contents = [*pool.map(lambda mask: read_content(mask, options), masks)]
    choice = choose_reading(str(where), contents, options)
    remarks: list[str] = [Finding(f"{where}: {remark}", "mask_values") for remark in choice.remarks]
    foreground = [fraction_of(count_labels(content, choice.reading, options.classes)) for content in contents]
    if uniform := describe_uniform(str(where), foreground, options):
        remarks.append(uniform)
    else:
        remarks += describe_inverted(str(where), foreground, options)
    return choice.reading, describe_reading(choice.reading, contents), remarks


def check_folder(
    root: Path, pairs: Iterable[tuple[ImageSource, MaskSource]], options: DataOptions, used: Collection[Path] = ()
) -> list[str]:
    """Return what `check_pairs` would remark on the files of a folder, without reading pixels.

    Args:
        root: the folder; [] is returned if `find_pairs` refuses it, as it may a folder of masks only.
        pairs: images and masks that belong together.
        options: the same as for `find_pairs`.
        used: see `describe_listing`.
    """
    turned = []
    for image, mask in pairs:
        with suppress(InputError):  # the image is broken, which only training and prediction suffer from
            if _differing_orientation(exif_orientation(image), image, mask, options) != 1:
                turned.append(image)
    remarks: list[str] = []
    with suppress(InputError):
        remarks += describe_listing(find_pairs(root, options), used)
    return [*remarks, *describe_turned(root, turned)]


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
    if result.pairs and not readable:
        return
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
