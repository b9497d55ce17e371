"""Exporting: a file is kept once it does what the network does."""

import dataclasses
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..card import check_size
from ..errors import InputError
from .exported import KEY, Exported
from .runtime import OnnxRuntime, OpenVINO, Runtime, check_installed, installed, openvino_core, package, probabilities

if TYPE_CHECKING:
    from ..network import SAM2UNet

Format = Literal["onnx", "openvino"]
MOST_APART = 1e-3
"""Largest difference of a probability from the network's own, from which a file is not kept."""


def exported_files(folder: Path, name: str, format: Format) -> list[Path]:
    """The files that an export writes, the one that names it first."""
    return [folder / f"{name}{suffix}" for suffix in {"onnx": [".onnx"], "openvino": [".xml", ".bin"]}[format]]


def export_model(
    model: "SAM2UNet",
    folder: str | Path,
    name: str,
    format: Format,
    *,
    size: tuple[int, int] | None = None,
    pictures: bool = False,
    probability: bool = True,
    overwrite: bool = False,
) -> Path:
    """Write FOLDER/NAME.onnx, or FOLDER/NAME.xml and .bin, with the network's card inside.

    Args:
        model: stays as it is.
        folder: made if it isn't there.
        name: of the file, without suffix.
        format: "onnx" (opset 20) or "openvino" (OpenVINO's own).
        size: height and width, multiples of 32; default the card's.
        pictures: whether the graph takes (batch, height, width, 3) uint8 RGB and normalises it; else
            (batch, 3, height, width) float32, divided by 255 and normalised by the card's mean and std.
        probability: whether it gives probabilities, else logits, (batch, classes, height, width).
        overwrite: whether files of that name are replaced.

    Returns:
        The .onnx or .xml file.

    Raises:
        InputError: what is needed isn't installed, the size is none, a file is there already, or what was written does
            not do what the network does.
        OSError: the folder can't be written.
    """
    from .network_graph import network_graph

    check_installed("onnx")
    if format == "openvino":
        check_installed("openvino")
    elif not installed("openvino"):
        check_installed("onnxruntime")
    files = exported_files(Path(folder), name, format)
    for file in files:
        if file.exists() and not overwrite:
            raise InputError(f"{file} is there already: name another folder with --out, or add --overwrite")
    card = dataclasses.replace(model.card, size=size or model.card.size)
    try:
        check_size(*card.size)
    except ValueError as error:
        raise InputError(str(error)) from error
    exported = Exported(card, pictures, probability)
    graph = network_graph(model, exported).SerializeToString()
    Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}.") as hidden:
        written = exported_files(Path(hidden), name, format)
        if format == "onnx":
            written[0].write_bytes(graph)
        else:
            network = openvino_core().read_model(graph)
            network.set_rt_info(exported.to_json(), [KEY])
            package("openvino").save_model(network, written[0], compress_to_fp16=False)
        _check(written[0], model, card.size)
        files[0].unlink(missing_ok=True)  # or an old .xml would have a new .bin for a moment
        for file, final in reversed(list(zip(written, files, strict=True))):
            shutil.move(file, final)
    return files[0]


def _check(file: Path, model: "SAM2UNet", size: tuple[int, int]) -> None:
    """Compare a file with the network on pictures of noise, of patches and of both."""
    from .torch_runtime import Torch

    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    patches = rng.integers(0, 256, (size[0] // 16, size[1] // 16, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    pictures = np.stack([noise, patches, noise // 4 + patches // 2])
    by_onnxruntime = file.suffix == ".onnx" and installed("onnxruntime")
    runtime: Runtime = OnnxRuntime(file) if by_onnxruntime else OpenVINO(file, "float32")
    found, expected = (probabilities(r.logits(pictures)) for r in (runtime, Torch(model, "cpu", "float32")))
    apart = np.abs(found - expected)
    if not apart.max() <= MOST_APART:
        raise InputError(
            f"{file.name}: not kept, since it is off by {apart.max():.3g} ({runtime.name}); please report it"
        )
