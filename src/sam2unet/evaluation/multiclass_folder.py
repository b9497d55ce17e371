"""Evaluating a folder of class-index masks against a folder of masks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data import Mask, Polygons, find_pairs, read_mask
from ..data.image_file import open_image
from ..data.mask_file import IGNORED, LOSSY, class_indices
from ..errors import InputError
from .multiclass_metrics import Counts, confusion, image_dice, summarise_classes
from .pairs import EvaluationPair, has_coloured_palette, match_predictions, other_size

MOST = IGNORED  # classes, as many as there are indices below it


@dataclass(frozen=True)
class MulticlassImageScores(EvaluationPair):
    """One picture and its `image_dice`."""

    dice: float


@dataclass(frozen=True)
class MulticlassEvaluation:
    """The pictures by name, the classes' names, and over all pictures the confusion matrix (classes, classes)."""

    items: list[MulticlassImageScores]
    names: list[str]
    confusion: Counts
    unlabelled: int
    """Pixels that are ignored."""

    @property
    def metrics(self) -> dict[str, float]:
        """See `summarise_classes`."""
        return summarise_classes(self.confusion, self.names, len(self.items))


def evaluate_multiclass(
    predictions: Path,
    masks: Path,
    classes: int | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> MulticlassEvaluation:
    """Compare the class-index masks of two folders; see `evaluate`. `progress` gets how many of how many are done."""
    names = read_names(predictions / "classes.txt", classes)
    known = classes or len(names)
    matched = _labelled(match_predictions(predictions, masks, maps=False)[0], masks, names)
    side, highest, binary, unlabelled = known or MOST, 0, 0, 0
    total = np.zeros((side, side), np.int64)
    items: list[MulticlassImageScores] = []
    for item in matched:
        found, mask = read_indices(item.prediction, side), read_mask(item.mask)
        truth = class_indices(mask, side, item.mask)
        if found.shape != truth.shape:
            raise InputError(other_size(item, found.shape, truth.shape))
        counts = confusion(found, truth, side)
        total += counts
        highest = max(highest, int(found.max(initial=0)), int(truth[truth != IGNORED].max(initial=0)))
        binary += mask.kind == "0/255"
        unlabelled += int((truth == IGNORED).sum())
        items.append(MulticlassImageScores(item.name, item.prediction, item.mask, item.image, image_dice(counts)))
        progress(len(items), len(matched))
    if binary and not total[1:].any():  # of one mask 255 may well be "ignored", of all it is the object
        raise InputError(f"{masks}: holds masks of 0 and 255; store each pixel's class (0, 1, 2, …), 255 is ignored")
    known = known or highest + 1
    return MulticlassEvaluation(items, names or [str(i) for i in range(known)], total[:known, :known], unlabelled)


def read_names(path: Path, classes: int | None = None) -> list[str]:
    """The classes' names, one a line, background first; [] if there is no such file.

    Raises:
        InputError: not text, not as many as `classes`, or a name twice.
    """
    if not path.is_file():
        return []
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8-sig").strip().splitlines()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: no UTF-8 text") from error
    if classes and len(names) != classes:
        raise InputError(f"{path}: names {len(names)} classes, but classes is {classes}")
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise InputError(f"{path}: names {twice!r} twice")
    return names


def read_indices(path: Path, classes: int) -> NDArray[np.uint8]:
    """(H, W) uint8 class indices of a prediction, all below `classes`.

    Raises:
        InputError: higher indices, soft edges, colours, or a broken file.
    """
    picture = open_image(path)
    exact = picture.mode == "L" and path.suffix.lower() not in LOSSY
    # Nothing is to be guessed of a prediction's values, as `read_mask` must of masks.
    plain = exact or has_coloured_palette(picture)
    mask = Mask("class indices", np.asarray(picture)) if plain else read_mask(path)
    if IGNORED in mask.values:
        raise InputError(f"{path}: holds 255, which is no class; a prediction gives each pixel a class (0, 1, 2, …)")
    return class_indices(mask, classes, path)


def _labelled(items: list[EvaluationPair], masks: Path, names: list[str]) -> list[EvaluationPair]:
    """With polygons whose labels are the `names`."""
    if not names or not any(isinstance(item.mask, Polygons) for item in items):
        return items
    drawn = {pair.image: pair.mask for pairs in find_pairs(masks, names).pairs.values() for pair in pairs}
    return [replace(item, mask=drawn[item.image]) if item.image in drawn else item for item in items]
