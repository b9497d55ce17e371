"""Choosing the runtime of a network and getting it ready."""

import dataclasses
import hashlib
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .. import graph
from ..errors import InputError
from ..graph import GraphMetadata
from ..system import (
    cpu_flags,
    cpu_has_bf16,
    find_device,
    import_backend,
    is_installed,
    is_known_cpu,
    require_package,
)
from . import compiled_cache
from .base import Arithmetic, Runtime, probabilities
from .onnxruntime_ import OnnxRuntime, onnxruntime_has_cuda
from .openvino_ import OpenVINORuntime

if TYPE_CHECKING:
    from ..network import SAM2UNet

Backend = Literal["auto", "torch", "openvino", "onnxruntime"]
Precision = Literal["auto", "float32", "bf16"]
MAX_MEAN_DIFFERENCE = 0.02
"""Mean difference between a compiled network's probabilities and torch's in float32 above which torch is used."""


def open_runtime(
    model: "SAM2UNet | str | Path",
    device: str,
    backend: Backend,
    precision: Precision,
    trunk_weights: str | Path | None,
    size: tuple[int, int] | None = None,
) -> Runtime:
    """Open the runtime of a network, a model file or an exported file.

    What OpenVINO or ONNX Runtime makes of a model file is cached under everything that it depends on, so that the next
    start needs neither torch nor the trunk's file.

    Args:
        model: a network, or the path of a model file, of the authors' .pth, or of an exported .onnx or .xml file.
        device: "auto" (CUDA, else Apple's MPS, else the CPU), or a device of torch, such as "cuda:1".
        backend: "auto" (the fastest installed one for the device), "torch", "openvino" or "onnxruntime".
        precision: "auto" (bf16 where hardware and backend have it, else float32), "float32" or "bf16".
        trunk_weights: file of the frozen trunk; see `load_model`.
        size: height and width of the images; default the card's. An exported file has one size only.

    Raises:
        InputError: an argument is invalid, the file can't be used, a package is missing, or the backend can't run the
            model on that device or in that precision.
    """
    for what, value, choices in (("backend", backend, Backend), ("precision", precision, Precision)):
        if value not in get_args(choices):
            raise InputError(f"unknown {what} {value!r}: choose from {', '.join(get_args(choices))}")
    path = _check_model_path(Path(model)) if isinstance(model, str | Path) else None
    if path and path.suffix.lower() in (".onnx", ".xml"):
        if size:
            raise InputError(f"{path}: exported for one size; other scales need the model file", "scales")
        return _open_exported(path, device, backend, precision)
    load = partial(_load_network, model, trunk_weights)
    on_cpu = is_known_cpu(device) or (device == "auto" and not is_installed("torch"))
    resolved = "cpu" if on_cpu else str(find_device(device))
    chosen = _fastest(resolved, precision) if backend == "auto" else backend
    _check_backend(chosen, resolved, precision)
    if chosen == "torch":
        from .torch_ import TorchRuntime

        return TorchRuntime(load(), resolved, precision)
    if chosen == "openvino":
        arithmetic: Arithmetic = precision if precision != "auto" else "bf16" if cpu_has_bf16() else "float32"
        return _open_openvino(load, _cache_key(path, trunk_weights, chosen, arithmetic, *size or ()), arithmetic, size)
    return _open_onnxruntime(load, _cache_key(path, trunk_weights, chosen, *size or ()), resolved, size)


def _check_model_path(path: Path) -> Path:
    if path.is_dir():
        raise InputError(f"{path}: a folder; name the model file in it, such as {path / 'best.safetensors'}")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    return path


def _load_network(model: "SAM2UNet | str | Path", trunk_weights: str | Path | None) -> "SAM2UNet":
    if not isinstance(model, str | Path):
        return model
    if not is_installed("torch"):
        raise InputError(
            f"{model}: needs torch, which is not installed; export it where torch is, and predict with that"
        )
    from ..weights import load_model

    return load_model(model, trunk_weights)


def _fastest(device: str, precision: Precision) -> Backend:
    """Return the installed backend that was fastest on such a device when measured (docs/speed.md)."""
    if device != "cpu" or not is_installed("onnx"):
        return "torch"
    if is_installed("openvino"):
        return "openvino"
    torch_has_bf16 = precision == "bf16" or (precision == "auto" and cpu_has_bf16())
    return "onnxruntime" if is_installed("onnxruntime") and not torch_has_bf16 else "torch"


def _check_backend(backend: Backend, device: str, precision: Precision) -> None:
    """Check that a backend is installed and supports the device and the precision."""
    if backend == "torch":
        return
    require_package(backend)
    if backend == "openvino" and device not in ("auto", "cpu"):
        raise InputError(
            f"OpenVINO runs on the CPU here, not on {device}: choose another backend, or the cpu", "backend", "device"
        )
    if backend == "onnxruntime" and precision == "bf16":
        raise InputError(
            "ONNX Runtime computes in float32 here: choose another precision or backend", "precision", "backend"
        )


