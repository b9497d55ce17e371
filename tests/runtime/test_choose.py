"""What runs the network: all backends alike, the cache, and where torch is not installed."""

import copy
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from sam2unet import Predictor, Views, save_model
from sam2unet.errors import InputError
from sam2unet.export import OnnxRuntime, export_model
from sam2unet.prediction.views import resized
from sam2unet.runtime import compiled_cache
from sam2unet.runtime.choose import _serialized_graph
from sam2unet.runtime.torch_ import Torch

RNG = np.random.default_rng(0)
SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture
def folder(tmp_path, photo):
    (tmp_path / "in").mkdir()
    Image.fromarray(photo()).save(tmp_path / "in" / "a.png")
    return tmp_path / "in"


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "sam2unet" / "compiled"


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize(
    ("backend", "precision", "nearness"),
    [("torch", "float32", 1e-5), ("openvino", "float32", 1e-5), ("onnxruntime", "float32", 1e-5),
     ("torch", "bf16", 0.02), ("openvino", "bf16", 0.02)],
)  # fmt: skip
def test_all_backends_say_what_the_network_says(backend, precision, nearness, classes, network):
    model, given = network(classes), RNG.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    mean, std = (np.array(values) for values in (model.card.mean, model.card.std))
    runtime = Predictor(model, "cpu", backend, precision).backend
    assert precision in runtime.name
    with torch.inference_mode():
        images = torch.from_numpy(((given / 255 - mean) / std).transpose(0, 3, 1, 2))
        expected = copy.deepcopy(model).double()(images).sigmoid().numpy()
    assert np.abs(1 / (1 + np.exp(-runtime.logits(given))) - expected).mean() < nearness


@pytest.mark.parametrize(
    ("dtype", "training"),
    [(torch.float32, False), (torch.float32, True), (torch.bfloat16, False), (torch.float64, True)],
)
def test_torch_leaves_the_network_as_it_was(dtype, training, network):
    model = network().train(training)
    model.trunk.to(dtype)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for device, precision in (("cpu", "bf16"), ("cpu", "float32"), ("meta", "float32")):
        runtime = Torch(model, device, precision)
        if device == "cpu":
            runtime.logits(RNG.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8))
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], value) and after[name].dtype == value.dtype for name, value in before.items())
    assert all(module.training == training for module in model.modules())


def test_threads_may_share_a_predictor(network, photo):
    predictor = Predictor(network(), "cpu", "openvino", "float32")
    photos = [photo() for _ in range(4)]
    expected = [predictor.predict(one).logits for one in photos]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: predictor.predict(photos[i % 4]).logits, range(80)))
    assert all(np.array_equal(logits, expected[i % 4]) for i, logits in enumerate(found))


@pytest.mark.parametrize("size", [(100, 200), (64, 64), (3, 1), (200, 9), (1, 500)])
def test_logits_are_resized_as_torch_does(size):
    maps = RNG.standard_normal((2, 64, 96)).astype(np.float32)
    expected = F.interpolate(torch.from_numpy(maps)[None].double(), size=size, mode="bilinear")[0]
    np.testing.assert_allclose(resized(maps, *size), expected, atol=2e-5)


def test_extreme_logits_give_probabilities_without_a_warning(network, photo):
    model = network()
    model.decoder.heads[2].bias.data[:] = 500
    high = Predictor(model, "cpu", "torch", "float32").predict(photo()).probability
    model.decoder.heads[2].bias.data[:] = -500
    low = Predictor(model, "cpu", "torch", "float32").predict(photo()).probability
    assert (high == 1).all()
    assert (low == 0).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [({"backend": "openvino", "device": "meta"}, "OpenVINO runs on the CPU"),
     ({"backend": "onnxruntime", "device": "meta"}, "no provider for meta"),
     ({"backend": "onnxruntime", "precision": "bf16"}, "leave out --precision"),
     ({"batch_size": 0}, "batch_size is 0")],
)  # fmt: skip
def test_what_a_backend_cannot_do_is_named(options, said, network):
    with pytest.raises(InputError, match=said):
        Predictor(network(), **{"device": "cpu"} | options)


