"""Maps are those of the authors' test script."""

import numpy as np
import pytest
import torch

from sam2unet.benchmark import published_map


@pytest.mark.parametrize("shape", [(7, 9), (30, 20)])
def test_published_map_equals_the_authors_script(shape, rng):
    probability = rng.random(shape).astype(np.float32) * np.float32(0.7)
    result = torch.from_numpy(probability)
    result = (result - result.min()) / (result.max() - result.min() + 1e-8)
    np.testing.assert_array_equal(published_map(probability), (result * 255).numpy().astype(np.uint8))


def test_published_map_of_a_constant_is_black():
    assert not published_map(np.full((4, 4), 0.3, np.float32)).any()
