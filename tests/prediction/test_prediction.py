"""Predictor and the predict command."""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from sam2unet import Predictor
from sam2unet.errors import InputError
from sam2unet.prediction import find_inputs, mask_image, overlay, predict_folder
from sam2unet.weights import load_model, save_model

RNG = np.random.default_rng(0)


@pytest.fixture
def folder(tmp_path, photo):
    for name, size in (("a.png", (50, 70)), ("b.JPG", (33, 91)), ("sub/c.tif", (128, 64))):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(*size)).save(tmp_path / "in" / name)
    return tmp_path / "in"


def test_probability_is_resize_then_sigmoid(network, photo):
    model, pixels = network(), photo()
    found = Predictor(model, device="cpu", precision="float32").predict(pixels).probability
    resized = np.asarray(Image.fromarray(pixels).resize((64, 64), Image.Resampling.BILINEAR)) / 255
    normal = (resized - np.array(model.card.mean)) / np.array(model.card.std)
    with torch.inference_mode():
        logits = model(torch.from_numpy(normal.transpose(2, 0, 1)).float()[None])
    expected = torch.nn.functional.interpolate(logits, size=(50, 70), mode="bilinear").sigmoid()[0, 0].numpy()
    assert found.shape == (50, 70)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert 0.05 < (found > 0.5).mean() < 0.95


def test_path_pil_and_array_give_the_same(network, tmp_path, photo):
    predictor, pixels = Predictor(network(), device="cpu"), photo()
    Image.fromarray(pixels).save(tmp_path / "a.png")
    given = [pixels, Image.fromarray(pixels), tmp_path / "a.png", str(tmp_path / "a.png")]
    first, *others = [predictor.predict(picture).probability for picture in given]
    assert all(np.array_equal(first, other) for other in others)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_a_stream_gives_what_single_pictures_give(batch_size, network, photo):
    pictures = [photo(40 + 3 * i, 60) for i in range(5)]
    predictor = Predictor(network(), device="cpu", batch_size=batch_size)
    for picture, prediction in zip(pictures, predictor.predict_many(iter(pictures)), strict=True):
        np.testing.assert_allclose(prediction.probability, predictor.predict(picture).probability, atol=1e-5)


def test_sixteen_bits_are_stretched_as_the_card_says(network, tmp_path):
    dim = RNG.integers(0, 4096, (40, 60), dtype=np.uint16)
    Image.fromarray(dim).save(tmp_path / "dim.png")
    model = network()
    for stretch in (False, True):
        model.card = replace(model.card, normalise_range=stretch)
        eight = (dim - dim.min()) * (255 / np.ptp(dim)) if stretch else dim / 257
        grey = np.repeat(eight.round().astype(np.uint8)[..., None], 3, axis=2)
        predictor = Predictor(model, device="cpu")
        found, expected = predictor.predict(tmp_path / "dim.png"), predictor.predict(grey)
        np.testing.assert_array_equal(found.probability, expected.probability)


def test_masks_follow_the_threshold(network, photo):
    prediction = Predictor(network(), device="cpu").predict(photo())
    assert prediction.mask().dtype == bool
    np.testing.assert_array_equal(prediction.mask(0.7), prediction.probability >= 0.7)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 3), np.float32),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((0, 5, 3), np.uint8),
    ],
)
def test_arrays_of_another_kind_are_refused(wrong, network):
    with pytest.raises(InputError, match="uint8"):
        Predictor(network(), device="cpu").predict(wrong)


def test_what_is_no_picture_is_refused_not_taken_for_the_end(network, photo):
    predictor = Predictor(network(), device="cpu")
    stream = predictor.predict_many([photo(), None, photo()])
    next(stream)
    with pytest.raises(InputError, match="not NoneType"):
        next(stream)


@pytest.mark.parametrize("options", [{"device": "gameboy"}, {"backend": "magic"}, {"precision": "int3"}])
def test_options_that_do_not_exist_are_named(options, network):
    with pytest.raises(InputError, match=next(iter(options.values()))):
        Predictor(network(), **{"device": "cpu"} | options)


def test_bf16_is_close_to_float32(network, photo):
    model, pixels = network(), photo()
    exact = Predictor(model, device="cpu", precision="float32").predict(pixels).probability
    assert np.abs(exact - Predictor(model, device="cpu", precision="bf16").predict(pixels).probability).mean() < 0.05


