"""Cards: their JSON, of this version and of 0.1, and the sizes that a network accepts."""

import dataclasses
import json

import pytest

from sam2unet.card import Card, check_size, nearest_multiple, nearest_sizes

CARD_0_1 = """
{"trunk": "tiny", "classes": 3, "class_names": ["ground", "cat", "dog"], "size": [256, 320], "mean": [0.1, 0.2, 0.3],
 "std": [0.4, 0.5, 0.6], "stretch": true, "threshold": 0.42, "metrics": {"val_dice": 0.75}, "recipe": {"lr": 0.001}}
"""


def test_from_json_reads_a_card_of_version_0_1():
    assert Card.from_json(CARD_0_1) == Card(
        trunk="tiny", classes=3, class_names=["ground", "cat", "dog"], size=(256, 320), mean=(0.1, 0.2, 0.3),
        std=(0.4, 0.5, 0.6), normalise_range=True, threshold=0.42, metrics={"val_dice": 0.75}, recipe={"lr": 0.001},
    )  # fmt: skip


def test_to_json_writes_what_from_json_reads():
    card = Card("large", size=(32, 64), normalise_range=True, threshold=0.3, metrics={"val_dice": 0.5})
    assert Card.from_json(card.to_json()) == card
    assert json.loads(card.to_json())["normalise_range"] is True


def test_from_json_drops_keys_of_later_versions():
    assert Card.from_json(CARD_0_1.replace('"trunk"', '"colour_space": "lab", "trunk"')) == Card.from_json(CARD_0_1)


@pytest.mark.parametrize("text", ["{", "[]", "3", "{}", '{"trunk": "tiny"}', CARD_0_1.replace("[256, 320]", "256")])
def test_from_json_raises_for_what_is_not_a_card(text):
    with pytest.raises((KeyError, TypeError, ValueError)):
        Card.from_json(text)


def test_a_card_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Card("tiny").size = (64, 64)


@pytest.mark.parametrize(
    ("length", "nearest"), [(0, (32,)), (1, (32,)), (32, (32,)), (33, (32, 64)), (64, (64,)), (353, (352, 384))]
)
def test_nearest_sizes_are_the_multiples_of_32_on_either_side(length, nearest):
    assert nearest_sizes(length) == nearest


@pytest.mark.parametrize(("length", "nearest"), [(1, 32), (47.9, 32), (49, 64), (352, 352), (369, 384)])
def test_nearest_multiple_is_the_closer_of_both(length, nearest):
    assert nearest_multiple(length) == nearest


def test_check_size_accepts_multiples_of_32():
    check_size(32, 352)


@pytest.mark.parametrize(
    ("height", "width", "named"),
    [(352, 350, "width 350 (nearest: 320 or 352)"), (100, 96, "height 100 (nearest: 96 or 128)"),
     (16, 32, "height 16 (nearest: 32)"), (0, 33, "height 0 (nearest: 32), width 33 (nearest: 32 or 64)")],
)  # fmt: skip
def test_check_size_names_wrong_sizes_and_the_nearest_ones(height, width, named):
    with pytest.raises(ValueError, match="multiples of 32") as caught:
        check_size(height, width)
    assert str(caught.value).endswith(f": {named}")


def test_another_size_keeps_the_zoom_of_tiles():
    card = Card("tiny", size=(128, 128), tile=64)
    assert (card.with_size((192, 192)).tile, card.with_size((192, 192)).tile_zoom) == (96, 2)
    assert Card("tiny").with_size((64, 96)) == Card("tiny", size=(64, 96))
    with pytest.raises(ValueError, match="square tiles"):
        card.with_size((64, 96))
    with pytest.raises(ValueError, match="multiples of 32"):
        card.with_size((50, 50))
