"""Exporting a network to a file, which is kept only if it computes what the network computes."""

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from . import graph
from .errors import InputError
from .graph import KEY, GraphMetadata
from .runtime import OnnxRuntime, OpenVINORuntime, Runtime, openvino_core, probabilities
from .system import import_backend, is_installed, require_package

if TYPE_CHECKING:
    from .network import SAM2UNet

Format = Literal["onnx", "openvino"]
MAX_DIFFERENCE = 1e-3
"""Largest difference from the network's probabilities with which an exported file is accepted."""


def exported_files(folder: Path, name: str, format: Format) -> list[Path]:
    """Return the files that an export writes; the first is the one to open."""
    return [folder / f"{name}{suffix}" for suffix in {"onnx": [".onnx"], "openvino": [".xml", ".bin"]}[format]]


def export_model(  # noqa: PLR0913, the options of a file's format are independent of each other
    model: "SAM2UNet",
    folder: str | Path,
    name: str,
    format: Format,
    *,
    size: tuple[int, int] | None = None,
    uint8_input: bool = False,
    probability: bool = True,
    overwrite: bool = False,
) -> Path:
    """Write FOLDER/NAME.onnx, or FOLDER/NAME.xml and .bin, with the network's card inside.

    Args:
        model: the network; unchanged.
        folder: created if it doesn't exist.
        name: file name without suffix.
        format: "onnx" (opset 20) or "openvino" (OpenVINO's IR).
        size: height and width, multiples of 32; default the card's.
        uint8_input: input is (batch, height, width, 3) uint8 RGB, normalised inside the graph; else it is
            (batch, 3, height, width) float32, divided by 255 and normalised with the card's mean and std.
        probability: output is probabilities, else logits; (batch, classes, height, width).
        overwrite: replace existing files of that name.

    Returns:
        The .onnx or .xml file.

    Raises:
        InputError: a package is missing, the size is invalid, a file exists already, or the file's probabilities differ
            from the network's.
        OSError: the folder can't be written.
    """
    require_package("onnx")
    if format == "openvino":
        require_package("openvino")
    elif not is_installed("openvino"):
        require_package("onnxruntime")
    files = exported_files(Path(folder), name, format)
    for file in files:
        if file.exists() and not overwrite:
            raise InputError(f"{file} exists already: choose another folder, or overwrite it", "out", "overwrite")
    try:
        card = model.card.with_size(size or model.card.size)
    except ValueError as error:
        raise InputError(str(error), "size") from error
    metadata = GraphMetadata(card, uint8_input, probability)
    serialized = graph.network_graph(model, metadata).SerializeToString()
    Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}.") as hidden:
        written = exported_files(Path(hidden), name, format)
        if format == "onnx":
            written[0].write_bytes(serialized)
        else:
            network = openvino_core().read_model(serialized)
            network.set_rt_info(metadata.to_json(), [KEY])
            import_backend("openvino").save_model(network, written[0], compress_to_fp16=False)
        _check_file(written[0], model, card.size)
        files[0].unlink(missing_ok=True)  # an old .xml must never stand beside a new .bin
        for file, final in reversed(list(zip(written, files, strict=True))):
            shutil.move(file, final)
    return files[0]


def _check_file(file: Path, model: "SAM2UNet", size: tuple[int, int]) -> None:
    """Compare an exported file with the network on an image of noise, one of patches, and one of both.

    Raises:
        InputError: their probabilities differ.
    """
    from .runtime import TorchRuntime

    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    patches = rng.integers(0, 256, (size[0] // 16, size[1] // 16, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    images = np.stack([noise, patches, noise // 4 + patches // 2])
    use_onnxruntime = file.suffix == ".onnx" and is_installed("onnxruntime")
    runtime: Runtime = OnnxRuntime(file) if use_onnxruntime else OpenVINORuntime(file, "float32")
    found, expected = (probabilities(r.logits(images)) for r in (runtime, TorchRuntime(model, "cpu", "float32")))
    difference = np.abs(found - expected).max()
    if not difference <= MAX_DIFFERENCE:
        raise InputError(
            f"{file.name}: not kept, since its probabilities are off by {difference:.3g} ({runtime.name}); "
            "please report it"
        )
