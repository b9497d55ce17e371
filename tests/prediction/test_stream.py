"""Predicting to standard output, from a file or from standard input."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam2unet import Predictor
from sam2unet.errors import InputError
from sam2unet.export import export_model
from sam2unet.prediction import Outputs, find_inputs, predict_to

COMMAND = Path(sys.executable).with_name("sam2unet")


@pytest.fixture
def stream_of(network):
    """What is written for some inputs, with torch."""

    def call(*inputs, classes=1, save=()):
        stream, predictor = io.BytesIO(), Predictor(network(classes), "cpu", "torch")
        predict_to(predictor, find_inputs(inputs, Path("-")), Outputs(frozenset(save)), stream)
        return stream.getvalue()

    return call


def test_predict_to_writes_the_mask_as_png(stream_of, network, folder):
    expected = Predictor(network(), "cpu", "torch").predict(folder / "images/a.png").mask()
    mask = np.asarray(Image.open(io.BytesIO(stream_of(folder / "images/a.png"))))
    np.testing.assert_array_equal(mask, expected * 255)


def test_predict_to_writes_one_other_output(stream_of, network, folder):
    expected = Predictor(network(), "cpu", "torch").predict(folder / "images/a.png").probability
    array = np.load(io.BytesIO(stream_of(folder / "images/a.png", save=["npy"])))
    np.testing.assert_array_equal(array, expected)
    assert Image.open(io.BytesIO(stream_of(folder / "images/a.png", save=["cutout"]))).mode == "RGBA"


@pytest.mark.parametrize("save", [["table"], ["cutout", "npy"]])
def test_predict_to_refuses_tables_and_several_outputs(save, stream_of, folder):
    with pytest.raises(InputError, match="standard output takes one image's mask"):
        stream_of(folder / "images/a.png", save=save)


def test_predict_to_refuses_several_images(stream_of, folder):
    with pytest.raises(InputError, match="standard output takes one image's mask"):
        stream_of(folder)


def test_predict_to_refuses_frames(stream_of, photo, tmp_path):
    frames = [Image.fromarray(photo()) for _ in range(3)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="holds several images"):
        stream_of(tmp_path / "film.gif")


def test_predict_to_refuses_maps_of_several_classes(stream_of, folder):
    with pytest.raises(InputError, match="probability is one image per class"):
        stream_of(folder / "images/a.png", classes=3, save=["probability"])


@pytest.fixture
def pipe(network, tmp_path):
    """Runs the command on what is given on standard input."""
    model = export_model(network(), tmp_path, "m", "onnx")

    def call(content, *words):
        command = [COMMAND, "predict", model, "-", "--device", "cpu", *map(str, words)]
        return subprocess.run(command, input=content, capture_output=True, check=False)

    return call


def test_standard_input_to_standard_output(pipe, network, folder):
    done = pipe((folder / "images/b.JPG").read_bytes(), "--out", "-")
    assert done.returncode == 0, done.stderr
    expected = Predictor(network(), "cpu", "torch", "float32").predict(folder / "images/b.JPG").mask()
    mask = np.asarray(Image.open(io.BytesIO(done.stdout)))
    assert mask.shape == expected.shape
    assert ((mask > 0) == expected).mean() > 0.95  # OpenVINO may round otherwise


def test_broken_standard_input_writes_nothing(pipe):
    done = pipe(b"no image", "--out", "-")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"standard input: broken" in done.stderr


def test_frames_of_standard_input_are_written_to_a_folder(pipe, photo, tmp_path):
    frames, content = [Image.fromarray(photo()) for _ in range(3)], io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
    assert pipe(content.getvalue(), "--out", tmp_path / "out").returncode == 0
    assert sorted(path.name for path in (tmp_path / "out/stdin").iterdir()) == ["0000.png", "0001.png", "0002.png"]
