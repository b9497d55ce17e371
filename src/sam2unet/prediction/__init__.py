"""From images to masks: the Predictor, its outputs, and whole folders. Imports no torch."""

from ..data import MAX_PIXELS
from .drawing import cutout, mask_image, overlay
from .folder import FolderResult, predict_folder
from .inputs import Inputs, find_inputs
from .outputs import Outputs
from .predictor import Prediction, Predictor
from .stream import predict_to
from .views import Views

__all__ = [
    "MAX_PIXELS", "FolderResult", "Inputs", "Outputs", "Prediction", "Predictor", "Views", "cutout", "find_inputs",
    "mask_image", "overlay", "predict_folder", "predict_to",
]  # fmt: skip
