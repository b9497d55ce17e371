"""sam2unet export"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import InputError
from .options import Overwrite, TrunkWeights


def export(
    model: Annotated[Path, typer.Argument(help="A model file, or an upstream SAM2-UNet .pth.")],
    out: Annotated[Path, typer.Option(help="Folder of OUT/MODEL.onnx, or OUT/MODEL.xml and .bin.")],
    format: Annotated[Literal["onnx", "openvino"], typer.Option(help="File format.")] = "onnx",
    size: Annotated[
        int | None, typer.Option(min=32, help="Height and width of its input, a multiple of 32. Default: the model's.")
    ] = None,
    input: Annotated[
        str,
        typer.Option(
            metavar="[normalised|uint8]",
            help="normalised: (batch, 3, size, size) float32; uint8: RGB images (batch, size, size, 3).",
        ),
    ] = "normalised",
    output: Annotated[Literal["probability", "logits"], typer.Option(help="Output of the graph.")] = "probability",
    overwrite: Overwrite = False,
    trunk_weights: TrunkWeights = None,
) -> None:
    """Write a file that runs without torch, after checking that it computes what the network computes."""
    from ..export import export_model, exported_files
    from ..weights import load_model

    if input not in ("normalised", "uint8", "pictures"):  # the last is 0.1's name for uint8
        raise InputError(f"--input is {input!r}: it must be normalised or uint8")
    files = exported_files(out, model.stem, format)
    if any(file.exists() and file.samefile(model) for file in files):
        raise InputError(f"{model} would be overwritten by its own export: choose another folder with --out")
    file = export_model(
        load_model(model, trunk_weights), out, model.stem, format, size=None if size is None else (size, size),
        uint8_input=input != "normalised", probability=output == "probability", overwrite=overwrite,
    )  # fmt: skip
    print(f"{file} ({sum(part.stat().st_size for part in files) / 1e6:.0f} MB)")
