"""Predictor and Prediction: one image, streams of images, and errors."""

import doctest
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import sam2unet.prediction.predictor as predictor_module
from sam2unet import Predictor, Views
from sam2unet.errors import InputError
from sam2unet.weights import load_model


def test_predict_resizes_logits_and_then_takes_the_sigmoid(network, photo):
    model, pixels = network(), photo()
    found = Predictor(model, "cpu", "torch", "float32").predict(pixels).probability
    resized = np.asarray(Image.fromarray(pixels).resize((64, 64), Image.Resampling.BILINEAR)) / 255
    normal = (resized - np.array(model.card.mean)) / np.array(model.card.std)
    with torch.inference_mode():
        logits = model(torch.from_numpy(normal.transpose(2, 0, 1)).float()[None])
    expected = torch.nn.functional.interpolate(logits, size=(50, 70), mode="bilinear").sigmoid()[0, 0].numpy()
    assert found.shape == (50, 70)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert 0.05 < (found > 0.5).mean() < 0.95


def test_predict_takes_paths_pil_images_and_arrays(network, tmp_path, photo):
    predictor, pixels = Predictor(network(), "cpu", "torch"), photo()
    Image.fromarray(pixels).save(tmp_path / "a.png")
    inputs = [pixels, Image.fromarray(pixels), tmp_path / "a.png", str(tmp_path / "a.png")]
    first, *others = [predictor.predict(image).probability for image in inputs]
    assert all(np.array_equal(first, other) for other in others)


@pytest.mark.parametrize("normalise_range", [False, True])
def test_predict_reads_16_bits_as_the_card_says(normalise_range, network, rng, tmp_path):
    dim = rng.integers(0, 4096, (40, 60), dtype=np.uint16)
    Image.fromarray(dim).save(tmp_path / "dim.png")
    model = network()
    model.card = replace(model.card, normalise_range=normalise_range)
    eight = (dim - dim.min()) * (255 / np.ptp(dim)) if normalise_range else dim / 257
    grey = np.repeat(eight.round().astype(np.uint8)[..., None], 3, axis=2)
    predictor = Predictor(model, "cpu", "torch")
    found, expected = predictor.predict(tmp_path / "dim.png"), predictor.predict(grey)
    np.testing.assert_array_equal(found.probability, expected.probability)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 3), np.float32),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((0, 5, 3), np.uint8),
    ],
)
def test_predict_refuses_arrays_of_another_shape_or_dtype(wrong, network):
    with pytest.raises(InputError, match="uint8"):
        Predictor(network(), "cpu", "torch").predict(wrong)


def test_predict_in_bf16_is_close_to_float32(network, photo):
    model, pixels = network(), photo()
    exact, close = (Predictor(model, "cpu", "torch", p).predict(pixels).probability for p in ("float32", "bf16"))
    assert 0 < np.abs(exact - close).mean() < 0.05


def test_predict_with_an_upstream_checkpoint(upstream_state, photo, tmp_path):
    torch.save(upstream_state("tiny"), tmp_path / "SAM2-UNet.pth")
    assert load_model(tmp_path / "SAM2-UNet.pth").card.trunk == "tiny"
    prediction = Predictor(tmp_path / "SAM2-UNet.pth", "cpu", "torch").predict(photo())
    assert prediction.probability.shape == (50, 70)


@pytest.mark.parametrize(("batch_size", "batches"), [(1, [1] * 5), (2, [2, 2, 1]), (5, [5])])
def test_predict_many_runs_batches_and_predicts_what_single_images_give(batch_size, batches, network, photo):
    model, images = network(), [photo(40 + 3 * i, 60) for i in range(5)]
    expected = [Predictor(model, "cpu", "torch", "float32").predict(image).probability for image in images]
    predictor, sizes = Predictor(model, "cpu", "torch", "float32", batch_size=batch_size), []
    run = predictor.backend.logits
    predictor.backend.logits = lambda images: sizes.append(len(images)) or run(images)
    found = [prediction.probability for prediction in predictor.predict_many(iter(images))]
    assert sizes == batches
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_predict_many_raises_at_what_is_no_image_instead_of_ending(network, photo):
    stream = Predictor(network(), "cpu", "torch").predict_many([photo(), None, photo()])
    next(stream)
    with pytest.raises(InputError, match="not NoneType"):
        next(stream)


