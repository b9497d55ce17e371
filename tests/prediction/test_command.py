"""Options of `sam2unet predict` that reach prediction, and its answers."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from sam2unet import Predictor, Views, save_model
from sam2unet.export import export_model


def test_summary_names_backend_counts_and_folder(predict, folder, tmp_path):
    out = tmp_path / "out"
    assert predict(folder, "--out", out).out.startswith("3 predicted by torch")
    (out / "b.png").unlink()
    summary = predict(folder, "--out", out).out
    assert summary.startswith("1 predicted by torch")
    assert f"2 existed already (--overwrite predicts them again): {out}" in summary


def test_quiet_prints_nothing(predict, folder, tmp_path):
    result = predict(folder, "--out", tmp_path / "out", "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")


def test_errors_name_the_options_that_help(predict, folder, tmp_path):
    images = folder / "images"
    assert (
        f"{folder}: holds the images; choose another folder for the masks (--out)"
        in predict(folder, "--out", folder).err
    )
    (tmp_path / "a.png").write_bytes(b"broken")
    result = predict(images / "a.png", "--out", tmp_path)
    assert result.code == 2
    assert "overwrite it to predict it again (--overwrite)" in result.err


def test_exit_code_is_1_if_some_images_fail_and_2_if_all_do(predict, folder, tmp_path):
    (folder / "images/broken.png").touch()
    some = predict(folder, "--out", tmp_path / "out")
    assert (some.code, "1 failed, 3 done" in some.err) == (1, True)
    assert predict(folder / "images/broken.png", "--out", tmp_path / "out").code == 2


@pytest.mark.parametrize("given", ["nowhere", "empty", "*.nothing"])
def test_inputs_without_images_are_refused(given, predict, tmp_path):
    (tmp_path / "empty").mkdir()
    result = predict(tmp_path / given, "--out", tmp_path / "out")
    assert result.code == 2
    assert str(tmp_path / given) in result.err


def test_threshold_is_a_number_or_the_models_best(network, scenes, tmp_path, run):
    model = network()
    model.card = replace(model.card, threshold=0.7)
    save_model(model, tmp_path / "model.safetensors")
    image, masks = next((scenes / "test/images").iterdir()), {}
    for threshold in ("0.7", "best", "0.5"):
        out = tmp_path / threshold
        command = ("predict", tmp_path / "model.safetensors", image, "--out", out, "--backend", "torch")
        assert run(*command, "--device", "cpu", "--threshold", threshold).code == 0
        masks[threshold] = (out / f"{image.stem}.png").read_bytes()
    assert masks["best"] == masks["0.7"] != masks["0.5"]


def test_masks_of_one_bit(predict, folder, tmp_path):
    for bits in (1, 8):
        assert predict(folder, "--out", tmp_path / str(bits), "--mask-bits", bits).code == 0
    with Image.open(tmp_path / "1/sub/c.png") as one, Image.open(tmp_path / "8/sub/c.png") as eight:
        assert one.mode == "1"
        np.testing.assert_array_equal(np.asarray(one), np.asarray(eight) == 255)


def test_masks_of_several_classes_do_not_fit_in_one_bit(network, run, folder, tmp_path):
    file = export_model(network(classes=3), tmp_path, "m", "onnx")
    result = run("predict", file, folder, "--out", tmp_path / "out", "--mask-bits", 1)
    assert result.code == 2
    assert "masks of 3 classes do not fit in one bit: use 8 (--mask-bits)" in result.err


@pytest.mark.parametrize("option", ["--max-pixels", "--most-pixels"])
def test_max_pixels_sets_the_limit(option, predict, tmp_path, photo):
    Image.fromarray(photo(50, 70)).save(tmp_path / "a.png")
    refused = predict(tmp_path / "a.png", "--out", tmp_path / "out", option, 3499)
    assert refused.code == 2
    assert "a.png: 70x50 is more than 0.003499 million pixels" in refused.err
    assert "(--max-pixels)" in refused.err
    assert predict(tmp_path / "a.png", "--out", tmp_path / "out", option, 3500).code == 0


def test_views_reach_the_network(predict, model_file, folder, tmp_path):
    words = ("--tile", 64, "--overlap", 0.5, "--flip-tta", "--scales", "0.5,1", "--letterbox", "--save", "npy")
    assert predict(folder, "--out", tmp_path / "out", *words).code == 0
    views = Views(64, 0.5, True, (0.5, 1), True)
    expected = Predictor(model_file, "cpu", "torch", views=views).predict(folder / "images/sub/c.tif").probability
    np.testing.assert_allclose(np.load(tmp_path / "out/npy/sub/c.npy"), expected, atol=1e-6)
    plain = Predictor(model_file, "cpu", "torch").predict(folder / "images/sub/c.tif").probability
    assert np.abs(plain - expected).mean() > 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--tile", 8), "tile is 8"), (("--overlap", 0.9), "overlap is 0.9"), (("--scales", "1,9"), "scales are 1, 9"),
     (("--scales", "1;2"), "--scales is '1;2': it must be numbers"), (("--min-part", -1), "min_part"),
     (("--mask-bits", 4), "mask_bits is 4"), (("--save", "gold"), "unknown output 'gold'"),
     (("--shard", "3/2"), "--shard is '3/2'"), (("--max-pixels", 0), "max_pixels is 0"),
     (("--threshold", "most"), "--threshold is 'most': it must be a number from 0 to 1, or best"),
     (("--threshold", "1.5"), "--threshold is '1.5'"), (("--threshold", "nan"), "--threshold is 'nan'")],
)  # fmt: skip
def test_options_out_of_range_are_one_sentence(options, message, predict, folder, tmp_path):
    result = predict(folder, "--out", tmp_path / "out", *options)
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
