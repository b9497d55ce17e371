"""Images in pages."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from sam2unet.data import class_colours
from sam2unet.pages import OUTCOMES, UNLABELLED, classes_image, figure, load_or_blank, outcome_image, worst_and_best


def embedded(text):
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in re.findall('base64,([^"]*)', text)]


def test_figure_embeds_small_copies_with_escaped_words():
    text = figure([Image.new("RGB", (900, 600)), Image.new("L", (30, 20))], "a & b", "<0.5>")
    assert [image.size for image in embedded(text)] == [(300, 200), (30, 20)]
    assert "a &amp; b" in text
    assert "<b>&lt;0.5&gt;</b>" in text


@pytest.mark.parametrize(("number", "columns"), [(1, ""), (2, "two"), (3, "three")])
def test_figure_sets_images_side_by_side(number, columns):
    assert figure([Image.new("L", (2, 2))] * number, "", "").startswith(f'<figure><div class="{columns}">')


def tint(grey, colour):
    return [round(0.4 * grey + 0.6 * value) for value in colour]


def test_outcome_image_tints_found_missed_and_wrongly_found():
    found, truth = np.array([[True, False, True, False]]), np.array([[True, True, False, False]])
    shown = np.asarray(outcome_image(Image.new("L", (4, 1), 100), found, truth))[0].tolist()
    colours = dict(OUTCOMES)
    assert shown == [tint(100, colours[name]) for name in ("found", "missed", "wrongly found")] + [[100, 100, 100]]


def test_classes_image_tints_classes_and_ignored_pixels():
    indices = np.array([[0, 1, 3, 255]], np.uint8)
    shown = np.asarray(classes_image(Image.new("RGB", (4, 1), (50, 50, 50)), indices))[0].tolist()
    colours = class_colours(4).tolist()
    assert shown == [[50, 50, 50], tint(50, colours[1]), tint(50, colours[3]), tint(50, UNLABELLED)]


def test_load_or_blank_resizes_or_replaces(tmp_path):
    Image.new("L", (4, 6), 200).save(tmp_path / "a.png")
    loaded, blank = load_or_blank(tmp_path / "a.png", (8, 3)), load_or_blank(None, (8, 3))
    assert loaded.size == blank.size == (8, 3)
    assert loaded.mode == blank.mode == "RGB"
    assert loaded.getpixel((0, 0)) == (200, 200, 200)
    assert len(blank.getcolors()) == 1


@pytest.mark.parametrize("number", [0, 1, 2, 5, 19, 20, 21, 50])
def test_worst_and_best_are_ordered_and_apart(number, rng):
    values = rng.permutation(number).tolist()
    worst, best = worst_and_best(values, lambda value: value)
    assert worst == list(range(len(worst)))
    assert best == list(range(number))[::-1][: len(best)]
    assert not set(worst) & set(best)
    assert len(worst) == min(12, (number + 1) // 2)
    assert len(best) == min(8, number // 2)
