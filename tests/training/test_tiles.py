"""Training tiles: where they lie, what they show, and validation on overlapping ones."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import sam2unet
from sam2unet import Predictor
from sam2unet.data import Mask, Pair, read_image
from sam2unet.training import load_recipe
from sam2unet.training.loading import RunLength
from sam2unet.training.module import SegmentationModule
from sam2unet.training.packed_mask import PackedMask, cut
from sam2unet.training.samples import Preprocessing, SampleKey
from sam2unet.training.tiles import TileDataset, Tiles, WholeImageDataset
from sam2unet.training.validation_scores import THRESHOLDS, dice_curves

from ..pico import SHORT

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZE = (32, 32)
GREY = (124, 116, 104)


@pytest.fixture
def pair(tmp_path, rng):
    """Draws a pair of noise whose mask is mostly empty."""

    def draw(height, width):
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(tmp_path / "i.png")
        mask = np.zeros((height, width), np.uint8)
        mask[height // 2, width // 3] = 255
        Image.fromarray(mask).save(tmp_path / "m.png")
        return Pair("p", tmp_path / "i.png", tmp_path / "m.png")

    return draw


def dataset(pair, share=0.0, seed=0, **options):
    return TileDataset([pair], Preprocessing(SIZE, MEAN, STD, **options), Tiles(32, share, GREY), seed)


def test_a_tile_is_a_part_of_the_image_and_its_mask(pair):
    pair = pair(50, 70)
    whole = np.asarray(Image.open(pair.image)) / 255
    mask = np.asarray(Image.open(pair.mask)) / 255
    starts = set()
    for epoch in range(40):
        image, target, _ = dataset(pair)[SampleKey(epoch, 0, SIZE)]
        pixels = (
            (image * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]).numpy().transpose(1, 2, 0)
        )
        found = [
            (y, x) for y in range(19) for x in range(39) if np.abs(whole[y : y + 32, x : x + 32] - pixels).max() < 1e-5
        ]
        assert len(found) == 1
        (y, x), *_ = found
        np.testing.assert_array_equal(target[0].numpy(), mask[y : y + 32, x : x + 32])
        starts.add((y, x))
    assert len(starts) > 30


def test_a_zoomed_tile_is_resized(pair):
    pair = pair(32, 32)
    image, target, _ = dataset(pair)[SampleKey(0, 0, (64, 64))]
    pixels = np.asarray(Image.open(pair.image).resize((64, 64), Image.Resampling.BILINEAR)) / 255
    np.testing.assert_allclose(image.numpy(), ((pixels - MEAN) / STD).transpose(2, 0, 1), atol=1e-5)
    assert target.shape == (1, 64, 64)


def test_where_the_image_ends_a_tile_has_the_mean_colour_and_is_ignored(pair):
    image, target, _ = dataset(pair(20, 70))[SampleKey(0, 0, SIZE)]
    outside = target[0] == 255
    assert outside.sum() == 12 * 32
    assert image[:, outside].abs().max() < 0.02
    assert image[:, ~outside].abs().mean() > 0.3


@pytest.mark.parametrize(("height", "width"), [(400, 300), (20, 300)])
def test_a_share_of_the_tiles_contains_the_object(height, width, pair):
    pair = pair(height, width)

    def hits(share):
        tiles = dataset(pair, share)
        return np.mean([(tiles[SampleKey(epoch, 0, SIZE)][1] == 1).any().item() for epoch in range(200)])

    anywhere = hits(0.0)
    assert hits(1.0) == 1
    assert abs(hits(0.5) - (0.5 + 0.5 * anywhere)) < 0.12


def test_the_object_lies_anywhere_in_tiles_drawn_around_it():
    mask = Mask(np.zeros((200, 200), np.uint8))
    mask.labels[100, 100] = 1
    packed = PackedMask(mask)
    rng = np.random.default_rng(0)
    places = np.array([np.subtract(100, Tiles(32, 1.0, GREY).draw(packed, rng)) for _ in range(2000)])
    for axis in range(2):
        assert set(places[:, axis]) == set(range(32))


def test_of_several_classes_each_is_drawn_as_often():
    mask = Mask(np.zeros((300, 300), np.uint8))
    mask.labels[:, :100] = 1
    mask.labels[250, 250] = 2
    mask.labels[:, 100:120] = 255
    packed = PackedMask(mask)
    rng = np.random.default_rng(0)
    rare = 0
    for _ in range(400):
        top, left = Tiles(32, 1.0, GREY).draw(packed, rng)
        rare += (mask.labels[top : top + 32, left : left + 32] == 2).any()
    assert 160 < rare < 240


def test_a_tile_depends_on_seed_pass_and_index(pair):
    pair = pair(90, 90)
    first = dataset(pair, 0.5, 3)[SampleKey(1, 0, SIZE)][0]
    assert torch.equal(first, dataset(pair, 0.5, 3)[SampleKey(1, 0, SIZE)][0])
    assert not torch.equal(first, dataset(pair, 0.5, 3)[SampleKey(2, 0, SIZE)][0])
    assert not torch.equal(first, dataset(pair, 0.5, 4)[SampleKey(1, 0, SIZE)][0])


def test_a_mask_of_another_size_is_resized_to_its_image(tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "i.png")
    Image.fromarray(np.eye(32, dtype=np.uint8) * 255).save(tmp_path / "m.png")
    _, labels, _ = WholeImageDataset(
        [Pair("p", tmp_path / "i.png", tmp_path / "m.png")], Preprocessing(SIZE, MEAN, STD)
    )[SampleKey(0, 0, SIZE)]
    np.testing.assert_array_equal(labels, np.kron(np.eye(32), np.ones((2, 2))))


@pytest.mark.parametrize("start", [(-7, 5), (3, -2), (40, 60), (0, 0), (-60, -60)])
def test_cut_fills_what_lies_outside(start, rng):
    values = rng.integers(0, 200, (50, 70), dtype=np.uint8)
    top, left = start
    expected = np.pad(values, 100, constant_values=255)[top + 100 : top + 132, left + 100 : left + 132]
    np.testing.assert_array_equal(cut(values, top, left, 32, 255), expected)


@pytest.mark.parametrize("has_grey", [False, True])
@pytest.mark.parametrize("start", [(-7, 5), (3, -2), (250, 60), (600, 0), (0, 290), (511, 100), (-60, -60)])
def test_a_packed_mask_gives_any_part_back(has_grey, start, rng):
    labels, grey = rng.integers(0, 3, (2, 620, 310), dtype=np.uint8)
    mask = PackedMask(Mask(labels, grey if has_grey else None))
    np.testing.assert_array_equal(mask.labels(), labels)
    part = mask.cut(*start, 32)
    np.testing.assert_array_equal(part.labels, cut(labels, *start, 32, 255))
    assert (part.grey is not None) == has_grey
    if has_grey:
        np.testing.assert_array_equal(part.grey, cut(grey, *start, 32, 0))
    assert all((labels.ravel()[pixels] == label).all() for label, pixels in zip((1, 2), mask.pixels, strict=True))


def test_a_packed_mask_takes_little_memory():
    labels = np.zeros((4000, 4000), np.uint8)
    labels[:, 2000:2003] = 1
    assert PackedMask(Mask(labels)).nbytes < labels.nbytes / 50


@pytest.mark.parametrize("kept", [0, 1 << 28])
def test_tiles_of_large_files_are_read_alone(kept, tmp_path, rng, monkeypatch):
    pixels = rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "i.tif", pixels, tile=(32, 32))
    Image.fromarray(np.eye(96, 128, dtype=np.uint8) * 255).save(tmp_path / "m.png")
    monkeypatch.setattr("sam2unet.training.tiles.CACHE_BYTES", kept)
    whole = []
    monkeypatch.setattr("sam2unet.training.tiles.read_image", lambda *a, **o: whole.append(a) or read_image(*a, **o))
    tiles = dataset(Pair("p", tmp_path / "i.tif", tmp_path / "m.png"), 0.5)
    for epoch in range(5):
        top, left = tiles.tiles.draw(tiles._files.mask(0), np.random.default_rng((0, epoch, 0)))
        image, _, _ = tiles[SampleKey(epoch, 0, SIZE)]
        expected = (pixels[top : top + 32, left : left + 32] / 255 - MEAN) / STD
        np.testing.assert_allclose(image.numpy(), expected.transpose(2, 0, 1), atol=1e-5)
    assert len(whole) == (1 if kept else 0)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(80, 100), (20, 100)])
def test_validation_predicts_as_the_predictor_does(classes, height, width, network, rng):
    model = network(classes)
    model.card = replace(model.card, tile=32, tile_overlap=0.4, size=(64, 64))
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    labels = rng.integers(0, classes + (classes == 1), (height, width), dtype=np.uint8)
    recipe = load_recipe("general", SHORT | {"tile": 32, "tile_zoom": 2, "classes": classes})
    module = SegmentationModule(model, recipe, [], 1, RunLength(1, 1))
    batch = torch.from_numpy(image)[None], torch.from_numpy(labels)[None], torch.tensor([0])
    with torch.inference_mode():
        module.validation_step(batch)
    prediction = Predictor(model, "cpu", "torch", "float32").predict(image)
    if classes == 1:
        logits = torch.from_numpy(prediction.probability).logit()
        curve = dice_curves(logits[None, None], torch.from_numpy(labels)[None, None].float())
        torch.testing.assert_close(module.scores.dice_sums.float(), curve[0].float(), atol=2e-3, rtol=0)
        assert len(THRESHOLDS) == len(curve[0])
    else:
        counts = np.zeros((3, 3))
        np.add.at(counts, (labels, prediction.mask()), 1)
        assert np.abs(module.scores.confusion.numpy() - counts).max() <= 2
    assert torch.isfinite(module.scores.loss).all()


def test_a_model_trained_on_tiles_predicts_in_tiles(scenes, tmp_path):
    run = sam2unet.train(
        scenes, out=tmp_path / "run", device="cpu", **SHORT | {"tile": 32, "epochs": 1, "epoch_steps": 2}
    )
    predictor = Predictor(run.best, "cpu", "torch")
    assert (predictor.card.tile, predictor.card.tile_zoom, predictor.card.size) == (32, 1, (32, 32))
    assert predictor.views.tile == 32
