"""Evaluating a folder of predictions against a folder of masks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data import read_mask
from ..data.image_file import open_picture
from ..errors import InputError
from .class_folder import evaluate_classes
from .matching import Compared, check_sizes, holds_classes, match_predictions
from .metrics import Scores, score, summarise


@dataclass(frozen=True)
class Evaluated(Compared):
    """One picture and its scores."""

    scores: Scores


def evaluate(predictions: str | Path, masks: str | Path, classes: int | None = None) -> dict[str, float]:
    """The field's metrics of a folder of predictions.

    Args:
        predictions: 8-bit maps or 0/255 masks, at the size of the masks and named like them; of a folder that
            `predict` wrote, `probability/` is taken if it is there. Of several classes masks of class indices, with
            the classes' names in `classes.txt`, one a line, background first; without it they are "0", "1", ...
        masks: a folder of masks, or of pictures and masks; 255 in a mask of several classes is ignored.
        classes: 1, or the number of classes, background counted. By default there are several if predictions have a
            coloured palette: as many as `classes.txt` names, else up to the highest index.

    Returns:
        Of one class MAE, S, E_adaptive, E_mean, E_max, F_adaptive, F_mean, F_max, wF, mDice, mIoU (means over 256
        thresholds), all as PySODMetrics computes them; Dice, IoU (at 0.5 of the map as saved; 1 where map and mask are
        both empty); images (their number). Of several classes what `summarise_classes` says.

    Raises:
        InputError: a mask without prediction, a pair of different sizes, an index that is no class, a broken file.
    """
    predictions, masks = Path(predictions), Path(masks)
    if holds_classes(predictions, classes):
        return evaluate_classes(predictions, masks, classes).metrics
    return summarise([item.scores for item in evaluate_each(predictions, masks)])


def evaluate_each(
    predictions: Path, masks: Path, progress: Callable[[int, int], object] = lambda done, total: None
) -> list[Evaluated]:
    """The scores of each picture of one class, by name; see `evaluate`. `progress` gets the done and the total."""
    matched = match_predictions(predictions, masks)
    result = []
    brightest = 0
    for item in matched:
        prediction, mask = read_map(item.prediction), read_mask(item.mask).foreground()
        brightest = max(brightest, int(prediction.max(initial=0)))
        check_sizes(item, prediction.shape, mask.shape)
        result.append(Evaluated(item.name, item.prediction, item.mask, item.image, score(prediction, mask)))
        progress(len(result), len(matched))
    if brightest == 1:  # of one map it may be a faint probability, of all it is another scale
        raise InputError(
            f"{predictions}: holds masks of 0 and 1; predictions are 8-bit maps or masks of 0 and 255; classes 2 takes "
            "them as class indices"
        )
    return result


def read_map(path: Path) -> NDArray[np.uint8]:
    """(H, W) uint8 of a map or a 0/255 mask.

    Raises:
        InputError: colours or more than 8 bits: their values are no probabilities in 255ths.
    """
    picture = open_picture(path)
    values = np.asarray(picture.convert("RGB"))
    wide = picture.mode.startswith(("I", "F"))
    if wide or values.max(axis=2, initial=0).astype(int).sum() != values.min(axis=2, initial=255).astype(int).sum():
        what = "more than 8 bits" if wide else "colours"
        raise InputError(f"{path}: has {what}; predictions are 8-bit grey maps or masks of 0 and 255, of one class")
    grey: NDArray[np.uint8] = values[..., 0]
    return grey
