"""The network without torch: ONNX and OpenVINO files, and what runs them."""

from .exported import Exported
from .runtime import OnnxRuntime, OpenVINO, Runtime, check_installed, installed
from .write import Format, export_model

__all__ = [
    "Exported", "Format", "OnnxRuntime", "OpenVINO", "Runtime", "check_installed", "export_model", "installed",
]  # fmt: skip
