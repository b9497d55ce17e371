"""Tiles, flips, scales and letterboxes, against plain predictions and torch's own resizing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from sam2unet import Predictor, Views
from sam2unet.card import Card
from sam2unet.errors import InputError
from sam2unet.export import export_model
from sam2unet.prediction.views import Grid, TileAxis, resized


def predictors(model, *views, **options):
    return [Predictor(model, "cpu", "torch", "float32", views=view, **options) for view in (Views(), *views)]


def test_tile_axis_spreads_tiles_as_its_docstring_works_out():
    assert TileAxis(143, 50, 0.2).starts == [0, 31, 62, 93]


@pytest.mark.parametrize("tile", [70, 50, 33])
@pytest.mark.parametrize("overlap", [0, 0.2, 0.5])
@pytest.mark.parametrize("length", [33, 70, 71, 100, 143, 1000])
def test_tile_axis_covers_its_length_with_the_fewest_tiles_and_weights_of_sum_1(length, tile, overlap):
    tile = min(length, tile)
    axis = TileAxis(length, tile, overlap)
    assert axis.starts[0] == 0
    assert axis.starts[-1] + tile == length
    steps, longest = np.diff(axis.starts), int(tile * (1 - overlap))
    assert (steps <= longest).all()
    assert np.ptp(steps) <= 1 if len(steps) else True
    fewer = len(axis.starts) - 2
    assert fewer < 0 or (length - tile) > fewer * longest
    total = np.zeros(length)
    for start, weights in zip(axis.starts, axis.weights, strict=True):
        assert (weights >= 0).all()
        total[start : start + tile] += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_tile_axis_weights_rise_smoothly_where_tiles_overlap():
    first, second = TileAxis(100, 60, 1 / 3).weights
    ramp = np.sin(np.pi / 2 * (np.arange(20) + 0.5) / 20) ** 2
    np.testing.assert_allclose(second[:20], ramp, atol=1e-6)
    np.testing.assert_allclose(first[40:], ramp[::-1], atol=1e-6)
    assert (first[:40] == 1).all()


def test_grid_blends_the_weighted_mean_of_resized_tiles(rng):
    grid = Grid(TileAxis(90, 40, 0.25), TileAxis(130, 50, 0.5))
    logits = rng.standard_normal((len(grid), 2, 16, 24)).astype(np.float32)
    total, weight = np.zeros((2, 90, 130)), np.zeros((90, 130))
    boxes = [box for row in range(len(grid.rows.starts)) for box in grid.boxes(row)]
    for i, (left, top, right, bottom) in enumerate(boxes):
        row, column = divmod(i, len(grid.columns.starts))
        window = np.outer(grid.rows.weights[row], grid.columns.weights[column])
        tile = F.interpolate(torch.from_numpy(logits[i : i + 1]).double(), (40, 50), mode="bilinear")[0].numpy()
        total[:, top:bottom, left:right] += window * tile
        weight[top:bottom, left:right] += window
    np.testing.assert_allclose(weight, 1, atol=1e-6)
    np.testing.assert_allclose(grid.blend(logits, 0, 90), total, atol=1e-5)
    np.testing.assert_allclose(grid.blend(logits, 37, 55), total[:, 37:55], atol=1e-5)


@pytest.mark.parametrize(
    "views", [Views(tile=70), Views(tile=1000, overlap=0.5), Views(scales=(1, 1.1)), Views(letterbox=True)]
)
def test_a_view_that_is_the_whole_image_changes_nothing(views, network, photo):
    """A tile as large as the image, a scale that rounds to the network's size, a square in a letterbox."""
    pixels = photo(70, 70)
    plain, other = (one.predict(pixels) for one in predictors(network(), views))
    np.testing.assert_array_equal(other.probability, plain.probability)


def test_tiles_are_cut_out_of_the_resized_image(network, photo):
    pixels = photo(200, 300)
    plain, tiled = predictors(network(classes=3), Views(tile=100, overlap=0), batch_size=4)
    found = tiled.predict(pixels)
    resized = np.asarray(Image.fromarray(pixels).resize((192, 128), Image.Resampling.BILINEAR))
    for i, (top, left) in enumerate((y, x) for y in (0, 64) for x in (0, 64, 128)):
        own = plain.predict(np.ascontiguousarray(resized[top : top + 64, left : left + 64]))
        np.testing.assert_allclose(found.logits[i], own.logits[0], atol=1e-4)
    np.testing.assert_allclose(found.probability.sum(axis=0), 1, atol=1e-5)


def test_many_small_tiles_are_stored_as_one_of_the_images_size(network, photo):
    image, views = Image.fromarray(photo(90, 70)), Views(tile=40)
    model = network(classes=3)
    plain, tiled = predictors(model, views)
    bound = views.of(image, model.card)
    rendered = [bound.render(row)[0] for row in range(len(bound.grid.rows.starts))]
    expected = bound.grid.blend(plain.backend.logits(np.concatenate(rendered)), 0, 90)
    found = tiled.predict(image).logits
    assert found.shape == (1, 3, 90, 70)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_flips_average_with_the_mirrored_image(network, photo):
    pixels = photo()
    plain, flipped = predictors(network(), Views(flip=True))
    mirrored = plain.predict(np.ascontiguousarray(pixels[:, ::-1])).logits[..., ::-1]
    expected = (plain.predict(pixels).logits + mirrored) / 2
    np.testing.assert_allclose(flipped.predict(pixels).logits, expected, atol=1e-5)


