"""From pictures to masks: the Predictor, what it writes, and whole folders."""

from .folder import FolderResult, find_inputs, predict_folder
from .outputs import mask_picture, overlay, probability_pictures, save_picture
from .predictor import Prediction, Predictor

__all__ = [
    "FolderResult", "Prediction", "Predictor", "find_inputs", "mask_picture", "overlay",
    "predict_folder", "probability_pictures", "save_picture",
]  # fmt: skip
