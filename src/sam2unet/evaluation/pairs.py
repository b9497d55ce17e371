"""Which prediction belongs to which mask, and what kind the predictions are."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..data import Polygons, find_images, find_masks, match
from ..errors import InputError


@dataclass(frozen=True)
class EvaluationPair:
    """One picture: its name and its files."""

    name: str
    prediction: Path
    mask: Path | Polygons
    image: Path | None
    """None where only masks are at hand."""


def match_predictions(
    predictions: Path, masks: Path, *, maps: bool = True, all_wanted: bool = True
) -> tuple[list[EvaluationPair], list[Path | Polygons]]:
    """The pairs of prediction and mask by name, and the masks without prediction; `maps`: see `find_predictions`.

    Raises:
        InputError: no such folder, no masks, or no prediction for any, or for one if `all_wanted`.
    """
    for folder in (predictions, masks):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
    found = find_predictions(predictions, maps=maps)
    truths, images = find_masks(masks), find_images(masks)
    if not truths:
        raise InputError(f"{masks}: holds no masks")
    pictures = {mask: images[name] for name, mask in match(images, truths).items()}
    matched = {mask: name for name, mask in match(found, truths).items()}
    if pictures:  # nothing was there to predict the others from
        truths = {key: mask for key, mask in truths.items() if key in pictures or key in matched}
    missing = [key for key in truths if key not in matched]
    if missing and (all_wanted or not matched):
        example = f"; found {next(iter(found.values()))}" if found else ""
        raise InputError(
            f"{predictions}: lacks {len(missing)} of {len(truths)} predictions, such as {missing[0]}.png for "
            f"{truths[missing[0]]}{example}"
        )
    items = []
    for key in sorted(matched):
        picture = pictures.get(key)
        image = picture if picture != truths[key] else None
        items.append(EvaluationPair(matched[key], found[matched[key]], truths[key], image))
    return items, [truths[key] for key in sorted(missing)]


def other_size(item: EvaluationPair, prediction: tuple[int, ...], mask: tuple[int, ...]) -> str:
    """What to say of a pair of these shapes (H, W)."""
    (h, w), (mh, mw) = prediction, mask
    return f"{item.prediction} is {w}x{h}, but its mask {item.mask} is {mw}x{mh}; predict at the picture's own size"


def find_predictions(folder: Path, *, maps: bool = True) -> dict[str, Path]:
    """The predictions in a folder by name, `overlays/` left out; with `maps` those in `probability/` if it is there."""
    root = folder / "probability" if maps and (folder / "probability").is_dir() else folder
    found = {**find_images(root), **{k: v for k, v in find_masks(root).items() if isinstance(v, Path)}}
    return {name: path for name, path in found.items() if not name.startswith(("overlays/", "probability/"))}


def is_multiclass(predictions: Path, classes: int | None = None) -> bool:
    """Whether several classes are to be evaluated: as `classes` says, else if most pictures have a coloured palette.

    Only the pictures' heads are read, unless they have a palette; a broken one is for who reads it to tell.

    Raises:
        InputError: `classes` is below 1 or above 254.
    """
    if classes is not None:
        if not 1 <= classes <= 254:
            raise InputError(f"classes is {classes}: it must be 1 to 254")
        return classes > 1
    coloured = [_coloured(path) for path in find_predictions(predictions, maps=False).values()]
    return 2 * sum(coloured) > len(coloured)


def _coloured(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            return has_coloured_palette(picture)
    except Exception:  # what Pillow's readers raise on broken files is without end
        return False


def has_coloured_palette(picture: Image.Image) -> bool:
    """Whether values are indices of colours, as in class masks; a grey palette is that of a compressed grey picture."""
    if picture.mode != "P":
        return False
    colours = np.array(picture.getpalette(), np.uint8).reshape(-1, 3)
    return bool((np.ptp(colours, axis=1) > 3).any())