@pytest.mark.parametrize(("name", "said"), [("nothing.safetensors", "no such file"), ("", "best.safetensors")])
def test_models_that_are_not_there_are_named(name, said, tmp_path):
    with pytest.raises(InputError, match=said) as error:
        Predictor(tmp_path / name, "cpu")
    assert str(error.value).startswith(str(tmp_path / name))


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_auto_predicts_exported_files_on_the_cpu_where_a_gpu_is_of_no_use(format, network, tmp_path, monkeypatch):
    monkeypatch.setattr("sam2unet.runtime.choose.is_known_cpu", lambda name: False)
    predictor = Predictor(export_model(network(), tmp_path, "m", format), "auto")
    assert (predictor.backend.device, predictor.batch_size) == ("cpu", 1)


def test_exported_files_are_not_for_torch(network, tmp_path):
    for format, fitting in (("onnx", "openvino or onnxruntime"), ("openvino", "openvino")):
        file = export_model(network(), tmp_path, "m", format)
        with pytest.raises(InputError, match=f"torch can't run it; choose --backend {fitting}"):
            Predictor(file, "cpu", "torch")


def hide(monkeypatch, *packages):
    """As if they were not installed."""
    there = find_spec
    monkeypatch.setattr("sam2unet.system.packages.find_spec", lambda name: None if name in packages else there(name))


@pytest.mark.parametrize(("backend", "extra"), [("openvino", "openvino"), ("onnxruntime", "onnx")])
def test_a_backend_that_is_not_installed_says_how_to(backend, extra, run, model_file, folder, tmp_path, monkeypatch):
    hide(monkeypatch, backend)
    result = run("predict", model_file, folder, "--out", tmp_path / "out", "--backend", backend, "--device", "cpu")
    assert result.code == 2
    assert result.err == f"sam2unet: {backend} is not installed: pip install 'sam2unet[{extra}]'\n"


def test_auto_takes_the_fastest_that_is_there(network, monkeypatch):
    def taken(bf16, *missing):
        with monkeypatch.context() as patched:
            hide(patched, *missing)
            patched.setattr("sam2unet.runtime.choose.cpu_has_bf16", lambda: bf16)
            return Predictor(network(), "cpu").backend.name.split(" in ")

    assert taken(False) == ["OpenVINO", "float32 on the CPU"]
    assert taken(True) == ["OpenVINO", "bf16 on the CPU"]
    assert taken(False, "openvino")[0] == "ONNX Runtime"
    assert taken(True, "openvino")[0] == "torch"
    assert taken(False, "openvino", "onnxruntime")[0] == taken(False, "onnx")[0] == "torch"


def test_graphs_need_onnx_and_model_files_torch(network, model_file, tmp_path, monkeypatch):
    hide(monkeypatch, "onnx")
    for attempt in (
        lambda: Predictor(network(), "cpu", "openvino"),
        lambda: export_model(network(), tmp_path, "m", "onnx"),
    ):
        with pytest.raises(InputError, match="onnx is not installed: pip install"):
            attempt()
    hide(monkeypatch, "torch")
    with pytest.raises(InputError, match="needs torch, which is not installed"):
        Predictor(model_file, "cpu")


