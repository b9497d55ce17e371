"""Outputs: what is drawn of a prediction whose probabilities are known, and which files are written."""

import numpy as np
import pytest
from PIL import Image

from sam2unet.errors import InputError
from sam2unet.prediction import Outputs

LOGITS = np.array([[-200, -1.1, 0], [1.1, 3, 200]])
"""Their probabilities are 0, 0.2497, 0.5, 0.7503, 0.9526 and 1."""


def outputs(*kinds, **options):
    return Outputs(frozenset(kinds), **options)


def test_draw_makes_maps_of_8_and_16_bits(known_prediction):
    drawn = outputs("probability", "probability16").draw(known_prediction(LOGITS))
    assert np.asarray(drawn["probability"]).tolist() == [[0, 64, 128], [191, 243, 255]]
    assert drawn["probability16"].mode.startswith("I")
    wide = np.asarray(drawn["probability16"]).tolist()
    assert wide[0] == [0, 16367, 32768]
    assert wide[1] == [49168, 62427, 65535]


def test_draw_makes_a_map_for_each_class(known_prediction):
    logits = np.log(np.array([[[0.2, 0.6]], [[0.5, 0.3]], [[0.3, 0.1]]]))
    drawn = outputs("probability").draw(known_prediction(logits))
    assert [np.asarray(drawn[f"probability.{i}"]).tolist() for i in range(3)] == [[[51, 153]], [[128, 76]], [[76, 26]]]
    assert np.asarray(drawn["mask"]).tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("threshold", "expected"), [(0.5, [[0, 0, 1], [1, 1, 1]]), (0.76, [[0, 0, 0], [0, 1, 1]]), (0, [[1, 1, 1]] * 2)]
)
def test_draw_takes_pixels_from_the_threshold_on(threshold, expected, known_prediction):
    drawn = outputs(threshold=threshold).draw(known_prediction(LOGITS))
    np.testing.assert_array_equal(np.asarray(drawn["mask"]), np.array(expected) * 255)


def test_draw_makes_masks_of_one_bit(known_prediction):
    mask = outputs(mask_bits=1).draw(known_prediction(LOGITS))["mask"]
    assert mask.mode == "1"
    assert np.asarray(mask).tolist() == [[False, False, True], [True, True, True]]


def test_draw_removes_small_components_and_fills_small_holes(known_prediction):
    logits = np.full((7, 12), -9)
    logits[1:6, 1:6] = 9
    logits[3, 3] = -9
    logits[3, 8:10] = 9
    mask = np.asarray(outputs(min_part=3, min_hole=2).draw(known_prediction(logits))["mask"])
    expected = np.zeros((7, 12))
    expected[1:6, 1:6] = 255
    np.testing.assert_array_equal(mask, expected)


def test_draw_makes_cutouts_opaque_where_sure_soft_at_the_edge_and_opaque_in_filled_holes(known_prediction):
    logits = np.full((5, 5), 9.0)
    logits[2, 2] = -9  # a hole that is filled
    logits[0, 0], logits[4, 4] = 0, -9  # probability 0.5, and background
    alpha = np.asarray(outputs("cutout", min_hole=2).draw(known_prediction(logits))["cutout"])[..., 3]
    expected = np.full((5, 5), 255)
    expected[0, 0], expected[4, 4] = 128, 0
    np.testing.assert_array_equal(alpha, expected)


def test_draw_makes_cutouts_of_several_classes_opaque_inside_the_mask(known_prediction):
    logits = np.log(np.array([[[0.6, 0.3, 0.1]], [[0.3, 0.4, 0.1]], [[0.1, 0.3, 0.8]]]))
    drawn = outputs("cutout").draw(known_prediction(logits))
    assert np.asarray(drawn["cutout"])[..., 3].tolist() == [[0, 255, 255]]


def test_draw_goes_by_an_existing_mask(known_prediction):
    existing = np.zeros((9, 12), bool)
    existing[3:6, 4:7] = True
    image = Image.new("RGB", (12, 9), (7, 8, 9))
    prediction = known_prediction(np.full((9, 12), 9.0), image)
    drawn = outputs("overlay", "cutout", min_part=99).draw(prediction, existing)
    np.testing.assert_array_equal(np.asarray(drawn["mask"]), existing * 255)
    np.testing.assert_array_equal(np.asarray(drawn["cutout"])[..., 3], existing * 255)
    changed = (np.asarray(drawn["overlay"]) != (7, 8, 9)).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 6, 3, 7)  # with the outline


def test_files_lists_a_file_for_each_output_and_class():
    kinds = outputs("overlay", "probability", "npy", "cutout", "table")
    assert kinds.files("sub/a", 1) == {
        "overlays/sub/a.png": "overlay", "probability/sub/a.png": "probability", "npy/sub/a.npy": "npy",
        "cutouts/sub/a.png": "cutout", "sub/a.png": "mask",
    }  # fmt: skip
    assert outputs("probability16").files("a", 2) == {
        "probability16/0/a.png": "probability16.0", "probability16/1/a.png": "probability16.1", "a.png": "mask",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"save": frozenset({"gold"})}, "unknown output 'gold': choose from overlay"),
        ({"threshold": 1.5}, "threshold is 1.5"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"mask_bits": 4}, "mask_bits is 4"),
        ({"min_part": -1}, "min_part and min_hole"),
        ({"min_hole": -1}, "min_part and min_hole"),
    ],
)
def test_outputs_refuses_values_out_of_range(options, message):
    with pytest.raises(InputError, match=message):
        Outputs(**options)
