"""Batches on a device with little memory."""

import numpy as np
import pytest

from sam2unet import Predictor
from sam2unet.errors import InputError


@pytest.fixture
def limited(network):
    """Builds a predictor that runs out of memory with more than some images at once, and a list of its batches."""

    def build(most, words="CUDA out of memory. Tried"):
        predictor, batches = Predictor(network(), "cpu", "torch", "float32", batch_size=8), []
        run = predictor.backend.logits

        def logits(images):
            batches.append(len(images))
            if len(images) > most:
                raise RuntimeError(words)
            return run(images)

        predictor.backend.logits = logits
        return predictor, batches

    return build


@pytest.mark.parametrize(
    "words", ["CUDA out of memory. Tried", "MPS backend out of memory", "Failed to allocate memory"]
)
def test_batches_are_halved_until_they_fit(words, limited, network, photo):
    images = [photo() for _ in range(13)]
    predictor, batches = limited(3, words)
    found = [prediction.logits for prediction in predictor.predict_many(images)]
    assert batches == [8, 4, 2, 2, 2, 2, 2, 2, 1]
    expected = Predictor(network(), "cpu", "torch", "float32")
    for logits, image in zip(found, images, strict=True):
        np.testing.assert_allclose(logits, expected.predict(image).logits, atol=1e-5)


def test_halved_batches_are_logged_once(limited, photo, caplog):
    predictor, _ = limited(3)
    list(predictor.predict_many([photo() for _ in range(13)]))
    assert caplog.messages == ["cpu: out of memory with 4 images at once, going on with 2"]


def test_too_little_memory_for_one_image_is_an_error(limited, photo):
    predictor, _ = limited(0)
    with pytest.raises(InputError, match="cpu: out of memory with one image"):
        predictor.predict(photo())


def test_other_errors_of_a_runtime_are_raised_as_they_are(limited, photo):
    predictor, batches = limited(0, "illegal instruction")
    with pytest.raises(RuntimeError, match="illegal instruction"):
        predictor.predict(photo())
    assert batches == [1]
