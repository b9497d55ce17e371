"""Choosing what runs a network, and making it ready."""

import logging
import platform
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from ..device import cpu_has_bf16, surely_cpu
from ..errors import InputError
from ..export import Exported, OnnxRuntime, OpenVINO, Runtime, check_installed, installed
from . import cache

if TYPE_CHECKING:
    from ..network import SAM2UNet

Backend = Literal["auto", "torch", "openvino", "onnxruntime"]
Precision = Literal["auto", "float32", "bf16"]
MOST_APART = 0.02
"""Mean difference of the probabilities from the network's own in float32, from which a compiled one is not used."""


def open_backend(
    model: "SAM2UNet | str | Path",
    device: str,
    backend: Backend,
    precision: Precision,
    trunk_weights: str | Path | None,
) -> Runtime:
    """What runs a network, a model file or an exported file; see `Predictor`.

    Raises:
        InputError: as `Predictor` says.
    """
    for what, given, known in (("backend", backend, Backend), ("precision", precision, Precision)):
        if given not in get_args(known):
            raise InputError(f"unknown {what} {given!r}: choose from {', '.join(get_args(known))}")
    path = Path(model) if isinstance(model, str | Path) else None
    file_type = path.suffix.lower() if path else ""
    on_cpu = surely_cpu(device) or _device_type(device) == "cpu"
    if file_type in (".onnx", ".xml"):
        assert path
        return _open_exported(path, file_type, device, on_cpu, backend, precision)
    chosen = _fastest(on_cpu, precision) if backend == "auto" else backend
    _check(chosen, on_cpu, precision)
    if chosen == "torch":
        from .torch_backend import Torch

        return Torch(_network(model, trunk_weights), device, precision)
    if chosen == "openvino":
        return _open_compiled(model, path, precision, trunk_weights)
    return _open_graph(model, path, "cpu" if on_cpu else device, trunk_weights)


def _device_type(device: str) -> str:
    if not installed("torch"):
        if device == "auto":
            return "cpu"
        raise InputError(
            f"device {device!r} cannot be used: torch is not installed, and other devices are reached by it"
        )
    from ..device import find_device

    return find_device(device).type


def _fastest(on_cpu: bool, precision: Precision) -> Backend:
    """As measured (docs/speed.md)."""
    if not on_cpu:
        return "torch"
    if installed("openvino") and installed("onnx"):
        return "openvino"
    by_torch = precision == "bf16" or (precision == "auto" and cpu_has_bf16())
    return "onnxruntime" if installed("onnxruntime") and installed("onnx") and not by_torch else "torch"


def _check(backend: Backend, on_cpu: bool, precision: Precision) -> None:
    if backend == "torch":
        return
    check_installed(backend)
    if backend == "openvino" and not on_cpu:
        raise InputError("OpenVINO runs on the CPU here: leave --backend out for a GPU, or add --device cpu")
    if backend == "onnxruntime" and precision == "bf16":
        raise InputError("ONNX Runtime computes in float32 here: leave out --precision, or choose another --backend")


def _open_exported(
    path: Path, file_type: str, device: str, on_cpu: bool, backend: Backend, precision: Precision
) -> Runtime:
    if backend == "auto":
        by_openvino = file_type == ".xml" or (on_cpu and installed("openvino"))
        backend = "openvino" if by_openvino else "onnxruntime"
    if backend == "torch" or (backend == "onnxruntime" and file_type == ".xml"):
        fitting = "openvino" if file_type == ".xml" else "openvino or onnxruntime"
        raise InputError(f"{path}: {backend} can't run it; choose --backend {fitting}")
    _check(backend, on_cpu, precision)
    if backend == "openvino":
        return OpenVINO(path, None if precision == "auto" else precision)
    return OnnxRuntime(path, "cpu" if on_cpu else device)


def _network(model: "SAM2UNet | str | Path", trunk_weights: str | Path | None) -> "SAM2UNet":
    from ..network import SAM2UNet
    from ..weights import load_model

    return model if isinstance(model, SAM2UNet) else load_model(model, trunk_weights)


def _graph(network: "SAM2UNet") -> bytes:
    from ..export.network_graph import network_graph

    graph: bytes = network_graph(network, Exported(network.card, pictures=True, probability=False)).SerializeToString()
    return graph


def _open_compiled(
    model: "SAM2UNet | str | Path", path: Path | None, precision: Precision, trunk_weights: str | Path | None
) -> Runtime:
    """By OpenVINO, compiled, checked against the network, and kept where it came from a file."""
    exact: Literal["float32", "bf16"] = precision if precision != "auto" else "bf16" if cpu_has_bf16() else "float32"
    key = path and _key(path, "openvino", exact)
    kept = key and cache.cached(key)
    if kept:
        with suppress(InputError, OSError, ValueError, RuntimeError):  # damaged, or of another CPU: made anew
            exported = Exported.from_json(kept, (kept / "exported.json").read_text())
            return OpenVINO.from_blob(kept / "network.blob", exported, exact)
    network = _network(model, trunk_weights)
    compiled = OpenVINO(_graph(network), exact)
    apart = _apart(compiled, network)
    if apart > MOST_APART:
        from .torch_backend import Torch

        logging.getLogger("sam2unet").warning(
            "%s: off by %.3f on average, so torch is used; please report it", compiled.name, apart
        )
        return Torch(network, "cpu", precision)
    if key:

        def write(folder: Path) -> None:
            compiled.save_blob(folder / "network.blob")
            (folder / "exported.json").write_text(compiled.exported.to_json())

        cache.keep(key, write)
    return compiled


def _open_graph(
    model: "SAM2UNet | str | Path", path: Path | None, device: str, trunk_weights: str | Path | None
) -> Runtime:
    """By ONNX Runtime, the graph kept where it came from a file."""
    key = path and _key(path, "onnxruntime")
    kept = key and cache.cached(key)
    if kept:
        with suppress(InputError):  # damaged: made anew
            return OnnxRuntime(kept / "network.onnx", device)
    graph = _graph(_network(model, trunk_weights))
    if key:
        cache.keep(key, lambda folder: (folder / "network.onnx").write_bytes(graph))
    return OnnxRuntime(graph, device)


def _key(path: Path, *more: str) -> tuple[object, ...]:
    """What a compiled network depends on."""
    return (cache.file_digest(path), version("sam2unet"), version(more[0]), platform.machine(), *more)


def _apart(runtime: Runtime, network: "SAM2UNet") -> float:
    """Mean difference of probabilities from the network's own in float32, on a picture of blotches."""
    from .torch_backend import Torch

    height, width = network.card.size
    coarse = np.random.default_rng(0).integers(0, 256, (1, height // 8, width // 8, 3), dtype=np.uint8)
    picture = coarse.repeat(8, axis=1).repeat(8, axis=2)
    found, expected = (
        1 / (1 + np.exp(-r.logits(picture).clip(-80, 80))) for r in (runtime, Torch(network, "cpu", "float32"))
    )
    return float(np.abs(found - expected).mean())
