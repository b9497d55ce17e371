"""Running exported graphs: OpenVINO and ONNX Runtime. Nothing here needs torch."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..cache import cache_folder
from ..device import cpu_has_bf16
from ..errors import InputError
from .exported import KEY, Exported, Port

Arithmetic = Literal["float32", "bf16"]
EXTRAS = {"openvino": "openvino", "onnxruntime": "onnx", "onnx": "onnx"}
"""By package the extra of ours that brings it."""


class Runtime(Protocol):
    """What runs a network; several threads may use it at once."""

    name: str
    """For people: what runs where in which precision."""
    device: str
    """"cpu", "cuda" or "mps"."""
    exported: Exported
    any_size: bool
    """Whether it takes pictures of other sizes than the card's."""

    def logits(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Pictures (batch, height, width, 3) of the card's size -> logits (batch, classes, height, width)."""
        ...


def installed(package: str) -> bool:
    """Whether a package is there."""
    return find_spec(package) is not None


def check_installed(package: str) -> None:
    """
    Raises:
        InputError: it is not installed; says how to.
    """
    if not installed(package):
        raise InputError(f"{package} is not installed: pip install 'sam2unet[{EXTRAS[package]}]'")


def package(runtime: str) -> Any:
    """The package of a runtime, imported; OpenVINO without its telemetry, which reports each import."""
    if runtime == "openvino":
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return import_module(runtime)


def openvino_core() -> Any:
    """The process's one Core of OpenVINO.

    Each gives the thread that makes it a stack for signals, and one that is let go after a later one, or by another
    thread, leaves the thread a stack that is gone: the next Ctrl-C would be a segmentation fault (2026.4).
    """
    with _one_at_a_time:
        return _core()


_core, _one_at_a_time = cache(lambda: package("openvino").Core()), Lock()


class OpenVINO:
    """A graph on the CPU, one picture at a time: more at once are hardly faster there."""

    device = "cpu"
    any_size = False

    def __init__(self, source: Path | bytes, precision: Arithmetic | None = None):
        """
        Args:
            source: an exported file, or a graph as bytes.
            precision: None for bf16 where the CPU has it, else float32.

        Raises:
            InputError: no such file, or none of ours.
        """
        core, name = openvino_core(), source if isinstance(source, Path) else "graph"
        with _told(name, "OpenVINO"):
            model = core.read_model(source)
        place = next((p for p in ([KEY], ["framework", KEY]) if model.has_rt_info(p)), None)
        self.exported = Exported.from_json(name, model.get_rt_info(place).value if place else None)
        taken, given = (_openvino_port(port) for port in (model.input(0), model.output(0)))
        self.exported.check_graph(name, taken, given)
        model.reshape([1, *taken[2:]])
        self._ready(core.compile_model(model, "CPU", _config(precision or ("bf16" if cpu_has_bf16() else "float32"))))

    @classmethod
    def from_blob(cls, blob: Path, exported: Exported, precision: Arithmetic) -> "OpenVINO":
        """What `save_blob` wrote.

        Raises:
            RuntimeError: another version or CPU can't read it.
        """
        runtime = cls.__new__(cls)
        runtime.exported = exported
        weights = package("openvino").Tensor(np.memmap(blob, np.uint8, "c"), shared_memory=True)
        runtime._ready(openvino_core().import_model(weights, "CPU", _config(precision)), weights)
        return runtime

    def save_blob(self, path: Path) -> None:
        """Write it as compiled, for the same version on the same CPU."""
        path.write_bytes(self._compiled.export_model().getbuffer())

    def _ready(self, compiled: Any, weights: Any = None) -> None:
        self._request, self._lock = compiled.create_infer_request(), Lock()
        self._compiled = compiled
        self._weights = weights  # let go last: they must live as long as all above
        bf16 = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "bf16"
        self.name = f"OpenVINO in {'bf16' if bf16 else 'float32'} on the CPU"

    def logits(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Runtime`."""
        results = []
        for picture in fed(pictures, self.exported):
            with self._lock:
                self._request.infer([picture[None]], share_inputs=True)
                results.append(self._request.get_output_tensor(0).data.copy())
        return as_logits(np.concatenate(results), self.exported)


def _config(precision: Arithmetic) -> dict[str, str]:
    config = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bf16": "bf16"}[precision],
        "PERFORMANCE_HINT": "LATENCY",
        # Its fused kernels of attention compute some shapes wrongly in bf16 (2026.4), and are no faster here.
        "SNIPPETS_MODE": "DISABLE",
    }
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # processes of torchrun on this machine
    if beside > 1:  # each with its share of the cores; pinned, all would have the same ones
        share = max(1, (os.cpu_count() or 1) // beside)
        config |= {"INFERENCE_NUM_THREADS": str(share), "ENABLE_CPU_PINNING": "NO"}
    return config


def _openvino_port(port: Any) -> Port:
    sides = (side.get_length() if side.is_static else None for side in port.partial_shape)
    return port.element_type.to_dtype().name, *sides


class OnnxRuntime:
    """A graph in float32, on the CPU or a CUDA device, there through TensorRT if its provider is present."""

    any_size = False

    def __init__(self, source: Path | bytes, device: str = "cpu"):
        """
        Args:
            source: an exported file, or a graph as bytes.
            device: "cpu", "cuda", "cuda:1", or "auto" for CUDA where that can be had.

        Raises:
            InputError: no such file, none of ours, or no provider for the device.
        """
        name = source if isinstance(source, Path) else "graph"
        with _told(name, "ONNX Runtime"):
            self._session = package("onnxruntime").InferenceSession(
                source if isinstance(source, bytes) else str(source), providers=_providers(device)
            )
        provider = self._session.get_providers()[0].removesuffix("ExecutionProvider")
        self.device = "cpu" if provider == "CPU" else "cuda"
        if device not in ("auto", "cpu") and self.device == "cpu":
            raise InputError(f"ONNX Runtime has no provider for {device}: pip install onnxruntime-gpu, or --device cpu")
        self.exported = Exported.from_json(name, self._session.get_modelmeta().custom_metadata_map.get(KEY))
        taken, given = self._session.get_inputs()[0], self._session.get_outputs()[0]
        self.exported.check_graph(name, _onnx_port(taken), _onnx_port(given))
        self._input = taken.name
        self.name = f"ONNX Runtime in float32 by {provider}"

    def logits(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Runtime`."""
        (given,) = self._session.run(None, {self._input: fed(pictures, self.exported)})
        return as_logits(given, self.exported)


def cuda_by_onnxruntime() -> bool:
    """Whether ONNX Runtime is there with its provider for CUDA."""
    return installed("onnxruntime") and "CUDAExecutionProvider" in package("onnxruntime").get_available_providers()


def _providers(device: str) -> list[Any]:
    """The fastest first; ONNX Runtime takes the next where one can't be loaded."""
    if device == "cpu" or not cuda_by_onnxruntime():
        return ["CPUExecutionProvider"]
    number = {"device_id": int(device.partition(":")[2] or 0)}
    cuda = [("CUDAExecutionProvider", number | {"use_tf32": 0}), "CPUExecutionProvider"]
    if "TensorrtExecutionProvider" not in package("onnxruntime").get_available_providers():
        return cuda
    engines = {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(cache_folder() / "tensorrt")}
    return [("TensorrtExecutionProvider", number | engines), *cuda]


def _onnx_port(value: Any) -> Port:
    type_ = {"float": "float32", "double": "float64"}.get(name := value.type[7:-1], name)  # of "tensor(float)"
    return type_, *(side if isinstance(side, int) else None for side in value.shape)


@contextmanager
def _told(source: Path | str, runtime: str) -> Iterator[None]:
    """One sentence for whatever a runtime raises where it can't read a file."""
    try:
        if isinstance(source, Path) and source.suffix.lower() == ".xml":
            with source.open("rb") as file:
                if b"<net" not in file.read(1000):
                    raise ValueError("no OpenVINO file")  # which OpenVINO would say in many lines
        yield
    except FileNotFoundError as error:
        raise InputError(f"{source}: no such file") from error
    except Exception as error:
        raise InputError(f"{source}: damaged, or no graph that {runtime} reads; export the model file again") from error


def fed(pictures: NDArray[np.uint8], exported: Exported) -> NDArray[Any]:
    """Pictures (batch, height, width, 3) as the graph takes them."""
    if exported.pictures:
        return pictures
    mean, std = (np.array(values, np.float32) for values in (exported.card.mean, exported.card.std))
    return np.ascontiguousarray(((pictures / np.float32(255) - mean) / std).transpose(0, 3, 1, 2))


def as_logits(given: NDArray[np.float32], exported: Exported) -> NDArray[np.float32]:
    """What a graph gives as logits; of several classes up to what they share."""
    if not exported.probability:
        return given
    if exported.card.classes > 1:
        return np.log(np.maximum(given, np.float32(1e-30)))
    least = np.float32(2**-24)  # on both sides alike, or borders would move when it is resized
    p = given.clip(least, 1 - least)
    return np.log(p) - np.log1p(-p)


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sigmoid of (..., 1, h, w), the softmax of (..., classes, h, w)."""
    if logits.shape[-3] == 1:
        with np.errstate(over="ignore"):  # to infinity, which is right
            return np.reciprocal(1 + np.exp(-logits))
    powers: NDArray[np.float32] = np.exp(logits - logits.max(axis=-3, keepdims=True))
    return powers / powers.sum(axis=-3, keepdims=True)
