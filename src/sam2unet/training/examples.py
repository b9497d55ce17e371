"""The report's examples: the worst and the best validation images, predicted and drawn."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..data import Pair, parse_mask_values, read_image, read_mask
from ..pages import classes_image, outcome_image, worst_and_best
from ..prediction import Predictor
from ..weights import load_model
from .report import Example, Examples

MAX_SIDE = 480
"""Longest side of the drawn images in pixels."""


def pick_examples(
    model_file: Path, pairs: Sequence[Pair], dice: Sequence[float], device: torch.device,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Examples:  # fmt: skip
    """Predict and draw the validation images of lowest and of highest Dice.

    Args:
        model_file: the model.
        pairs: the validation pairs.
        dice: Dice of each pair.
        device: where to predict.
        progress: gets the number of images done and the total.
    """
    predictor = Predictor(load_model(model_file), str(device), "torch", "float32")
    worst, best = worst_and_best(zip(pairs, dice, strict=True), lambda item: item[1])
    examples = []
    for done, (pair, value) in enumerate([*worst, *best]):
        progress(done, len(worst) + len(best))
        examples.append(Example(pair.key, value, _draw(predictor, pair)))
    return [("Lowest Dice", examples[: len(worst)]), ("Highest Dice", examples[len(worst) :])]


def _draw(predictor: Predictor, pair: Pair) -> list[Image.Image]:
    """Return the images of an `Example`, small enough for a page."""
    card = predictor.card
    ignore_exif = card.recipe.get("ignore_exif", False)
    image = read_image(pair.image, card.normalise_range, ignore_exif=ignore_exif)
    predicted = predictor.predict(image).mask()
    mask = read_mask(pair.mask, parse_mask_values(card.mask_values), card.classes, ignore_exif)
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    size = image.size  # Pillow's: (width, height)
    prediction = np.asarray(Image.fromarray(predicted).resize(size, Image.Resampling.NEAREST))
    if card.classes > 1:
        truth = np.asarray(Image.fromarray(mask.labels).resize(size, Image.Resampling.NEAREST))
        return [image, classes_image(image, truth), classes_image(image, prediction)]
    truth, known = (
        np.asarray(Image.fromarray(values).resize(size, Image.Resampling.NEAREST)) > 0.5
        for values in (mask.foreground() > 127, mask.known())
    )
    return [image, outcome_image(image, prediction & known, truth)]