def _open_exported(path: Path, device: str, backend: Backend, precision: Precision) -> Runtime:
    supported = ["openvino"] if path.suffix.lower() == ".xml" else ["openvino", "onnxruntime"]
    if backend == "auto":
        on_gpu = device not in ("auto", "cpu") or (not is_known_cpu(device) and onnxruntime_has_cuda())
        prefer_onnxruntime = on_gpu or not is_installed("openvino")
        backend = "onnxruntime" if "onnxruntime" in supported and prefer_onnxruntime else "openvino"
    if backend not in supported:
        raise InputError(f"{path}: {backend} can't run it; choose {' or '.join(supported)}", "backend")
    _check_backend(backend, device, precision)
    if backend == "openvino":
        return OpenVINORuntime(path, None if precision == "auto" else precision)
    return OnnxRuntime(path, device)


def _serialized_graph(network: "SAM2UNet", size: tuple[int, int] | None) -> bytes:
    """Return the ONNX graph from uint8 images to logits; `size` is the card's if None."""
    require_package("onnx")
    card = dataclasses.replace(network.card, size=size or network.card.size)
    serialized: bytes = graph.network_graph(
        network, GraphMetadata(card, uint8_input=True, probability=False)
    ).SerializeToString()
    return serialized


def _open_openvino(
    load: "Callable[[], SAM2UNet]",
    key: compiled_cache.Key | None,
    precision: Arithmetic,
    size: tuple[int, int] | None,
) -> Runtime:
    """Open with OpenVINO: from the cache, else compiled, compared with torch, and cached if there is a key."""
    cached = key and compiled_cache.find(key)
    if cached:
        with suppress(InputError, OSError, ValueError, RuntimeError):  # damaged, or of another CPU: compile again
            metadata = GraphMetadata.from_json(cached, (cached / "metadata.json").read_text())
            return OpenVINORuntime.from_blob(cached / "network.blob", metadata, precision)
    from .torch_ import TorchRuntime

    network = load()
    image = _random_patches(*size or network.card.size)
    expected = probabilities(TorchRuntime(network, "cpu", "float32").logits(image))
    serialized = _serialized_graph(network, size)
    del network  # 870 MB for the large trunk
    compiled = OpenVINORuntime(serialized, precision)
    difference = np.abs(probabilities(compiled.logits(image)) - expected).mean()
    if not difference <= MAX_MEAN_DIFFERENCE:
        logging.getLogger("sam2unet").warning(
            "%s: its probabilities are off by %.3f on average, so torch is used; please report it",
            compiled.name,
            difference,
        )
        return TorchRuntime(load(), "cpu", precision)
    if key:

        def write(folder: Path) -> None:
            compiled.save_blob(folder / "network.blob")
            (folder / "metadata.json").write_text(compiled.metadata.to_json())

        compiled_cache.store(key, write)
    return compiled


def _open_onnxruntime(
    load: "Callable[[], SAM2UNet]", key: compiled_cache.Key | None, device: str, size: tuple[int, int] | None
) -> Runtime:
    """Open with ONNX Runtime: a cached graph, else a new one, which is cached if there is a key."""
    cached = key and compiled_cache.find(key)
    if cached:
        with suppress(InputError):  # damaged: build it again
            return OnnxRuntime(cached / "network.onnx", device)
    serialized = _serialized_graph(load(), size)
    if key:
        compiled_cache.store(key, lambda folder: (folder / "network.onnx").write_bytes(serialized))
    return OnnxRuntime(serialized, device)


def _cache_key(
    path: Path | None, trunk_weights: str | Path | None, backend: str, *more: object
) -> compiled_cache.Key | None:
    """Return everything that a compiled network depends on; None for a network that is from no file."""
    if not path:
        return None
    folders = Path(graph.__file__).parent, Path(__file__).parent
    sources = b"".join(file.read_bytes() for folder in folders for file in sorted(folder.glob("*.py")))
    trunk = Path(trunk_weights).stat() if trunk_weights and Path(trunk_weights).is_file() else None
    return (
        compiled_cache.file_digest(path), hashlib.sha256(sources).hexdigest(), import_backend(backend).__version__,
        cpu_flags(), str(trunk_weights), trunk and (trunk.st_size, trunk.st_mtime_ns), backend, *more,
    )  # fmt: skip


def _random_patches(height: int, width: int) -> NDArray[np.uint8]:
    """Return a (1, height, width, 3) image of random patches, 8 pixels a side."""
    colours = np.random.default_rng(0).integers(0, 256, (1, height // 8, width // 8, 3), dtype=np.uint8)
    return colours.repeat(8, axis=1).repeat(8, axis=2)
