"""OnnxRuntime: providers, and other programs that read the same files."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from sam2unet.errors import InputError
from sam2unet.export import export_model
from sam2unet.runtime import OnnxRuntime, TorchRuntime, onnxruntime_, probabilities
from sam2unet.runtime.onnxruntime_ import _providers, onnxruntime_has_cuda


@pytest.fixture
def available(monkeypatch):
    """Makes ONNX Runtime report execution providers."""

    def report(*names):
        package = SimpleNamespace(get_available_providers=lambda: [f"{name}ExecutionProvider" for name in names])
        monkeypatch.setattr(onnxruntime_, "import_backend", lambda _: package)

    return report


def names(providers):
    return [provider if isinstance(provider, str) else provider[0] for provider in providers]


def test_a_gpu_that_no_provider_supports_is_refused(network, tmp_path):
    file = export_model(network(), tmp_path, "m", "onnx")
    with pytest.raises(InputError, match="no provider for meta") as caught:
        OnnxRuntime(file, "meta")
    assert caught.value.parameters == ("device",)


def test_onnxruntime_has_cuda_only_if_it_is_installed(available, hide):
    available("CUDA", "CPU")
    assert onnxruntime_has_cuda()
    hide("onnxruntime")
    assert not onnxruntime_has_cuda()


def test_providers_are_the_cpus_alone_without_cuda(available):
    available("CPU")
    assert names(_providers("cuda")) == ["CPUExecutionProvider"]


def test_providers_prefer_tensorrt_to_cuda_to_the_cpu(available):
    available("CPU", "CUDA", "Tensorrt")
    found = _providers("cuda:1")
    assert names(found) == ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    assert [options["device_id"] for _, options in found[:2]] == [1, 1]


def test_providers_compute_in_float32_without_tf32(available):
    available("CPU", "CUDA")
    assert _providers("auto")[0] == ("CUDAExecutionProvider", {"device_id": 0, "use_tf32": 0})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_rembg_reads_an_exported_file(network, scenes, tmp_path, monkeypatch):
    rembg = pytest.importorskip("rembg")
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    model = network()
    model.card = replace(model.card, size=(320, 320))
    file = export_model(model, tmp_path, "own", "onnx")
    image = Image.open(next((scenes / "test/images").iterdir())).resize((320, 320))
    session = rembg.new_session("u2net_custom", model_path=str(file))
    mask = np.asarray(rembg.remove(image, session=session, only_mask=True)) / 255
    ours = probabilities(TorchRuntime(model, "cpu", "float32").logits(np.array(image)[None]))[0, 0]
    normalised = (ours - ours.min()) / np.ptp(ours)  # as rembg does
    assert mask.shape == ours.shape
    assert np.abs(mask - normalised).mean() < 0.05
