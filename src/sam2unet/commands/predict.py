"""sam2unet predict"""

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import InputError
from .options import (
    Device,
    TrunkWeights,
    parse_numbers,
    parse_probability,
    parse_shard,
    progress,
    progress_console,
    with_options,
)


def predict(
    model: Annotated[Path, typer.Argument(help="A model file, an upstream SAM2-UNet .pth, or an exported file.")],
    inputs: Annotated[
        list[str], typer.Argument(help="Images, folders or glob patterns; - for standard input.", metavar="INPUT...")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the masks, OUT/NAME.png; - for standard output.")],
    overlay: Annotated[bool, typer.Option("--overlay", help="Short for --save overlay.")] = False,
    threshold: Annotated[
        str, typer.Option(help="Probability from which a pixel is foreground; best: the best one in validation.")
    ] = "0.5",
    save: Annotated[
        list[str] | None,
        typer.Option(
            help="Additional output: overlay, probability, probability16, npy, cutout, table, rle or polygons; "
            "repeatable."
        ),
    ] = None,
    mask_bits: Annotated[int, typer.Option(help="Bits per pixel of one-class masks: 8 (0/255) or 1.")] = 8,
    min_part: Annotated[int, typer.Option(help="Remove connected components of fewer pixels.")] = 0,
    min_hole: Annotated[int, typer.Option(help="Fill holes of fewer pixels.")] = 0,
    tile: Annotated[
        int | None,
        typer.Option(
            help="Side of the square tiles to predict, in pixels; 0: the whole image. Default: as in training."
        ),
    ] = None,
    overlap: Annotated[
        float | None, typer.Option(help="Fraction of a tile that the next tile covers too. Default: as in training.")
    ] = None,
    flip_tta: Annotated[bool, typer.Option("--flip-tta", help="Average with the mirrored image's prediction.")] = False,
    scales: Annotated[
        str, typer.Option(help="Average over these factors of the network's input size, such as 0.75,1,1.25.")
    ] = "1",
    letterbox: Annotated[bool, typer.Option("--letterbox", help="Keep the aspect ratio; pad with bars.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Predict again what exists.")] = False,
    shard: Annotated[
        str | None,
        typer.Option(help="K/N: process shard K of N. Under torchrun each process gets a part of it."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per image on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
    max_pixels: Annotated[
        int | None,
        typer.Option("--max-pixels", "--most-pixels", help="Refuse images with more pixels. Default: 400 million."),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images or tiles per forward pass. Default: 1 on a CPU, else 8.")
    ] = None,
    trunk_weights: TrunkWeights = None,
    backend: Annotated[
        Literal["auto", "torch", "openvino", "onnxruntime"],
        typer.Option(help="Library that runs the network; auto: the fastest installed one."),
    ] = "auto",
    precision: Annotated[Literal["auto", "float32", "bf16"], typer.Option(help="Arithmetic of the network.")] = "auto",
    device: Device = "auto",
) -> None:
    """Predict masks at each image's own size."""
    from json import dumps

    from ..prediction import MAX_PIXELS, Outputs, Predictor, Views, find_inputs, predict_folder, predict_to
    from ..system import local_device, wait_for_all_processes

    part = parse_shard(shard).for_this_process()
    views = Views(tile, overlap, flip_tta, parse_numbers(scales, "--scales"), letterbox)
    cut = 0.5 if threshold == "best" else parse_probability(threshold, "--threshold")
    outputs = Outputs(frozenset([*(save or []), *(["overlay"] if overlay else [])]), cut, mask_bits, min_part, min_hole)
    found = find_inputs(inputs, out, part)
    with nullcontext() if quiet else progress_console().status("loading the network"):  # slow where it is compiled
        predictor = Predictor(
            model, local_device(device), backend, precision, trunk_weights=trunk_weights, batch_size=batch_size,
            views=views, max_pixels=MAX_PIXELS if max_pixels is None else max_pixels,
        )  # fmt: skip
    if threshold == "best":
        outputs = replace(outputs, threshold=predictor.card.threshold)
    if str(out) == "-":
        if json:
            raise InputError("--json and the mask can't both go to standard output: give a folder with --out")
        return predict_to(predictor, found, outputs, sys.stdout.buffer)
    with nullcontext(lambda *_: None) if quiet else progress("predicting") as report_progress:
        result = predict_folder(
            predictor, found, out, outputs, overwrite=overwrite, progress=report_progress,
            on_line=(lambda line: print(dumps(line), flush=True)) if json else None,
        )  # fmt: skip
    wait_for_all_processes()
    if not quiet:
        kept = f", {result.kept} existed already (--overwrite predicts them again)" if result.kept else ""
        summary = f"{result.done} predicted by {predictor.backend.name}{kept}: {out}"
        print(summary, file=sys.stderr if json else sys.stdout)
    for error in result.failed:
        print(f"sam2unet: {with_options(error)}", file=sys.stderr)
    if result.failed:
        print(f"sam2unet: {len(result.failed)} failed, {result.done + result.kept} done", file=sys.stderr)
        raise typer.Exit(1 if result.done or result.kept else 2)
