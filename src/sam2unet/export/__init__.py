"""The network apart from its training: what runs it, and files of it that need no torch."""

from .exported import Exported
from .runtime import (
    Arithmetic,
    OnnxRuntime,
    OpenVINO,
    Runtime,
    check_installed,
    cuda_by_onnxruntime,
    installed,
    package,
    probabilities,
)
from .write import Format, export_model, exported_files

__all__ = [
    "Arithmetic", "Exported", "Format", "OnnxRuntime", "OpenVINO", "Runtime", "check_installed", "cuda_by_onnxruntime",
    "export_model", "exported_files", "installed", "package", "probabilities",
]  # fmt: skip
