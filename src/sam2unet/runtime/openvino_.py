"""OpenVINO: graphs on a CPU, in bf16 if the CPU has it."""

import os
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import KEY, GraphMetadata, TensorSpec
from ..system import cpu_has_bf16, import_backend, local_world_size
from .base import Arithmetic, graph_input, graph_logits, readable_graph


def openvino_core() -> Any:
    """The one OpenVINO Core of this process.

    A Core installs an alternate signal stack for the thread that creates it. When Cores are released in another order,
    or by another thread, that thread is left with a freed stack, and the next Ctrl-C ends in a segmentation fault
    (OpenVINO 2026.4). So there is one, and it is never released.
    """
    with _core_lock:
        return _core()


_core, _core_lock = cache(lambda: import_backend("openvino").Core()), Lock()


class OpenVINORuntime:
    """A graph on the CPU. It processes one image at a time, since larger batches are hardly faster there."""

    device = "cpu"
    any_size = False

    def __init__(self, source: Path | bytes, precision: Arithmetic | None = None):
        """Compile a graph.

        Args:
            source: an exported file, or a serialized ONNX graph.
            precision: None for bf16 if the CPU has it, else float32.

        Raises:
            InputError: the file is missing, damaged, or not written by sam2unet.
        """
        core, name = openvino_core(), source if isinstance(source, Path) else "graph"
        with readable_graph(name, "OpenVINO"):
            model = core.read_model(source)
        # The first is where `export_model` puts our metadata, the second where OpenVINO puts that of an ONNX graph.
        key = next((path for path in ([KEY], ["framework", KEY]) if model.has_rt_info(path)), None)
        self.metadata = GraphMetadata.from_json(name, model.get_rt_info(key).value if key else None)
        input_, output = (_tensor_spec(port) for port in (model.input(0), model.output(0)))
        self.metadata.check_graph(name, input_, output)
        model.reshape([1, *input_[2:]])
        precision = precision or ("bf16" if cpu_has_bf16() else "float32")
        self._set_compiled(core.compile_model(model, "CPU", _compile_options(precision)))

    @classmethod
    def from_blob(cls, blob: Path, metadata: GraphMetadata, precision: Arithmetic) -> "OpenVINORuntime":
        """Load a file that `save_blob` wrote.

        Raises:
            RuntimeError: the file is damaged, or from another version of OpenVINO or another CPU.
        """
        runtime = cls.__new__(cls)
        runtime.metadata = metadata
        weights = import_backend("openvino").Tensor(np.memmap(blob, np.uint8, "c"), shared_memory=True)
        runtime._set_compiled(openvino_core().import_model(weights, "CPU", _compile_options(precision)), weights)
        return runtime

    def save_blob(self, path: Path) -> None:
        """Write the compiled graph; only the same version of OpenVINO on the same kind of CPU can load it."""
        path.write_bytes(self._compiled.export_model().getbuffer())

    def _set_compiled(self, compiled: Any, weights: Any = None) -> None:
        self._request, self._lock = compiled.create_infer_request(), Lock()
        self._compiled = compiled
        self._weights = weights  # set last, so released last: the two above use its memory
        bf16 = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "bf16"
        self.name = f"OpenVINO in {'bf16' if bf16 else 'float32'} on the CPU"

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Runtime`."""
        results = []
        for image in graph_input(images, self.metadata):
            with self._lock:
                self._request.infer([image[None]], share_inputs=True)
                results.append(self._request.get_output_tensor(0).data.copy())
        return graph_logits(np.concatenate(results), self.metadata)


def _compile_options(precision: Arithmetic) -> dict[str, str]:
    options = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bf16": "bf16"}[precision],
        "PERFORMANCE_HINT": "LATENCY",
        # OpenVINO's fused attention is wrong in bf16 for some shapes (2026.4), and no faster here.
        "SNIPPETS_MODE": "DISABLE",
    }
    processes = local_world_size()
    if processes > 1:  # each uses its part of the cores; pinned, all would use the same ones
        threads = max(1, (os.cpu_count() or 1) // processes)
        options |= {"INFERENCE_NUM_THREADS": str(threads), "ENABLE_CPU_PINNING": "NO"}
    return options


def _tensor_spec(port: Any) -> TensorSpec:
    lengths = (length.get_length() if length.is_static else None for length in port.partial_shape)
    return port.element_type.to_dtype().name, *lengths
