"""Files of several pages: their pages are images and masks of their own."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...errors import InputError
from ..images.image_file import axis_codes, list_pages
from ..images.image_formats import suffix_of
from ..sources import ImageSource, MaskParts, MaskSource, Page, files_of

SUFFIXES = {".apng", ".dcm", ".gif", ".nii", ".nii.gz", ".npy", ".tif", ".tiff", ".webp"}
"""Suffixes of the files whose headers are read to count their pages."""


def pages_of(path: Path, layers: int | None) -> list[Page]:
    """Return the pages of a file; [] if it has a single one, or can't be read, which reading it will tell.

    Args:
        path: the file.
        layers: axis of a volume along which the pages lie.
    """
    if suffix_of(path) not in SUFFIXES:
        return []
    try:
        return list_pages(path, layers)
    except InputError:
        return []


def page_name(name: str, page: Page) -> str:
    """Return the name of a page's outputs, given that of its file's."""
    return f"{name}/{page.index:04d}"


def split_pages(
    key: str, image: Path, mask: MaskSource, layers: int | None
) -> Iterator[tuple[str, ImageSource, MaskSource]]:
    """Yield (key, image, mask) of each page of an image, or of the two themselves if they have a single page.

    Args:
        key: the image's name.
        image: the image.
        mask: its mask: a file of as many pages, or as many files, numbered.
        layers: see `pages_of`.

    Raises:
        InputError: the numbers of pages differ, or the orientations of two volumes.
    """
    images = pages_of(image, layers)
    masks: Sequence[Path | Page] = pages_of(mask, layers) if isinstance(mask, Path) else []
    if isinstance(mask, MaskParts) and images:
        masks = [*sorted(mask.files, key=_number)]
    if not images and not masks:
        yield key, image, mask
        return
    if len(images) != len(masks):
        raise InputError(
            f"{image} has {max(len(images), 1)} pages, but its mask {files_of(mask)[0]} has {max(len(masks), 1)}: save "
            "both with as many, or name the axis of the pages",
            "layers",
        )
    if isinstance(mask, Path) and (axes := axis_codes(image)) != (mask_axes := axis_codes(mask)):
        raise InputError(
            f"{image} and its mask {mask} are oriented differently ({axes or 'no volume'} and "
            f"{mask_axes or 'no volume'}): save both in the same orientation"
        )
    for page, page_mask in zip(images, masks, strict=True):
        yield page_name(key, page), page, page_mask


def _number(path: Path) -> tuple[int, str]:
    """Return the last number in a file's name, to sort by."""
    found = re.findall(r"\d+", path.stem)
    return int(found[-1]) if found else 0, path.name
