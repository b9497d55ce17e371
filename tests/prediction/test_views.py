"""Tiles, flips, scales and letterboxes: the plain path where they must be, and what they say otherwise."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from sam2unet import Predictor, Views
from sam2unet.errors import InputError
from sam2unet.export import export_model
from sam2unet.prediction import predictor as predictor_module
from sam2unet.prediction.views import Grid, TileAxis

RNG = np.random.default_rng(0)


def predictors(model, *views, **options):
    return [Predictor(model, "cpu", "torch", "float32", views=view, **options) for view in (Views(), *views)]


@pytest.mark.parametrize("tile", [70, 50, 33])
@pytest.mark.parametrize("overlap", [0, 0.2, 0.5])
@pytest.mark.parametrize("length", [33, 70, 71, 100, 143, 1000])
def test_tiles_cover_a_side_evenly_and_weigh_one_everywhere(length, tile, overlap):
    tile = min(length, tile)
    side = TileAxis(length, tile, overlap)
    assert side.starts[0] == 0
    assert side.starts[-1] + tile == length
    steps, most = np.diff(side.starts), int(tile * (1 - overlap))
    assert (steps <= most).all()
    assert np.ptp(steps) <= 1 if len(steps) else True
    fewer = len(side.starts) - 2
    assert fewer < 0 or (length - tile) > fewer * most
    total = np.zeros(length)
    for start, weights in zip(side.starts, side.weights, strict=True):
        assert (weights >= 0).all()
        total[start : start + tile] += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_weights_rise_smoothly_where_two_tiles_overlap():
    first, second = TileAxis(100, 60, 1 / 3).weights
    ramp = np.sin(np.pi / 2 * (np.arange(20) + 0.5) / 20) ** 2
    np.testing.assert_allclose(second[:20], ramp, atol=1e-6)
    np.testing.assert_allclose(first[40:], ramp[::-1], atol=1e-6)
    assert (first[:40] == 1).all()


def test_blending_is_the_weighted_mean_of_resized_tiles():
    grid = Grid(TileAxis(90, 40, 0.25), TileAxis(130, 50, 0.5))
    logits = RNG.standard_normal((len(grid), 2, 16, 24)).astype(np.float32)
    total, weight = np.zeros((2, 90, 130)), np.zeros((90, 130))
    for i, (left, top, right, bottom) in enumerate(
        box for row in range(len(grid.rows.starts)) for box in grid.boxes(row)
    ):
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
def test_a_view_of_the_whole_is_the_plain_path(views, network, photo):
    """A tile as large as the picture, a scale that rounds to the network's size, a square in a letterbox."""
    pixels = photo(70, 70)
    plain, other = (one.predict(pixels) for one in predictors(network(), views))
    np.testing.assert_array_equal(other.probability, plain.probability)


def test_tiles_are_cut_from_the_resized_picture(network, photo):
    pixels = photo(200, 300)
    plain, tiled = predictors(network(classes=3), Views(tile=100, overlap=0), batch_size=4)
    found = tiled.predict(pixels)
    resized = np.asarray(Image.fromarray(pixels).resize((192, 128), Image.Resampling.BILINEAR))
    for i, (top, left) in enumerate((y, x) for y in (0, 64) for x in (0, 64, 128)):
        own = plain.predict(np.ascontiguousarray(resized[top : top + 64, left : left + 64]))
        np.testing.assert_allclose(found.logits[i], own.logits[0], atol=1e-4)
    np.testing.assert_allclose(found.probability.sum(axis=0), 1, atol=1e-5)