def test_openvino_reports_nothing_to_its_makers(network, scenes, tmp_path, monkeypatch):
    """Its telemetry would leave a folder in the user's home."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    file = export_model(network(), tmp_path, "m", "openvino")
    modules = start("predict", file, scenes / "test", "--out", tmp_path / "out")
    assert "openvino.tools.ovc" in modules
    assert not list((tmp_path / "home").iterdir())


def test_signals_are_heard_after_two_networks_were_let_go(network, tmp_path):
    """A Core of OpenVINORuntime, let go after a later one or in another thread, leaves signals a stack that is gone."""
    code = """if True:
        import signal, sys
        from threading import Thread
        from sam2unet import Predictor
        first, second = (Predictor(sys.argv[1], backend="openvino") for _ in range(2))
        del first
        thread = Thread(target=globals().pop, args=["second"])
        thread.start()
        thread.join()
        try: signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt: sys.exit(42)"""
    file = export_model(network(), tmp_path, "m", "openvino")
    done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True)
    assert done.returncode == 42, done


def start(*words):
    """Predict in a process of its own; the modules that it imported."""
    code = "import sys; from sam2unet.commands import main\ntry: main()\nfinally: print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_the_second_start_needs_no_torch_and_gives_the_same(backend, run, model_file, own_cache, scenes, tmp_path):
    command = ("predict", model_file, scenes / "test", "--device", "cpu", "--backend", backend, "--save", "probability")
    assert run(*command, "--out", tmp_path / "first").code == 0
    assert "torch" not in start(*command, "--out", tmp_path / "second")
    first, second = (
        {p.name: p.read_bytes() for p in (tmp_path / n / "probability").iterdir()} for n in ("first", "second")
    )
    assert first == second
    assert len(first) == 3


def test_another_model_precision_or_damage_is_compiled_anew(network, model_file, own_cache, photo):
    first = Predictor(model_file, "cpu", "openvino", "float32").predict(image := photo())
    (entry,) = own_cache.iterdir()
    Predictor(model_file, "cpu", "openvino", "bf16")
    assert len(list(own_cache.iterdir())) == 2
    original = model_file.read_bytes()
    save_model(network(seed=1), model_file)
    other = Predictor(model_file, "cpu", "openvino", "float32").predict(image)
    assert len(list(own_cache.iterdir())) == 3
    assert np.abs(other.logits - first.logits).max() > 0.1
    model_file.write_bytes(original)
    for damage in (
        lambda: (entry / "network.blob").write_bytes(b"nothing"),
        lambda: (entry / "metadata.json").unlink(),
    ):
        damage()
        again = Predictor(model_file, "cpu", "openvino", "float32").predict(image)
        np.testing.assert_array_equal(again.logits, first.logits)
    assert len(list(own_cache.iterdir())) == 3
    with pytest.raises(InputError, match="leave out --trunk-weights"):
        Predictor(model_file, "cpu", "openvino", "float32", trunk_weights=model_file)


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_without_a_cache_it_predicts_all_the_same(backend, model_file, own_cache, caplog, photo):
    own_cache.parent.parent.write_text("a file where a folder should be")
    expected = Predictor(model_file, "cpu", "torch", "float32").predict(image := photo()).probability
    found = Predictor(model_file, "cpu", backend, "float32").predict(image).probability
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert "the next start is slow" in caplog.text


def test_what_was_not_used_for_longest_makes_room(own_cache, monkeypatch):
    monkeypatch.setattr(cache, "MOST_BYTES", 250)
    for number in range(3):
        compiled_cache.store((number,), lambda folder: (folder / "file").write_bytes(bytes(100)))
        os.utime(compiled_cache.find((number,)), (number, number))
    compiled_cache.find((1,))  # used
    compiled_cache.store((3,), lambda folder: (folder / "file").write_bytes(bytes(100)))
    for number in (1, 3):
        os.utime(compiled_cache.find((number,)), (number, number))
    (own_cache / ".DS_Store").write_bytes(bytes(300))  # not ours
    compiled_cache.store((4,), lambda folder: (folder / "file").write_bytes(bytes(100)))
    assert [compiled_cache.find((number,)) is not None for number in range(5)] == [False, False, False, True, True]


def test_files_of_many_blocks_have_their_own_digests(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "BLOCK", 10)
    digests = set()
    for content in (b"", b"a" * 10, b"a" * 20, b"a" * 19 + b"b", b"b" + b"a" * 19, b"a" * 25):
        (tmp_path / "file").write_bytes(content)
        digests.add(cache.file_digest(tmp_path / "file"))
    assert len(digests) == 6


@pytest.mark.parametrize(
    "words", ["CUDA out of memory. Tried", "MPS backend out of memory", "Failed to allocate memory"]
)
def test_a_gpu_without_memory_gets_smaller_batches(words, network, caplog, photo):
    photos = [photo() for _ in range(13)]
    predictor = Predictor(network(), "cpu", "torch", "float32", batch_size=8)
    expected = [prediction.logits for prediction in predictor.predict_many(photos)]
    whole, room, seen = predictor.backend.logits, 3, []

    def small(pictures):
        seen.append(len(pictures))
        if len(pictures) > room:
            raise RuntimeError(words)
        return whole(pictures)

    predictor.backend.logits = small
    for logits, prediction in zip(expected, predictor.predict_many(photos), strict=True):
        np.testing.assert_allclose(prediction.logits, logits, atol=1e-5)
    assert seen == [8, 4, 2, 2, 2, 2, 2, 2, 1]
    assert caplog.messages == ["cpu: out of memory with 4 pictures at once, going on with 2"]
    room = 0
    with pytest.raises(InputError, match="out of memory with one picture"):
        predictor.predict(photos[0])


WITH_TORCH = ("torch", "functorch", "lightning", "pytorch_lightning", "kornia", "safetensors", "huggingface_hub",
              "scipy", "contourpy", "onnx-", "__pycache__", "sam2unet", "_sam2unet")  # fmt: skip


@pytest.fixture(scope="session")
def without_torch(tmp_path_factory):
    """The command where what is installed is there, but for torch, what needs it, and what makes graphs."""
    folder = tmp_path_factory.mktemp("packages")
    for package in Path(np.__file__).parents[1].iterdir():
        if not package.name.startswith(WITH_TORCH) and package.name != "onnx":
            (folder / package.name).symlink_to(package)
    (folder / "sam2unet").symlink_to(SOURCE / "sam2unet")
    code = f"import sys; sys.path[:] = ['{folder}'] + [p for p in sys.path if 'site-packages' not in p]\n"
    code += "from importlib.util import find_spec; assert not find_spec('torch') and not find_spec('safetensors')\n"
    code += "from sam2unet.commands import main; main()"
    command = [sys.executable, "-I", "-c", code]
    return lambda *words: subprocess.run([*command, *map(str, words)], capture_output=True, text=True)


@pytest.mark.parametrize(("format", "backend"), [("onnx", "onnxruntime"), ("onnx", "openvino"), ("openvino", "auto")])
def test_exported_files_predict_where_torch_is_not_installed(format, backend, without_torch, network, scenes, tmp_path):
    file = export_model(network(), tmp_path, "m", format)
    words = ["predict", file, scenes / "test", "--out", tmp_path / "out", "--backend", backend]
    done = without_torch(*words, "--save", "probability", "--save", "cutout", "--tile", 64)
    assert done.returncode == 0, done.stderr
    predictor = Predictor(network(), "cpu", "torch", "float32", views=Views(tile=64))
    for picture in (scenes / "test/images").iterdir():
        found = np.asarray(Image.open(tmp_path / "out/probability" / f"{picture.stem}.png")) / 255
        assert np.abs(found - predictor.predict(picture).probability).mean() < 0.02


@pytest.mark.parametrize("option", ["--json", "--save=table", "--overlay", "--min-part=5"])
def test_what_needs_more_packages_says_so_at_once(option, without_torch, network, scenes, tmp_path):
    file = export_model(network(), tmp_path, "m", "onnx")
    done = without_torch("predict", file, scenes / "test", "--out", tmp_path / "out", option)
    assert done.returncode == 2
    assert "pip install scipy contourpy" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_rembg_takes_an_onnx_file(network, scenes, tmp_path, monkeypatch):
    rembg = pytest.importorskip("rembg")
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    file = export_model(network(), tmp_path, "own", "onnx", size=(320, 320))
    picture = next((scenes / "test/images").iterdir())
    session = rembg.new_session("u2net_custom", model_path=str(file))
    mask = np.asarray(rembg.remove(Image.open(picture), session=session, only_mask=True)) / 255
    model = network()
    model.card = replace(model.card, size=(320, 320))
    ours = Predictor(model, "cpu", "torch", "float32").predict(picture).probability
    stretched = (ours - ours.min()) / np.ptp(ours)  # as rembg does
    assert mask.shape == ours.shape
    assert np.abs(mask - stretched).mean() < 0.05


def test_a_compiled_network_that_is_off_gives_way_to_torch(network, model_file, own_cache, caplog, monkeypatch):
    """Whatever a later version of OpenVINO gets wrong."""
    monkeypatch.setattr("sam2unet.runtime.choose.OpenVINORuntime", lambda graph, precision: OnnxRuntime(other))
    other = _serialized_graph(network(seed=1), None)
    predictor = Predictor(model_file, "cpu", "openvino", "float32")
    assert predictor.backend.name == "torch in float32 on cpu"
    assert "please report it" in caplog.text
    assert not own_cache.exists()
