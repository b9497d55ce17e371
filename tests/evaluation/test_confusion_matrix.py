"""The confusion matrix of a set."""

import json

import numpy as np
import pytest

from sam2unet.evaluation import ConfusionMatrix, confusion

from .samples import confusion_by_loop, index_maps


def matrix_of(pairs, classes=None):
    matrix = ConfusionMatrix(classes)
    for found, truth in pairs:
        size = classes or int(max(found.max(), truth[truth != 255].max())) + 1
        matrix.add(confusion(found, truth, size), int((truth == 255).sum()))
    return matrix


@pytest.fixture
def pairs(rng):
    return [index_maps(rng, 6, 7, range(classes)) for classes in (2, 5, 3, 4)]


def test_confusion_matrix_grows_to_the_highest_class(pairs):
    expected = confusion_by_loop(*zip(*pairs, strict=True), 5)
    for part in (pairs, pairs[::-1]):
        matrix = matrix_of(part)
        assert matrix.counts.tolist() == expected
        assert matrix.names == ["0", "1", "2", "3", "4"]
        assert matrix.ignored_pixels == sum((truth == 255).sum() for _, truth in pairs)


def test_confusion_matrix_holds_all_classes_if_their_number_is_known(pairs):
    assert matrix_of(pairs, 7).counts.tolist() == confusion_by_loop(*zip(*pairs, strict=True), 7)
    assert matrix_of([], 7).counts.shape == (7, 7)


@pytest.mark.parametrize("classes", [None, 6])
def test_confusion_matrix_is_the_same_in_any_partition(classes, pairs):
    merged = matrix_of([], classes)
    for part in (pairs[3:], [], pairs[:1], pairs[1:3]):
        merged.merge(matrix_of(part, classes))
    assert merged.as_json() == matrix_of(pairs, classes).as_json()


def test_confusion_matrix_is_restored_from_json(pairs):
    for matrix in (ConfusionMatrix(), matrix_of(pairs), ConfusionMatrix(2, ["a", "b"])):
        restored = ConfusionMatrix.from_json(json.loads(json.dumps(matrix.as_json())))
        assert restored.as_json() == matrix.as_json()
        np.testing.assert_array_equal(restored.counts, matrix.counts)
