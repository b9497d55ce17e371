"""Evaluating a folder of predictions against a folder of masks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data import Polygons, find_images, find_masks, match, read_mask
from ..data.image_file import open_picture
from ..errors import InputError
from .metrics import Scores, score, summarise


@dataclass(frozen=True)
class Evaluated:
    """One picture: its name, its files, and its scores. `image` is None where only masks are at hand."""

    name: str
    prediction: Path
    mask: Path | Polygons
    image: Path | None
    scores: Scores


def evaluate(predictions: str | Path, masks: str | Path) -> dict[str, float]:
    """The field's metrics of a folder of predictions.

    Args:
        predictions: 8-bit maps or 0/255 masks, at the size of the masks and named like them; of a folder that
            `predict` wrote, `probability/` is taken if it is there.
        masks: a folder of masks, or of pictures and masks.

    Returns:
        MAE, S, E_adaptive, E_mean, E_max, F_adaptive, F_mean, F_max, wF, mDice, mIoU (means over 256 thresholds),
        all as PySODMetrics computes them; Dice, IoU (at 0.5 of the map as saved; 1 where map and mask are both
        empty); images (their number).

    Raises:
        InputError: a mask without prediction, a pair of different sizes, a broken file.
    """
    return summarise([item.scores for item in evaluate_each(Path(predictions), Path(masks))])


def evaluate_each(
    predictions: Path, masks: Path, progress: Callable[[int, int], object] = lambda done, total: None
) -> list[Evaluated]:
    """The scores of each picture, by name; see `evaluate`. `progress` gets how many of how many are done."""
    for folder in (predictions, masks):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
    maps = find_predictions(predictions)
    truths, images = find_masks(masks), find_images(masks)
    if not truths:
        raise InputError(f"{masks}: holds no masks")
    pictures = {mask: images[name] for name, mask in match(images, truths).items()}
    if pictures:
        truths = {key: truths[key] for key in pictures}  # nothing was there to predict the others from
    matched = {mask: name for name, mask in match(maps, truths).items()}
    missing = [key for key in truths if key not in matched]
    if missing:
        example = f"; found {next(iter(maps.values()))}" if maps else ""
        raise InputError(
            f"{predictions}: lacks {len(missing)} of {len(truths)} predictions, such as {missing[0]}.png for "
            f"{truths[missing[0]]}{example}"
        )
    result = []
    brightest = 0
    for key in sorted(matched):
        truth = truths[key]
        prediction = read_map(maps[matched[key]])
        brightest = max(brightest, int(prediction.max(initial=0)))
        mask = read_mask(truth).foreground()
        if prediction.shape != mask.shape:
            (h, w), (mh, mw) = prediction.shape, mask.shape
            raise InputError(
                f"{maps[matched[key]]} is {w}x{h}, but its mask {truth} is {mw}x{mh}; predict at the picture's own size"
            )
        picture = pictures.get(key)
        image = picture if picture != truth else None
        result.append(Evaluated(matched[key], maps[matched[key]], truth, image, score(prediction, mask)))
        progress(len(result), len(matched))
    if brightest == 1:  # of one map it may be a faint probability, of all it is another scale
        raise InputError(f"{predictions}: holds masks of 0 and 1; predictions are 8-bit maps or masks of 0 and 255")
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


def find_predictions(folder: Path) -> dict[str, Path]:
    """The maps in a folder by name, `probability/` preferred, `overlays/` left out."""
    root = folder / "probability" if (folder / "probability").is_dir() else folder
    found: dict[str, Path] = {}
    for name, path in {
        **find_images(root),
        **{k: v for k, v in find_masks(root).items() if isinstance(v, Path)},
    }.items():
        if not name.startswith("overlays/"):
            found[name] = path
    return found
