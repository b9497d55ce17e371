"""Optional packages: which are installed, and how to install them."""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..errors import InputError

EXTRAS = {"openvino": "openvino", "onnxruntime": "onnx", "onnx": "onnx"}
"""Package -> the extra of sam2unet that installs it."""


def is_installed(package: str) -> bool:
    """True if a package can be imported."""
    return find_spec(package) is not None


def require_package(package: str) -> None:
    """Check that a package of an extra is installed.

    Raises:
        InputError: it is not; the message says how to install it.
    """
    if not is_installed(package):
        raise InputError(f"{package} is not installed: pip install 'sam2unet[{EXTRAS[package]}]'")


def import_backend(package: str) -> Any:
    """Import "openvino" or "onnxruntime"; OpenVINO without its telemetry, which reports each import."""
    if package == "openvino":
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return import_module(package)
