"""The choice of a runtime, its errors, and what is cached."""

import subprocess
import sys

import numpy as np
import pytest

from sam2unet import save_model
from sam2unet.errors import InputError
from sam2unet.export import export_model
from sam2unet.runtime import OnnxRuntime, OpenVINORuntime, open_runtime, probabilities
from sam2unet.runtime.choose import _serialized_graph

from ..graph.reference import exact_logits


def open_cpu(model, backend="auto", precision="float32", trunk_weights=None, size=None):
    return open_runtime(model, "cpu", backend, precision, trunk_weights, size)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize(
    ("backend", "precision", "tolerance"),
    [("torch", "float32", 1e-5), ("openvino", "float32", 1e-5), ("onnxruntime", "float32", 1e-5),
     ("torch", "bf16", 0.02), ("openvino", "bf16", 0.02)],
)  # fmt: skip
def test_every_backend_computes_the_networks_probabilities(backend, precision, tolerance, classes, network, images):
    model = network(classes)
    runtime = open_cpu(model, backend, precision)
    expected = probabilities(exact_logits(model, images))
    assert np.abs(probabilities(runtime.logits(images)) - expected).mean() < tolerance


@pytest.mark.parametrize("backend", ["torch", "openvino", "onnxruntime"])
def test_every_backend_runs_at_another_size(backend, network, rng):
    model, images = network(), rng.integers(0, 256, (1, 96, 32, 3), dtype=np.uint8)
    found = open_cpu(model, backend, size=(96, 32)).logits(images)
    np.testing.assert_allclose(found, exact_logits(model, images), atol=1e-4)


@pytest.mark.parametrize(
    ("bf16", "missing", "expected"),
    [(False, (), "OpenVINO"), (True, (), "OpenVINO"), (False, ("openvino",), "ONNX Runtime"),
     (True, ("openvino",), "torch"), (False, ("openvino", "onnxruntime"), "torch"), (False, ("onnx",), "torch")],
)  # fmt: skip
def test_auto_takes_the_fastest_installed_backend(bf16, missing, expected, network, hide, monkeypatch):
    hide(*missing)
    monkeypatch.setattr("sam2unet.runtime.choose.cpu_has_bf16", lambda: bf16)
    assert open_cpu(network(), precision="auto").name.startswith(expected)


@pytest.mark.parametrize(("bf16", "expected"), [(False, "float32"), (True, "bf16")])
def test_auto_precision_is_bf16_if_the_cpu_has_it(bf16, expected, network, monkeypatch):
    precisions = []

    def record(graph, precision):
        precisions.append(precision)
        return OpenVINORuntime(graph, precision)

    monkeypatch.setattr("sam2unet.runtime.choose.cpu_has_bf16", lambda: bf16)
    monkeypatch.setattr("sam2unet.runtime.choose.OpenVINORuntime", record)
    open_cpu(network(), "openvino", "auto")
    assert precisions == [expected]


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_auto_runs_exported_files_on_the_cpu_if_no_package_uses_the_gpu(format, network, tmp_path, monkeypatch):
    monkeypatch.setattr("sam2unet.runtime.choose.is_known_cpu", lambda name: False)
    file = export_model(network(), tmp_path, "m", format)
    assert open_runtime(file, "auto", "auto", "auto", None).device == "cpu"


@pytest.mark.parametrize(
    ("options", "message", "parameters"),
    [({"backend": "magic"}, "unknown backend 'magic'", ()), ({"precision": "int3"}, "unknown precision 'int3'", ()),
     ({"device": "gameboy"}, "device 'gameboy' can't be used", ()),
     ({"backend": "openvino", "device": "meta"}, "OpenVINO runs on the CPU", ("backend", "device")),
     ({"backend": "onnxruntime", "device": "meta"}, "no provider for meta", ("device",)),
     ({"backend": "onnxruntime", "precision": "bf16"}, "computes in float32", ("precision", "backend"))],
)  # fmt: skip
def test_open_runtime_names_what_is_not_possible(options, message, parameters, network):
    arguments = {"device": "cpu", "backend": "auto", "precision": "auto", "trunk_weights": None} | options
    with pytest.raises(InputError, match=message) as caught:
        open_runtime(network(), **arguments)
    assert caught.value.parameters == parameters


@pytest.mark.parametrize(("name", "message"), [("nothing.safetensors", "no such file"), ("", "best.safetensors")])
def test_open_runtime_names_a_model_that_is_not_a_file(name, message, tmp_path):
    with pytest.raises(InputError, match=message) as caught:
        open_cpu(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))


@pytest.mark.parametrize(
    ("format", "backend", "choices"),
    [("onnx", "torch", "openvino or onnxruntime"), ("openvino", "torch", "openvino"),
     ("openvino", "onnxruntime", "openvino")],
)  # fmt: skip
def test_open_runtime_names_the_backends_of_an_exported_file(format, backend, choices, network, tmp_path):
    file = export_model(network(), tmp_path, "m", format)
    with pytest.raises(InputError, match=f"{backend} can't run it; choose {choices}$") as caught:
        open_cpu(file, backend)
    assert caught.value.parameters == ("backend",)


