"""Exported files where torch is not installed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sam2unet
from sam2unet import Predictor, Views
from sam2unet.export import export_model

NEED_TORCH = ("torch", "functorch", "lightning", "pytorch_lightning", "kornia", "safetensors", "huggingface_hub",
              "scipy", "contourpy", "onnx-", "__pycache__", "sam2unet", "_sam2unet")  # fmt: skip
"""Packages that need torch, or that only come with it; and ourselves, installed."""


@pytest.fixture(scope="module")
def without_torch(tmp_path_factory):
    """Runs `sam2unet` with the installed packages except those that need torch or build graphs."""
    folder = tmp_path_factory.mktemp("packages")
    for package in Path(np.__file__).parents[1].iterdir():
        if not package.name.startswith(NEED_TORCH) and package.name != "onnx":
            (folder / package.name).symlink_to(package)
    (folder / "sam2unet").symlink_to(Path(sam2unet.__file__).parent)
    code = f"import sys; sys.path[:] = ['{folder}'] + [p for p in sys.path if 'site-packages' not in p]\n"
    code += "from importlib.util import find_spec; assert not find_spec('torch') and not find_spec('safetensors')\n"
    code += "from sam2unet.commands import main; main()"
    command = [sys.executable, "-I", "-c", code]
    return lambda *words: subprocess.run([*command, *map(str, words)], capture_output=True, text=True)


@pytest.mark.parametrize(("format", "backend"), [("onnx", "onnxruntime"), ("onnx", "openvino"), ("openvino", "auto")])
def test_exported_files_predict_without_torch(format, backend, without_torch, network, scenes, tmp_path):
    file = export_model(network(), tmp_path, "m", format)
    words = ["predict", file, scenes / "test", "--out", tmp_path / "out", "--backend", backend]
    done = without_torch(*words, "--save", "probability", "--save", "cutout", "--tile", 64)
    assert done.returncode == 0, done.stderr
    predictor = Predictor(network(), "cpu", "torch", "float32", views=Views(tile=64))
    for image in (scenes / "test/images").iterdir():
        found = np.asarray(Image.open(tmp_path / "out/probability" / f"{image.stem}.png")) / 255
        assert np.abs(found - predictor.predict(image).probability).mean() < 0.02


@pytest.mark.parametrize("option", ["--json", "--save=table", "--overlay", "--min-part=5"])
def test_outputs_that_need_more_packages_are_refused_in_one_line(option, without_torch, network, scenes, tmp_path):
    file = export_model(network(), tmp_path, "m", "onnx")
    done = without_torch("predict", file, scenes / "test", "--out", tmp_path / "out", option)
    assert done.returncode == 2
    assert "pip install scipy contourpy" in done.stderr
    assert len(done.stderr.splitlines()) == 1