def test_predict_all_goes_on_after_an_error(network, photo, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"")
    predictor = Predictor(network(), "cpu", "torch", batch_size=2)
    first, error, last = predictor.predict_all([photo(10, 20), tmp_path / "broken.png", photo(30, 40)])
    assert str(error).startswith(f"{tmp_path / 'broken.png'}: broken")
    assert [prediction.image.size for prediction in (first, last)] == [(20, 10), (40, 30)]


def test_predict_all_loses_only_the_image_that_memory_does_not_suffice_for(network, photo):
    predictor = Predictor(network(), "cpu", "torch", batch_size=3)
    run = predictor.backend.logits

    def run_out_of_memory_for_red(images):
        if (images == [255, 0, 0]).all(axis=(1, 2, 3)).any():
            raise MemoryError
        return run(images)

    predictor.backend.logits = run_out_of_memory_for_red
    red = np.full((30, 30, 3), (255, 0, 0), np.uint8)
    first, error, last = predictor.predict_all([photo(), red, photo()])
    assert str(error) == "not enough memory to predict it"
    assert first.probability.shape == last.probability.shape == (50, 70)


@pytest.mark.parametrize(
    "options",
    [{"device": "gameboy"}, {"backend": "magic"}, {"precision": "int3"}, {"batch_size": 0}, {"max_pixels": 0}],
)
def test_predictor_names_the_option_that_does_not_exist_or_fit(options, network):
    ((name, value),) = options.items()
    with pytest.raises(InputError, match=str(value)) as caught:
        Predictor(network(), **{"device": "cpu"} | options)
    assert name in str(caught.value)


def test_mask_takes_pixels_from_the_threshold_on(known_prediction):
    prediction = known_prediction([[-1, 0, 0.5], [0.9, 3, -50]])  # probabilities 0.27, 0.5, 0.62, 0.71, 0.95, 0
    assert prediction.mask().dtype == bool
    assert prediction.mask().tolist() == [[False, True, True], [True, True, False]]
    assert prediction.mask(0.7).tolist() == [[False, False, False], [True, True, False]]
    assert prediction.mask(0).all()


def test_mask_of_several_classes_is_the_likeliest_whatever_the_threshold(known_prediction):
    prediction = known_prediction([[[3, 1, 0]], [[2, 2, 0]], [[1, 1.5, 0.1]]])
    assert prediction.mask().dtype == np.uint8
    assert prediction.mask(0.9).tolist() == [[0, 1, 2]]


def test_overlay_and_cutout_show_the_mask_at_the_threshold(known_prediction):
    logits = np.full((5, 7), -9.0)
    logits[1:4, 1:6] = 9
    logits[1:4, 5] = 0.5  # 0.62: only in masks of low thresholds
    prediction = known_prediction(logits)
    alpha = np.asarray(prediction.cutout(0.7))[..., 3]
    assert (alpha == np.where(logits == 9, 255, 0)).all()
    assert np.asarray(prediction.cutout(0.5))[2, 5, 3] == 252  # 255 * (0.5 + 0.5 * 0.1225 / 0.125)
    drawn = np.asarray(prediction.overlay(0.7))
    assert drawn[2, 2].tolist() == [164, 139, 83]  # 128, tinted by 90/255 of (230, 159, 0)
    assert drawn[0, 1].tolist() == [230, 159, 0]  # the outline
    assert drawn[2, 6].tolist() == [128, 128, 128]
    assert np.asarray(prediction.overlay(0.5))[2, 6].tolist() == [230, 159, 0]


@pytest.mark.parametrize(("classes", "tile", "tiles"), [(1, 40, 1), (3, 40, 1), (3, 100, 6)])
def test_strips_are_the_probabilities_of_their_rows(classes, tile, tiles, network, photo, monkeypatch):
    prediction = Predictor(network(classes), "cpu", "torch", views=Views(tile=tile)).predict(photo(200, 160))
    assert len(prediction.logits) == tiles
    whole = prediction.probability
    monkeypatch.setattr(predictor_module, "VALUES_PER_STRIP", 1000)
    strips = list(prediction.strips())
    assert len(strips) > 5
    joined = np.concatenate([strip for _, strip in strips], axis=1)
    np.testing.assert_array_equal(joined if classes > 1 else joined[0], whole)


def test_docstring_example_runs():
    failed, attempted = doctest.testmod(predictor_module)
    assert (failed, attempted > 0) == (0, True)


def test_import_needs_neither_torch_nor_scipy():
    code = "import sys, sam2unet.prediction; print({'torch', 'scipy', 'contourpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
