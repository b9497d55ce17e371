"""Runtimes: torch, OpenVINO and ONNX Runtime behind one interface, and the choice between them."""

from typing import TYPE_CHECKING, Any

from .base import Arithmetic, Runtime, probabilities
from .choose import Backend, Precision, open_runtime
from .compiled_cache import file_digest
from .onnxruntime_ import OnnxRuntime
from .openvino_ import OpenVINORuntime, openvino_core

if TYPE_CHECKING:
    from .torch_ import TorchRuntime

__all__ = [
    "Arithmetic", "Backend", "OnnxRuntime", "OpenVINORuntime", "Precision", "Runtime", "TorchRuntime", "file_digest",
    "open_runtime", "openvino_core", "probabilities",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import what needs torch on first use."""
    if name == "TorchRuntime":
        from .torch_ import TorchRuntime

        return TorchRuntime
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
