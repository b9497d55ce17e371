"""Choosing what runs a network, and making it ready."""

import dataclasses
import hashlib
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .. import cache, export
from ..device import cpu_flags, cpu_has_bf16, find_device, surely_cpu
from ..errors import InputError
from ..export import (
    Arithmetic,
    Exported,
    OnnxRuntime,
    OpenVINO,
    Runtime,
    check_installed,
    installed,
    package,
    probabilities,
)  # fmt: skip

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
    size: tuple[int, int] | None = None,
) -> Runtime:
    """What runs a network, a model file or an exported file; see `Predictor`.

    Args:
        size: (height, width), if not the card's.

    Raises:
        InputError: as `Predictor` says, or an exported file of another size.
    """
    for what, given, known in (("backend", backend, Backend), ("precision", precision, Precision)):
        if given not in get_args(known):
            raise InputError(f"unknown {what} {given!r}: choose from {', '.join(get_args(known))}")
    path = Path(model) if isinstance(model, str | Path) else None
    if path and path.is_dir():
        raise InputError(f"{path}: a folder; name the model file in it, such as {path / 'best.safetensors'}")
    if path and not path.is_file():
        raise InputError(f"{path}: no such file")
    if path and path.suffix.lower() in (".onnx", ".xml"):
        if size:
            raise InputError(f"{path}: exported for one size; give the model file for other scales")
        return _open_exported(path, device, backend, precision)

    def network() -> "SAM2UNet":
        if not path:
            return model  # type: ignore[return-value]
        if not installed("torch"):
            raise InputError(
                f"{path}: needs torch, which is not installed; export it where torch is, and predict with that"
            )
        from ..weights import load_model

        return load_model(path, trunk_weights)

    on_cpu = surely_cpu(device) or (device == "auto" and not installed("torch"))
    place = "cpu" if on_cpu else str(find_device(device))
    chosen = _fastest(place, precision) if backend == "auto" else backend
    _check(chosen, place, precision)
    if chosen == "torch":
        from ..export.torch_runtime import Torch

        return Torch(network(), place, precision)
    if chosen == "openvino":
        exact: Arithmetic = precision if precision != "auto" else "bf16" if cpu_has_bf16() else "float32"
        return _open_compiled(network, _key(path, trunk_weights, chosen, exact, *size or ()), exact, size)
    return _open_graph(network, _key(path, trunk_weights, chosen, *size or ()), place, size)


def _fastest(place: str, precision: Precision) -> Backend:
    """As measured (docs/speed.md)."""
    if place != "cpu" or not installed("onnx"):
        return "torch"
    if installed("openvino"):
        return "openvino"
    by_torch = precision == "bf16" or (precision == "auto" and cpu_has_bf16())
    return "onnxruntime" if installed("onnxruntime") and not by_torch else "torch"


def _check(backend: Backend, place: str, precision: Precision) -> None:
    if backend == "torch":
        return
    check_installed(backend)
    if backend == "openvino" and place not in ("auto", "cpu"):
        raise InputError("OpenVINO runs on the CPU here: leave out --backend for a GPU, or add --device cpu")
    if backend == "onnxruntime" and precision == "bf16":
        raise InputError("ONNX Runtime computes in float32 here: leave out --precision, or choose another --backend")


def _open_exported(path: Path, device: str, backend: Backend, precision: Precision) -> Runtime:
    fitting = ["openvino"] if path.suffix.lower() == ".xml" else ["openvino", "onnxruntime"]
    if backend == "auto":
        on_gpu = device not in ("auto", "cpu") or (not surely_cpu(device) and export.cuda_by_onnxruntime())
        backend = "onnxruntime" if "onnxruntime" in fitting and (on_gpu or not installed("openvino")) else "openvino"
    if backend not in fitting:
        raise InputError(f"{path}: {backend} can't run it; choose --backend {' or '.join(fitting)}")
    _check(backend, device, precision)
    if backend == "openvino":
        return OpenVINO(path, None if precision == "auto" else precision)
    return OnnxRuntime(path, device)


def _graph(network: "SAM2UNet", size: tuple[int, int] | None) -> bytes:
    check_installed("onnx")
    from ..export.network_graph import network_graph

    exported = Exported(
        dataclasses.replace(network.card, size=size or network.card.size), pictures=True, probability=False
    )
    graph: bytes = network_graph(network, exported).SerializeToString()
    return graph


def _open_compiled(
    make: "Callable[[], SAM2UNet]",
    key: tuple[object, ...] | None,
    precision: Arithmetic,
    size: tuple[int, int] | None,
) -> Runtime:
    """By OpenVINO, compiled, checked against the network, and kept where there is a key."""
    kept = key and cache.cached(key)
    if kept:
        with suppress(InputError, OSError, ValueError, RuntimeError):  # damaged, or of another CPU: made anew
            exported = Exported.from_json(kept, (kept / "exported.json").read_text())
            return OpenVINO.from_blob(kept / "network.blob", exported, precision)
    from ..export.torch_runtime import Torch

    network = make()
    picture = _patches(*size or network.card.size)
    expected = probabilities(Torch(network, "cpu", "float32").logits(picture))
    graph = _graph(network, size)
    del network  # a large one is 870 MB
    compiled = OpenVINO(graph, precision)
    apart = np.abs(probabilities(compiled.logits(picture)) - expected).mean()
    if not apart <= MOST_APART:
        logging.getLogger("sam2unet").warning(
            "%s: off by %.3f on average, so torch is used; please report it", compiled.name, apart
        )
        return Torch(make(), "cpu", precision)
    if key:

        def write(folder: Path) -> None:
            compiled.save_blob(folder / "network.blob")
            (folder / "exported.json").write_text(compiled.exported.to_json())

        cache.keep(key, write)
    return compiled


def _open_graph(
    make: "Callable[[], SAM2UNet]", key: tuple[object, ...] | None, device: str, size: tuple[int, int] | None
) -> Runtime:
    """By ONNX Runtime, the graph kept where there is a key."""
    kept = key and cache.cached(key)
    if kept:
        with suppress(InputError):  # damaged: made anew
            return OnnxRuntime(kept / "network.onnx", device)
    graph = _graph(make(), size)
    if key:
        cache.keep(key, lambda folder: (folder / "network.onnx").write_bytes(graph))
    return OnnxRuntime(graph, device)


def _key(path: Path | None, trunk_weights: str | Path | None, backend: str, *more: object) -> tuple[object, ...] | None:
    """What a compiled network depends on; None for one that is no file."""
    if not path:
        return None
    sources = b"".join(file.read_bytes() for file in sorted(Path(export.__file__).parent.glob("*.py")))
    given = Path(trunk_weights).stat() if trunk_weights and Path(trunk_weights).is_file() else None
    return (
        cache.file_digest(path), hashlib.sha256(sources).hexdigest(), package(backend).__version__, cpu_flags(),
        str(trunk_weights), given and (given.st_size, given.st_mtime_ns), backend, *more,
    )  # fmt: skip


def _patches(height: int, width: int) -> NDArray[np.uint8]:
    """(1, height, width, 3), patches of 8 pixels a side."""
    colours = np.random.default_rng(0).integers(0, 256, (1, height // 8, width // 8, 3), dtype=np.uint8)
    return colours.repeat(8, axis=1).repeat(8, axis=2)
