"""ONNX Runtime: graphs in float32 on a CPU or a CUDA device."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..graph import KEY, GraphMetadata, TensorSpec
from ..system import import_backend, is_installed
from .base import graph_input, graph_logits, readable_graph
from .compiled_cache import cache_folder


class OnnxRuntime:
    """A graph in float32, on the CPU or a CUDA device (through TensorRT if its provider is installed)."""

    any_size = False

    def __init__(self, source: Path | bytes, device: str = "cpu"):
        """Open a session.

        Args:
            source: an exported file, or a serialized ONNX graph.
            device: "cpu", "cuda", "cuda:1", or "auto" for CUDA if available, else the CPU.

        Raises:
            InputError: the file is missing, damaged, or not written by sam2unet; or no provider supports the device.
        """
        name = source if isinstance(source, Path) else "graph"
        with readable_graph(name, "ONNX Runtime"):
            self._session = import_backend("onnxruntime").InferenceSession(
                source if isinstance(source, bytes) else str(source), providers=_providers(device)
            )
        provider = self._session.get_providers()[0].removesuffix("ExecutionProvider")
        self.device = "cpu" if provider == "CPU" else "cuda"
        if device not in ("auto", "cpu") and self.device == "cpu":
            raise InputError(
                f"ONNX Runtime has no provider for {device}: pip install onnxruntime-gpu, or use the cpu", "device"
            )
        self.metadata = GraphMetadata.from_json(name, self._session.get_modelmeta().custom_metadata_map.get(KEY))
        input_, output = self._session.get_inputs()[0], self._session.get_outputs()[0]
        self.metadata.check_graph(name, _tensor_spec(input_), _tensor_spec(output))
        self._input = input_.name
        self.name = f"ONNX Runtime in float32 by {provider}"

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Runtime`."""
        (output,) = self._session.run(None, {self._input: graph_input(images, self.metadata)})
        return graph_logits(output, self.metadata)


def onnxruntime_has_cuda() -> bool:
    """True if ONNX Runtime is installed with its CUDA provider."""
    if not is_installed("onnxruntime"):
        return False
    return "CUDAExecutionProvider" in import_backend("onnxruntime").get_available_providers()


def _providers(device: str) -> list[Any]:
    """Return the execution providers for a device, fastest first; ONNX Runtime falls back to the next on failure."""
    if device == "cpu" or not onnxruntime_has_cuda():
        return ["CPUExecutionProvider"]
    index = {"device_id": int(device.partition(":")[2] or 0)}
    cuda = [("CUDAExecutionProvider", index | {"use_tf32": 0}), "CPUExecutionProvider"]
    if "TensorrtExecutionProvider" not in import_backend("onnxruntime").get_available_providers():
        return cuda
    engines = {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(cache_folder() / "tensorrt")}
    return [("TensorrtExecutionProvider", index | engines), *cuda]


def _tensor_spec(value: Any) -> TensorSpec:
    name = value.type.removeprefix("tensor(").removesuffix(")")
    dtype = {"float": "float32", "double": "float64"}.get(name, name)
    return dtype, *(length if isinstance(length, int) else None for length in value.shape)
