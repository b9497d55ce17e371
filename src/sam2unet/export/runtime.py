"""Running exported graphs: OpenVINO and ONNX Runtime. Nothing here needs torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..device import cpu_has_bf16
from ..errors import InputError
from .exported import KEY, Exported

Precision = Literal["float32", "bf16"]
EXTRAS = {"openvino": "openvino", "onnxruntime": "onnx"}
"""By runtime the extra of this package that brings it."""


class Runtime(Protocol):
    """What runs a network."""

    name: str
    """For people: what runs where in which precision."""
    device: str
    """"cpu", "cuda" or "mps"."""
    exported: Exported

    def logits(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Pictures (batch, height, width, 3) of the card's size -> logits (batch, classes, height, width)."""
        ...


def installed(runtime: str) -> bool:
    """Whether the package of a runtime is there."""
    return find_spec(runtime) is not None


def check_installed(runtime: str) -> None:
    """
    Raises:
        InputError: it is not installed; says how to.
    """
    if not installed(runtime):
        raise InputError(f"{runtime} is not installed: pip install 'sam2unet[{EXTRAS[runtime]}]'")


class OpenVINO:
    """A graph on the CPU, one picture at a time: more at once are no faster there."""

    device = "cpu"

    def __init__(self, source: Path | bytes, precision: Precision | None = None):
        """
        Args:
            source: an exported file, or a graph as bytes.
            precision: None for bf16 where the CPU has it, else float32.

        Raises:
            InputError: no such file, or none of ours.
        """
        import openvino

        core, name = openvino.Core(), source if isinstance(source, Path) else "graph"
        with _told(name):
            model = core.read_model(source)
        place = next((p for p in ([KEY], ["framework", KEY]) if model.has_rt_info(p)), None)
        self.exported = Exported.from_json(name, model.get_rt_info(place).value if place else None)
        taken, given = (
            [side.get_length() if side.is_static else None for side in port.partial_shape]
            for port in (model.input(0), model.output(0))
        )
        self.exported.check_shapes(name, taken, given)
        model.reshape([1, *taken[1:]])
        self.precision: Precision = precision or ("bf16" if cpu_has_bf16() else "float32")
        self._ready(core.compile_model(model, "CPU", self._config()))

    @classmethod
    def from_blob(cls, blob: Path, exported: Exported, precision: Precision) -> "OpenVINO":
        """What `save_blob` wrote.

        Raises:
            RuntimeError: another version or CPU can't read it.
        """
        import openvino

        runtime = cls.__new__(cls)
        runtime.exported, runtime.precision = exported, precision
        weights = openvino.Tensor(np.memmap(blob, np.uint8, "c"), shared_memory=True)
        runtime._ready(openvino.Core().import_model(weights, "CPU", runtime._config()), weights)
        return runtime

    def save_blob(self, path: Path) -> None:
        """Write it as compiled, for the same version on the same CPU."""
        path.write_bytes(self._compiled.export_model().getbuffer())

    def _config(self) -> dict[str, Any]:
        return {
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bf16": "bf16"}[self.precision],
            "PERFORMANCE_HINT": "LATENCY",
            # Its fused kernels of attention compute some shapes wrongly in bf16 (2026.4), and are no faster here.
            "SNIPPETS_MODE": "DISABLE",
        }

    def _ready(self, compiled: Any, weights: Any = None) -> None:
        self._compiled, self._weights = compiled, weights  # which must live as long
        self._request = compiled.create_infer_request()
        self.name = f"OpenVINO in {self.precision} on the CPU"

    def logits(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Runtime`."""
        results = []
        for picture in fed(pictures, self.exported):
            self._request.infer([picture[None]], share_inputs=True)
            results.append(self._request.get_output_tensor(0).data.copy())
        return as_logits(np.concatenate(results), self.exported)


class OnnxRuntime:
    """A graph in float32, on the CPU or a CUDA device, there through TensorRT if its provider is present."""

    def __init__(self, source: Path | bytes, device: str = "cpu"):
        """
        Args:
            source: an exported file, or a graph as bytes.
            device: "cpu" or "cuda".

        Raises:
            InputError: no such file, none of ours, or no provider for the device.
        """
        import onnxruntime

        name = source if isinstance(source, Path) else "graph"
        wanted = ["CPUExecutionProvider"]
        if device != "cpu":
            there = onnxruntime.get_available_providers()
            wanted = [p for p in ("TensorrtExecutionProvider", "CUDAExecutionProvider") if p in there] + wanted
            if len(wanted) == 1:
                raise InputError(
                    f"ONNX Runtime has no provider for {device}: pip install onnxruntime-gpu, or --device cpu"
                )
        with _told(name):
            self._session = onnxruntime.InferenceSession(
                source if isinstance(source, bytes) else str(source), providers=wanted
            )
        self.exported = Exported.from_json(name, self._session.get_modelmeta().custom_metadata_map.get(KEY))
        taken, given = self._session.get_inputs()[0], self._session.get_outputs()[0]
        self.exported.check_shapes(name, taken.shape, given.shape)
        self._input = taken.name
        self.device = device
        self.name = f"ONNX Runtime in float32 by {self._session.get_providers()[0].removesuffix('ExecutionProvider')}"

    def logits(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Runtime`."""
        (given,) = self._session.run(None, {self._input: fed(pictures, self.exported)})
        return as_logits(given, self.exported)


@contextmanager
def _told(source: object) -> Iterator[None]:
    """One sentence for whatever a runtime raises where it can't read a file."""
    try:
        yield
    except Exception as error:
        if isinstance(source, Path) and not source.exists():
            raise InputError(f"{source}: no such file") from error
        cause = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{source}: damaged, or no graph that this runtime reads ({cause[-1]})") from error


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
    smallest = np.float32(1e-30)
    result: NDArray[np.float32] = np.log(np.maximum(given, smallest))
    if exported.card.classes == 1:
        result -= np.log(np.maximum(1 - given, smallest))
    return result
