"""What the tests of prediction share: a folder of images, and the command with torch on the CPU."""

import numpy as np
import pytest
from PIL import Image

from sam2unet import Views
from sam2unet.prediction import Prediction


@pytest.fixture
def folder(tmp_path, photo):
    """images/a.png (50, 70), images/b.JPG (33, 91), images/sub/c.tif (128, 64)."""
    for name, size in (("images/a.png", (50, 70)), ("images/b.JPG", (33, 91)), ("images/sub/c.tif", (128, 64))):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(*size)).save(tmp_path / "in" / name)
    return tmp_path / "in"


@pytest.fixture
def predict(run, model_file):
    return lambda *words: run("predict", model_file, *words, "--device", "cpu", "--backend", "torch")


@pytest.fixture
def known_prediction():
    """Builds the prediction of a grey image whose logits (H, W) or (classes, H, W) are given, pixel by pixel."""

    def build(logits, image=None):
        logits = np.asarray(logits, np.float32)
        logits = logits[None] if logits.ndim == 2 else logits
        height, width = logits.shape[1:]
        image = image or Image.new("RGB", (width, height), (128, 128, 128))
        return Prediction(image, logits[None], Views().grid(height, width))

    return build