def test_command_writes_masks_at_each_pictures_size_under_its_name(run, model_file, folder, tmp_path):
    result = run(
        "predict",
        model_file,
        folder,
        "--out",
        tmp_path / "out",
        "--overlay",
        "--save",
        "probability",
        "--device",
        "cpu",
    )
    assert result.code == 0, result.err
    predictor = Predictor(model_file, device="cpu")
    for name, source in (("a", "a.png"), ("b", "b.JPG"), ("sub/c", "sub/c.tif")):
        prediction = predictor.predict(folder / source)
        mask = np.asarray(Image.open(tmp_path / f"out/{name}.png"))
        assert mask.shape == np.asarray(Image.open(folder / source)).shape[:2]
        np.testing.assert_array_equal(mask, prediction.mask() * np.uint8(255))
        saved = np.asarray(Image.open(tmp_path / f"out/probability/{name}.png"))
        np.testing.assert_array_equal(saved, np.round(prediction.probability * 255))
        shown = np.asarray(Image.open(tmp_path / f"out/overlays/{name}.png"))
        assert (shown != np.asarray(prediction.image)).any(axis=2)[prediction.mask()].mean() > 0.9
    assert not list((tmp_path / "out").rglob(".*"))


def test_inputs_may_be_files_globs_and_folders_of_pairs(run, model_file, folder, scenes, tmp_path):
    result = run(
        "predict",
        model_file,
        folder / "a.png",
        folder / "*.JPG",
        scenes / "test",
        "--out",
        tmp_path / "out",
        "--device",
        "cpu",
    )
    assert result.code == 0, result.err
    written = {file.relative_to(tmp_path / "out").as_posix() for file in (tmp_path / "out").rglob("*.png")}
    assert written == {"a.png", "b.png", "scene_0000.png", "scene_0001.png", "scene_0002.png"}


def test_a_broken_picture_is_told_at_the_end_and_stops_nothing(run, model_file, folder, tmp_path):
    (folder / "aa.png").write_bytes(b"\x89PNG broken")
    result = run("predict", model_file, folder, "--out", tmp_path / "out", "--device", "cpu")
    assert result.code == 1
    assert str(folder / "aa.png") in result.err
    assert len(list((tmp_path / "out").rglob("*.png"))) == 3


def test_progress_reaches_the_end_whatever_fails(network, folder, tmp_path):
    (folder / "z.png").write_bytes(b"\x89PNG broken")
    told = []
    pictures = find_inputs([folder], tmp_path / "out")
    predictor = Predictor(network(), "cpu", "torch")
    predict_folder(predictor, pictures, tmp_path / "out", progress=lambda done, total: told.append((done, total)))
    assert sorted(told) == [(done, 4) for done in range(5)]


def test_what_is_there_is_kept_unless_asked(run, model_file, folder, tmp_path):
    out = tmp_path / "out"
    run("predict", model_file, folder, "--out", out, "--device", "cpu")
    os.utime(out / "a.png", (1, 1))
    (out / "b.png").unlink()
    said = run("predict", model_file, folder, "--out", out, "--device", "cpu").out
    assert said.startswith("1 predicted by ")
    assert ", 2 were there already" in said
    assert (out / "a.png").stat().st_mtime == 1
    run("predict", model_file, folder, "--out", out, "--overwrite", "--device", "cpu")
    assert (out / "a.png").stat().st_mtime > 1


@pytest.mark.parametrize("given", ["nowhere", "empty", "*.nothing"])
def test_inputs_that_are_not_there(given, run, model_file, tmp_path):
    (tmp_path / "empty").mkdir()
    result = run("predict", model_file, tmp_path / given, "--out", tmp_path / "out")
    assert result.code == 2
    assert str(tmp_path / given) in result.err


def test_pictures_of_one_name_are_named_and_left_out(run, model_file, folder, tmp_path, photo):
    Image.fromarray(photo()).save(tmp_path / "a.jpg")
    Image.fromarray(photo()).save(folder / "a.bmp")
    for inputs, code in (([folder / "a.png", tmp_path / "a.jpg"], 2), ([folder / "a.*"], 2), ([folder], 1)):
        result = run("predict", model_file, *inputs, "--out", tmp_path / "out", "--device", "cpu")
        assert result.code == code
        assert result.err.count(f"{os.sep}a.") == 2
        assert not (tmp_path / "out/a.png").exists()
    assert (tmp_path / "out/b.png").exists()
    assert (tmp_path / "out/sub/c.png").exists()