def test_open_runtime_refuses_another_size_of_an_exported_file(network, tmp_path):
    file = export_model(network(), tmp_path, "m", "onnx")
    with pytest.raises(InputError, match="exported for one size") as caught:
        open_cpu(file, size=(96, 96))
    assert caught.value.parameters == ("scales",)


@pytest.mark.parametrize(("backend", "extra"), [("openvino", "openvino"), ("onnxruntime", "onnx")])
def test_open_runtime_says_how_to_install_a_backend(backend, extra, network, hide):
    hide(backend)
    with pytest.raises(InputError, match=rf"^{backend} is not installed: pip install 'sam2unet\[{extra}\]'$"):
        open_cpu(network(), backend)


def test_open_runtime_says_how_to_install_what_builds_graphs(network, hide):
    hide("onnx")
    with pytest.raises(InputError, match="onnx is not installed: pip install"):
        open_cpu(network(), "openvino")


def test_open_runtime_of_a_model_file_needs_torch(model_file, hide):
    hide("torch")
    with pytest.raises(InputError, match="needs torch, which is not installed"):
        open_cpu(model_file)


CACHED_START = """
import sys
import numpy as np
from sam2unet.runtime import open_runtime
runtime = open_runtime(sys.argv[1], "cpu", sys.argv[2], "float32", None)
np.save(sys.argv[4], runtime.logits(np.load(sys.argv[3])))
assert "torch" not in sys.modules
"""


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_the_second_start_needs_no_torch_and_gives_the_same(backend, model_file, own_cache, images, tmp_path):
    expected = open_cpu(model_file, backend).logits(images)
    np.save(tmp_path / "images.npy", images)
    words = [model_file, backend, tmp_path / "images.npy", tmp_path / "logits.npy"]
    subprocess.run([sys.executable, "-c", CACHED_START, *words], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "logits.npy"), expected)


def test_a_network_that_is_from_no_file_is_not_cached(network, own_cache):
    open_cpu(network(), "openvino")
    assert not own_cache.exists()


@pytest.mark.parametrize(
    "second",
    [{"precision": "bf16"}, {"size": (96, 32)}, {"backend": "onnxruntime"}],
    ids=lambda words: next(iter(words)),
)
def test_another_way_to_run_a_model_is_another_cache_entry(second, model_file, own_cache):
    open_cpu(model_file, "openvino")
    open_cpu(model_file, **{"backend": "openvino"} | second)
    assert len(list(own_cache.iterdir())) == 2


def test_another_model_under_the_same_name_is_another_cache_entry(network, model_file, own_cache, images):
    first = open_cpu(model_file, "openvino").logits(images)
    save_model(network(seed=1), model_file)
    assert np.abs(open_cpu(model_file, "openvino").logits(images) - first).max() > 0.1
    assert len(list(own_cache.iterdir())) == 2


@pytest.mark.parametrize(
    "damage",
    [lambda entry: (entry / "network.blob").write_bytes(b"nothing"), lambda entry: (entry / "metadata.json").unlink()],
    ids=["blob", "metadata"],
)
def test_a_damaged_cache_entry_is_compiled_again(damage, model_file, own_cache, images):
    expected = open_cpu(model_file, "openvino").logits(images)
    (entry,) = own_cache.iterdir()
    damage(entry)
    np.testing.assert_array_equal(open_cpu(model_file, "openvino").logits(images), expected)
    assert (entry / "network.blob").stat().st_size > 1000
    assert (entry / "metadata.json").exists()


def test_a_cached_model_does_not_hide_that_trunk_weights_are_wrong(model_file, own_cache):
    open_cpu(model_file, "openvino")
    with pytest.raises(InputError, match="contains its own trunk"):
        open_cpu(model_file, "openvino", trunk_weights=model_file)


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_models_run_where_nothing_can_be_cached(backend, network, model_file, own_cache, caplog, images):
    own_cache.parent.parent.write_text("a file where a folder should be")
    found = open_cpu(model_file, backend).logits(images)
    np.testing.assert_allclose(found, exact_logits(network(), images), atol=1e-4)
    assert "the next start compiles again" in caplog.text


def test_torch_is_used_if_openvino_is_wrong(network, model_file, own_cache, caplog, monkeypatch):
    """As a later version of OpenVINO may be."""
    wrong = _serialized_graph(network(seed=1), None)
    monkeypatch.setattr("sam2unet.runtime.choose.OpenVINORuntime", lambda graph, precision: OnnxRuntime(wrong))
    assert open_cpu(model_file, "openvino").name == "torch in float32 on cpu"
    assert "please report it" in caplog.text
    assert not own_cache.exists()
