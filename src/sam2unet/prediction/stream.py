"""Predicting one image to a stream, such as standard output."""

from typing import BinaryIO

import numpy as np

from ..data import read_frames, read_image
from ..errors import InputError
from .inputs import Inputs, open_input
from .outputs import Outputs
from .predictor import Predictor
from .tables import TABLES


def predict_to(predictor: Predictor, inputs: Inputs, outputs: Outputs, stream: BinaryIO) -> None:
    """Write one image's mask, or the one output that `outputs` saves, as PNG (or .npy).

    Raises:
        InputError: there are several images or outputs, or the image can't be predicted.
    """
    kinds: list[str] = sorted(outputs.save) or ["mask"]
    if len(inputs.images) + len(inputs.failed) != 1 or len(kinds) > 1 or kinds[0] in TABLES:
        raise InputError("standard output takes one image's mask, or one other output that is no table", "save")
    if inputs.failed:
        raise inputs.failed[0]
    (path,) = inputs.images.values()
    (kind,) = kinds
    source = open_input(path)
    if any(True for _ in read_frames(source, predictor.card.normalise_range, predictor.max_pixels)):
        raise InputError(f"{path}: holds several images; choose a folder for the masks", "out")
    prediction = predictor.predict(read_image(source, predictor.card.normalise_range, predictor.max_pixels))
    if kind == "npy":
        np.save(stream, prediction.probability)
        return
    drawn = outputs.draw(prediction)
    if kind not in drawn:
        raise InputError(f"{kind} is one image per class: choose a folder", "out")
    drawn[kind].save(stream, "PNG")