def test_no_picture_is_replaced_by_its_mask_and_outputs_are_no_inputs(run, model_file, folder, tmp_path):
    before = (folder / "a.png").read_bytes()
    result = run("predict", model_file, folder, "--out", folder, "--device", "cpu")
    assert result.code == 2
    assert f"{folder}: holds the pictures" in result.err
    result = run("predict", model_file, folder / "*.*", "--out", folder, "--device", "cpu")
    assert result.code == 1
    assert f"{folder / 'a.png'}: its mask would replace it" in result.err
    (folder / "b.png").unlink()
    assert (folder / "a.png").read_bytes() == before
    for _ in range(2):  # the second time the first's masks are there
        assert run("predict", model_file, folder, "--out", folder / "found", "--device", "cpu").code == 0
    assert len(list((folder / "found").rglob("*.png"))) == 3


def test_one_picture_under_two_names_is_written_twice(run, model_file, folder, tmp_path):
    result = run("predict", model_file, folder, folder / "sub/c.tif", "--out", tmp_path / "out", "--device", "cpu")
    assert result.code == 0
    assert (tmp_path / "out/c.png").read_bytes() == (tmp_path / "out/sub/c.png").read_bytes()


def test_a_later_overlay_leaves_an_edited_mask_and_overwriting_leaves_no_stale_map(run, model_file, folder, tmp_path):
    out = tmp_path / "out"
    run("predict", model_file, folder, "--out", out, "--save", "probability", "--device", "cpu")
    Image.new("L", (70, 50), 77).save(out / "a.png")
    run("predict", model_file, folder, "--out", out, "--overlay", "--device", "cpu")
    assert np.asarray(Image.open(out / "a.png")).max() == 77
    assert (out / "overlays/a.png").exists()
    run("predict", model_file, folder, "--out", out, "--overwrite", "--device", "cpu")
    assert np.asarray(Image.open(out / "a.png")).max() != 77
    assert not (out / "probability/a.png").exists()


def test_upstream_checkpoint_predicts(run, upstream_state, folder, tmp_path):
    torch.save(upstream_state("tiny"), tmp_path / "SAM2-UNet.pth")
    result = run("predict", tmp_path / "SAM2-UNet.pth", folder / "a.png", "--out", tmp_path / "out", "--device", "cpu")
    assert result.code == 0, result.err
    assert load_model(tmp_path / "SAM2-UNet.pth").card.trunk == "tiny"
    assert np.asarray(Image.open(tmp_path / "out/a.png")).shape == (50, 70)


def test_class_masks_are_index_pictures_with_a_palette():
    indices = RNG.integers(0, 3, (20, 30), dtype=np.uint8)
    picture = mask_image(indices, classes=3)
    assert picture.mode == "P"
    np.testing.assert_array_equal(np.asarray(picture), indices)
    colours = np.asarray(picture.convert("RGB"))
    assert len({tuple(c) for c in colours.reshape(-1, 3)}) == 3
    assert (colours[indices == 0] == 0).all()


def test_overlays_leave_the_rest_alone_and_outline_the_mask():
    mask = np.zeros((60, 80), bool)
    mask[20:40, 30:50] = True
    grey = Image.new("RGB", (80, 60), (128, 128, 128))
    shown = np.asarray(overlay(grey, mask)).astype(int)
    assert (shown[:15] == 128).all()
    assert np.abs(shown[30, 40] - 128).max() > 20
    assert np.abs(shown[20, 40] - 128).max() > np.abs(shown[30, 40] - 128).max()


def test_the_threshold_is_a_number_or_the_models_own(network, scenes, tmp_path, run):
    model = network()
    model.card = replace(model.card, threshold=0.7)
    save_model(model, tmp_path / "model.safetensors")
    image = next((scenes / "test/images").iterdir())
    found = {}
    for threshold in ("0.7", "best", "0.5"):
        out = tmp_path / threshold
        command = ("predict", tmp_path / "model.safetensors", image, "--out", out, "--device", "cpu")
        assert run(*command, "--threshold", threshold).code == 0
        found[threshold] = (out / f"{image.stem}.png").read_bytes()
    assert found["best"] == found["0.7"] != found["0.5"]
    for wrong in ("most", "1.5", "nan"):
        result = run("predict", tmp_path / "model.safetensors", image, "--out", tmp_path, "--threshold", wrong)
        assert result.code == 2
        assert f"--threshold {wrong}: give a number from 0 to 1, or best" in result.err
