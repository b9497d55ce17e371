"""OpenVINORuntime: blobs, threads, signals, and its silence."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from sam2unet.export import export_model
from sam2unet.graph import GraphMetadata, network_graph
from sam2unet.runtime import OpenVINORuntime


@pytest.fixture
def serialized(network):
    model = network()
    metadata = GraphMetadata(replace(model.card, size=(64, 64)), uint8_input=True, probability=False)
    return network_graph(model, metadata).SerializeToString()


def test_a_blob_gives_the_same_logits_as_the_graph(serialized, images, tmp_path):
    compiled = OpenVINORuntime(serialized, "float32")
    compiled.save_blob(tmp_path / "network.blob")
    loaded = OpenVINORuntime.from_blob(tmp_path / "network.blob", compiled.metadata, "float32")
    assert loaded.name == compiled.name == "OpenVINO in float32 on the CPU"
    np.testing.assert_array_equal(loaded.logits(images), compiled.logits(images))


def test_a_damaged_blob_raises_what_the_cache_expects(serialized, tmp_path):
    compiled = OpenVINORuntime(serialized, "float32")
    (tmp_path / "network.blob").write_bytes(b"nothing")
    with pytest.raises((OSError, ValueError, RuntimeError)):
        OpenVINORuntime.from_blob(tmp_path / "network.blob", compiled.metadata, "float32")


def test_threads_may_share_a_runtime(serialized, images):
    runtime = OpenVINORuntime(serialized, "float32")
    expected = [runtime.logits(image[None]) for image in images]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: runtime.logits(images[i % 3][None]), range(60)))
    assert all(np.array_equal(logits, expected[i % 3]) for i, logits in enumerate(found))


def test_processes_of_torchrun_share_the_cores(serialized, monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    compiled = OpenVINORuntime(serialized, "float32")._compiled
    assert compiled.get_property("INFERENCE_NUM_THREADS") == max(1, os.cpu_count() // 2)
    assert not compiled.get_property("ENABLE_CPU_PINNING")


def test_signals_still_work_after_two_runtimes_were_released(network, tmp_path):
    """OpenVINO's Cores leave a freed signal stack if they are released in another order or by another thread."""
    code = """if True:
        import signal, sys
        from pathlib import Path
        from threading import Thread
        from sam2unet.runtime import OpenVINORuntime
        first, second = (OpenVINORuntime(Path(sys.argv[1])) for _ in range(2))
        del first
        thread = Thread(target=globals().pop, args=["second"])
        thread.start()
        thread.join()
        try: signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt: sys.exit(42)"""
    file = export_model(network(), tmp_path, "m", "openvino")
    done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True)
    assert done.returncode == 42, done


def test_openvinos_telemetry_is_off(network, tmp_path, monkeypatch):
    """It would leave a folder in the user's home."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    code = """if True:
        import sys
        from pathlib import Path
        from sam2unet.runtime import OpenVINORuntime
        OpenVINORuntime(Path(sys.argv[1]))
        assert "openvino.tools.ovc" in sys.modules"""  # which sends it
    file = export_model(network(), tmp_path, "m", "openvino")
    subprocess.run([sys.executable, "-c", code, file], check=True)
    assert not list((tmp_path / "home").iterdir())
