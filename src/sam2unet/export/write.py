"""Exporting: a file is kept once it does what the network does."""

import dataclasses
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import InputError
from .exported import KEY, Exported
from .runtime import OnnxRuntime, OpenVINO, Runtime, check_installed, installed

if TYPE_CHECKING:
    from ..network import SAM2UNet

Format = Literal["onnx", "openvino"]
SUFFIX = {"onnx": ".onnx", "openvino": ".xml"}
MOST_APART = 1e-3
"""Largest difference of a probability from the network's own, from which a file is not kept."""


def export_model(
    model: "SAM2UNet", folder: str | Path, name: str, format: Format, *, size: tuple[int, int] | None = None,
    pictures: bool = False, probability: bool = True, overwrite: bool = False,
) -> Path:  # fmt: skip
    """Write FOLDER/NAME.onnx, or FOLDER/NAME.xml and .bin, with the network's card inside.

    Args:
        model: in float32.
        folder: made if it isn't there.
        name: of the file, without suffix.
        format: "onnx" (opset 20) or "openvino" (OpenVINO's own).
        size: height and width, multiples of 32; default the card's.
        pictures: whether the graph takes (batch, height, width, 3) uint8 RGB and normalises it; else
            (batch, 3, height, width) float32, divided by 255 and normalised by the card's mean and std.
        probability: whether it gives probabilities, else logits, (batch, classes, height, width).
        overwrite: whether a file of that name is replaced.

    Returns:
        The .onnx or .xml file.

    Raises:
        InputError: what is needed isn't installed, the size is none, the file is there already or can't be written, or
            what was written does not do what the network does.
    """
    from ..network import check_size
    from .network_graph import network_graph

    check_installed("onnx")
    if format == "openvino":
        check_installed("openvino")
    folder = Path(folder)
    file = folder / f"{name}{SUFFIX[format]}"
    if file.exists() and not overwrite:
        raise InputError(f"{file} is there already: name another folder with --out, or add --overwrite")
    card = dataclasses.replace(model.card, size=size or model.card.size)
    try:
        check_size(*card.size)
    except ValueError as error:
        raise InputError(str(error)) from error
    exported = Exported(card, pictures, probability)
    graph = network_graph(model, exported).SerializeToString()
    hidden = folder / f".{name}.{os.getpid()}"
    hidden.mkdir(parents=True)
    try:
        written = hidden / file.name
        if format == "onnx":
            written.write_bytes(graph)
        else:
            import openvino

            network = openvino.Core().read_model(graph)
            network.set_rt_info(exported.to_json(), [KEY])
            openvino.save_model(network, written, compress_to_fp16=False)
        _check(written, model, card.size)
        for part in sorted(hidden.iterdir()):  # .bin before .xml
            part.replace(folder / part.name)
    finally:
        shutil.rmtree(hidden)
    return file


def _check(file: Path, model: "SAM2UNet", size: tuple[int, int]) -> None:
    """Compare a file with the network on pictures of noise, of patches and of both."""
    import torch

    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    patches = rng.integers(0, 256, (size[0] // 16, size[1] // 16, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    pictures = np.stack([noise, patches, noise // 4 + patches // 2])
    runtime: Runtime = (
        OnnxRuntime(file) if file.suffix == ".onnx" and installed("onnxruntime") else OpenVINO(file, "float32")
    )
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (model.card.mean, model.card.std))
    with torch.inference_mode():
        images = (torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255 - mean) / std
        expected = model(images.to(next(model.parameters()).device)).cpu()
    found = torch.from_numpy(runtime.logits(pictures))
    p, q = (x.sigmoid() if x.shape[1] == 1 else x.softmax(dim=1) for x in (expected, found))
    apart = (p - q).abs().max().item()
    if not apart <= MOST_APART:
        raise InputError(f"{file.name}: not kept, since it is off by {apart:.3g} ({runtime.name}); please report it")
