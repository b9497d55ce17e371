"""Which prediction belongs to which mask, and whether the predictions have one class or several."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..card import IGNORED
from ..data import (
    DataOptions,
    ImageSource,
    MaskSource,
    Page,
    find_files,
    find_images,
    find_masks,
    match,
    match_files,
    open_header,
)
from ..errors import InputError

MAX_CLASSES = IGNORED - 1
"""Highest number of classes, including background."""


@dataclass(frozen=True)
class EvaluationPair:
    """A prediction and its mask."""

    name: str
    prediction: Path
    mask: MaskSource
    image: ImageSource | None
    """None if there are masks only."""
    roi: Path | None
    """Mask of the region of interest; None: the whole image is scored."""


def match_predictions(
    predictions: Path,
    masks: Path,
    *,
    prefer_probability: bool = True,
    strict: bool = True,
    options: DataOptions = DataOptions(),  # noqa: B008, frozen
    roi: str | None = None,
) -> tuple[list[EvaluationPair], list[MaskSource]]:
    """Match predictions and masks by name.

    Args:
        predictions: a folder.
        masks: a folder of masks, or of images and masks.
        prefer_probability: see `find_predictions`.
        strict: raise if any mask has no prediction.
        options: which files are the masks.
        roi: pattern of the masks of the region of interest, relative to `masks`.

    Returns:
        The pairs sorted by name, and the masks without prediction.

    Raises:
        InputError: no such folder, no masks or only images, several files that could be the masks, no prediction at
            all, or, if `strict`, none for some mask; an image without region of interest.
    """
    for folder in (predictions, masks):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
    found = find_predictions(predictions, prefer_probability=prefer_probability)
    truths = find_masks(masks, options, found)
    if not truths:
        raise InputError(f"{masks}: holds no masks")
    images = {} if options.pairs else find_images(masks, options=options)
    image_of = {key: image for key, mask in truths.items() if (image := _image_of(key, mask, images))}
    prediction_of = {mask: name for name, mask in match(found, truths).items()}
    if image_of:  # a mask without image had nothing to be predicted from
        truths = {key: mask for key, mask in truths.items() if key in image_of or key in prediction_of}
    missing = [key for key in truths if key not in prediction_of]
    if missing and (strict or not prediction_of):
        example = f"; found {next(iter(found.values()))}" if found else ""
        raise InputError(
            f"{predictions}: lacks {len(missing)} of {len(truths)} predictions, such as {missing[0]}.png for "
            f"{truths[missing[0]]}{example}"
        )
    regions = _match_regions(masks, roi, prediction_of)
    pairs = [
        EvaluationPair(name, found[name], truths[key], image_of.get(key), regions.get(key))
        for key, name in sorted(prediction_of.items())
    ]
    return pairs, [truths[key] for key in sorted(missing)]


def _image_of(key: str, mask: MaskSource, images: dict[str, Path]) -> ImageSource | None:
    """Return the image that a mask belongs to; None if there are masks only."""
    if isinstance(mask, Page):
        file = images.get(key.rpartition("/")[0])
        return Page(file, mask.index, mask.axis) if file and file != mask.file else None
    image = images.get(key)
    return image if image != mask else None


def _match_regions(masks: Path, roi: str | None, prediction_of: dict[str, str]) -> dict[str, Path]:
    """Return the region of interest of each mask with a prediction, by the mask's key.

    Raises:
        InputError: one has none.
    """
    regions = match_files(prediction_of, masks, roi) if roi else {}
    without = [key for key in sorted(prediction_of) if key not in regions]
    if roi and without:
        raise InputError(
            f"{masks}: {len(without)} of {len(prediction_of)} images, such as {without[0]}, have no region of interest "
            f"that {roi!r} matches: correct the pattern",
            "roi",
        )
    return regions


def find_predictions(folder: Path, *, prefer_probability: bool = True) -> dict[str, Path]:
    """Return the predictions in a folder by name, without those in `overlays/`.

    Args:
        folder: a folder, such as `predict` writes.
        prefer_probability: return the maps in `probability/`, if there is such a folder, and nothing else.

    Raises:
        InputError: no such folder, or two files of the same name.
    """
    root = folder / "probability" if prefer_probability and (folder / "probability").is_dir() else folder
    found = find_files(root)
    return {name: path for name, path in found.items() if not name.startswith(("overlays/", "probability/"))}


def is_multiclass(predictions: Path, classes: int | None = None) -> bool:
    """Return True if predictions of several classes are to be evaluated.

    Args:
        predictions: a folder; without `classes`, there are several if most images in it have a coloured palette. Only
            headers are read, and broken files are left for the evaluation to report.
        classes: number of classes, if known.

    Raises:
        InputError: no such folder, or `classes` is out of range.
    """
    if classes is not None:
        if not 1 <= classes <= MAX_CLASSES:
            raise InputError(f"classes is {classes}: it must be 1 to {MAX_CLASSES}")
        return classes > 1
    found = find_predictions(predictions, prefer_probability=False)
    coloured = [_has_coloured_palette(path) for path in found.values()]
    return 2 * sum(coloured) > len(coloured)


def _has_coloured_palette(path: Path) -> bool:
    try:
        with open_header(path) as image:
            return has_coloured_palette(image)
    except InputError:
        return False


def has_coloured_palette(image: Image.Image) -> bool:
    """Return True if pixels are indices of colours, as in class masks; a grey palette only compresses a grey image."""
    if image.mode != "P":
        return False
    colours = np.array(image.getpalette(), np.uint8).reshape(-1, 3)
    return bool((np.ptp(colours, axis=1) > 3).any())


def read_class_names(predictions: Path, classes: int | None = None) -> list[str]:
    """Read `classes.txt` in a folder of predictions: one name a line, background first.

    Returns:
        The names; none if there is no such file.

    Raises:
        InputError: not text, not as many names as `classes`, or a name twice.
    """
    file = predictions / "classes.txt"
    if not file.is_file():
        return []
    try:
        names = [line.strip() for line in file.read_text(encoding="utf-8-sig").strip().splitlines()]
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 text") from error
    if classes and len(names) != classes:
        raise InputError(f"{file}: names {len(names)} classes, but classes is {classes}")
    repeated = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if repeated is not None:
        raise InputError(f"{file}: names {repeated!r} twice")
    return names