def test_many_small_tiles_are_kept_as_one_of_the_picture(network, photo):
    picture, views = Image.fromarray(photo(90, 70)), Views(tile=40)
    plain, tiled = predictors(network(classes=3), views)
    grid = views.grid(90, 70)
    shown = [views.show(picture, grid, row, (64, 64), (0, 0, 0)) for row in range(len(grid.rows.starts))]
    expected = grid.blend(plain.backend.logits(np.concatenate(shown)), 0, 90)
    found = tiled.predict(picture).logits
    assert found.shape == (1, 3, 90, 70)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_flips_are_the_mean_of_both_and_of_a_symmetric_picture_symmetric(network, photo):
    pixels = photo()
    plain, flipped = predictors(network(), Views(flip=True))
    mirrored = plain.predict(np.ascontiguousarray(pixels[:, ::-1])).logits[..., ::-1]
    expected = (plain.predict(pixels).logits + mirrored) / 2
    np.testing.assert_allclose(flipped.predict(pixels).logits, expected, atol=1e-5)
    found = flipped.predict(np.concatenate([pixels, pixels[:, ::-1]], axis=1)).probability
    np.testing.assert_allclose(found, found[:, ::-1], atol=1e-5)


def test_flips_of_a_symmetric_picture_are_the_plain_path_where_the_network_is_symmetric():
    half = RNG.integers(0, 256, (2, 32, 16, 3), dtype=np.uint8)
    symmetric = np.concatenate([half, half[:, :, ::-1]], axis=2)

    def blurred(pictures):
        return sum(np.roll(pictures, by, axis=2) for by in (-1, 0, 1)).mean(axis=3, dtype=np.float32)[:, None]

    np.testing.assert_array_equal(Views(flip=True).ask(blurred, symmetric), blurred(symmetric))


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_scales_are_the_mean_over_sizes(backend, network, photo):
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


def test_a_letterbox_keeps_the_aspect(network, photo):
    model, pixels = network(), photo(40, 80)
    canvas = Image.new("RGB", (64, 64), tuple(round(255 * value) for value in model.card.mean))
    canvas.paste(Image.fromarray(pixels).resize((64, 32), Image.Resampling.BILINEAR), (0, 16))
    plain, boxed = predictors(model, Views(letterbox=True))
    expected = plain.predict(canvas).logits[:, :, 16:48]
    np.testing.assert_allclose(boxed.predict(pixels).logits, expected, atol=1e-5)
    assert boxed.predict(pixels).probability.shape == (40, 80)


@pytest.mark.parametrize(("classes", "tile", "kept"), [(1, 40, 1), (3, 40, 1), (3, 100, 6)])
def test_strips_are_the_whole(classes, tile, kept, network, photo, monkeypatch):
    _, tiled = predictors(network(classes), Views(tile=tile))
    prediction = tiled.predict(photo(200, 160))
    assert len(prediction.logits) == kept
    whole = prediction.probability
    monkeypatch.setattr(predictor_module, "STRIP", 1000)
    strips = list(prediction.strips())
    assert len(strips) > 5
    joined = np.concatenate([strip for _, strip in strips], axis=1)
    np.testing.assert_array_equal(joined if classes > 1 else joined[0], whole)
    expected = whole.argmax(axis=0) if classes > 1 else whole >= 0.3
    np.testing.assert_array_equal(prediction.mask(0.3), expected)


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--tile", 8), "tile is 8"), (("--overlap", 0.9), "overlap is 0.9"), (("--scales", "1,9"), "scales are 1, 9"),
     (("--scales", "1;2"), "--scales 1;2: give numbers"), (("--min-part", -1), "min_part"),
     (("--mask-bits", 4), "mask_bits is 4"), (("--save", "gold"), "unknown output 'gold'"),
     (("--shard", "3/2"), "--shard is '3/2'"),
     (("--most-pixels", 0), "max_pixels is 0")],
)  # fmt: skip
def test_options_out_of_range_are_one_sentence(options, said, run, model_file, scenes, tmp_path):
    result = run("predict", model_file, scenes / "test", "--out", tmp_path / "out", *options)
    assert result.code == 2
    assert said in result.err
    assert result.err.count("\n") == 1


def test_exported_files_have_one_size(network, tmp_path):
    file = export_model(network(), tmp_path, "m", "onnx")
    with pytest.raises(InputError, match=r"m\.onnx: exported for one size"):
        Predictor(file, views=Views(scales=(0.5, 1)))
