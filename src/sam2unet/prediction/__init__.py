"""From pictures to masks: the Predictor, what it writes, and whole folders."""

from ..data import MAX_PIXELS
from .drawing import cutout, mask_image, overlay
from .folder import FolderResult, Inputs, find_inputs, predict_folder, predict_to
from .outputs import Outputs
from .predictor import Prediction, Predictor
from .views import Views

__all__ = [
    "MAX_PIXELS", "FolderResult", "Inputs", "Outputs", "Prediction", "Predictor", "Views", "cutout", "find_inputs",
    "mask_image", "overlay", "predict_folder", "predict_to",
]  # fmt: skip
