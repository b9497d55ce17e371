"""OpenVINO's threads where processes share a machine."""

import os

from sam2unet.export import export_model
from sam2unet.runtime import OpenVINORuntime


def test_openvino_shares_the_cores_between_torchruns_processes(network, tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    compiled = OpenVINORuntime(export_model(network(), tmp_path, "m", "onnx"), None)._compiled
    assert compiled.get_property("INFERENCE_NUM_THREADS") == max(1, os.cpu_count() // 2)
    assert not compiled.get_property("ENABLE_CPU_PINNING")