def test_flips_predict_symmetric_images_symmetrically(network, photo):
    pixels = photo()
    _, flipped = predictors(network(), Views(flip=True))
    found = flipped.predict(np.concatenate([pixels, pixels[:, ::-1]], axis=1)).probability
    np.testing.assert_allclose(found, found[:, ::-1], atol=1e-5)


def test_flips_change_nothing_if_image_and_network_are_symmetric(rng):
    half = rng.integers(0, 256, (2, 32, 16, 3), dtype=np.uint8)
    symmetric = np.concatenate([half, half[:, :, ::-1]], axis=2)

    def blur(images):
        return sum(np.roll(images, by, axis=2) for by in (-1, 0, 1)).mean(axis=3, dtype=np.float32)[:, None]

    np.testing.assert_array_equal(Views(flip=True).run(blur, symmetric), blur(symmetric))


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_scales_average_over_sizes(backend, network, photo):
    model, pixels = network(), photo()
    views = Views(scales=(0.5, 1, 1.5))
    found = Predictor(model, "cpu", backend, "float32", views=views).predict(pixels).logits[0, 0]
    expected = []
    for size in (32, 64, 96):
        resized = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR)) / 255
        normal = (resized - np.array(model.card.mean)) / np.array(model.card.std)
        with torch.inference_mode():
            logits = model(torch.from_numpy(normal.transpose(2, 0, 1)).float()[None]).double()
        expected.append(F.interpolate(logits, (64, 64), mode="bilinear")[0, 0].numpy())
    np.testing.assert_allclose(found, np.mean(expected, axis=0), atol=1e-4)


def test_letterbox_keeps_the_aspect_ratio(network, photo):
    model, pixels = network(), photo(40, 80)
    canvas = Image.new("RGB", (64, 64), tuple(round(255 * value) for value in model.card.mean))
    canvas.paste(Image.fromarray(pixels).resize((64, 32), Image.Resampling.BILINEAR), (0, 16))
    plain, boxed = predictors(model, Views(letterbox=True))
    expected = plain.predict(canvas).logits[:, :, 16:48]
    np.testing.assert_allclose(boxed.predict(pixels).logits, expected, atol=1e-5)
    assert boxed.predict(pixels).probability.shape == (40, 80)


def test_image_views_render_bars_above_and_below_a_wide_image():
    card = replace(Card("tiny"), size=(64, 64), mean=(0, 0.2, 1))
    (tiles,) = Views(letterbox=True).of(Image.new("RGB", (128, 64), (9, 9, 9)), card).render(0)
    assert tiles.shape == (1, 64, 64, 3)
    assert (tiles[0, 16:48] == 9).all()
    assert (np.concatenate([tiles[0, :16], tiles[0, 48:]]) == (0, 51, 255)).all()


def test_image_views_merge_scales_without_their_bars():
    bound = Views(letterbox=True, scales=(1, 2)).of(Image.new("RGB", (128, 64)), replace(Card("tiny"), size=(64, 64)))
    small, large = np.full((1, 1, 64, 64), 50, np.float32), np.full((1, 1, 128, 128), 50, np.float32)
    small[..., 16:48, :], large[..., 32:96, :] = 1, 4
    np.testing.assert_array_equal(bound.merge([small, large]), np.full((1, 1, 32, 64), 2.5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tile": 31}, "tile is 31"),
        ({"overlap": 0.51}, "overlap is 0.51"),
        ({"overlap": -0.1}, "overlap is -0.1"),
        ({"scales": (1, 9)}, "scales are 1, 9"),
        ({"scales": ()}, "scales are"),
    ],
)
def test_views_refuse_values_out_of_range(options, message):
    with pytest.raises(InputError, match=message):
        Views(**options)


def test_exported_files_have_one_size(network, tmp_path):
    file = export_model(network(), tmp_path, "m", "onnx")
    with pytest.raises(InputError, match=r"m\.onnx: exported for one size"):
        Predictor(file, views=Views(scales=(0.5, 1)))


@pytest.mark.parametrize("size", [(100, 200), (64, 64), (3, 1), (200, 9), (1, 500)])
def test_resized_equals_torchs_bilinear_interpolation(size, rng):
    maps = rng.standard_normal((2, 64, 96)).astype(np.float32)
    expected = F.interpolate(torch.from_numpy(maps)[None].double(), size=size, mode="bilinear")[0]
    np.testing.assert_allclose(resized(maps, *size), expected, atol=2e-5)


@pytest.mark.parametrize(("height", "width"), [(20, 30), (20, 90), (70, 30)])
def test_images_smaller_than_a_trained_tile_are_padded_not_enlarged(height, width, network, photo):
    model = network()
    model.card = replace(model.card, tile=32, size=(64, 64))
    image = photo(height, width)
    padded = np.empty((max(32, height), max(32, width), 3), np.uint8)
    padded[:] = [round(255 * value) for value in model.card.mean]
    top, left = (max(0, 32 - length) // 2 for length in (height, width))
    padded[top : top + height, left : left + width] = image
    predictor = Predictor(model, "cpu", "torch", "float32")
    expected = predictor.predict(padded).probability[top : top + height, left : left + width]
    # Inside, for at its border the image alone is resized without its surroundings.
    np.testing.assert_allclose(predictor.predict(image).probability, expected, atol=0.25)


def test_views_that_are_given_override_those_of_training():
    card = Card("tiny", size=(64, 64), tile=48, tile_overlap=0.5)
    assert Views().as_trained(card) == Views(48, 0.5)
    assert Views(96, 0.1, flip=True).as_trained(card) == Views(96, 0.1, flip=True)
    assert Views(tile=0).as_trained(card).grid(300, 300).rows.starts == [0]
    assert Views().as_trained(Card("tiny")) == Views(0, 0.25)
