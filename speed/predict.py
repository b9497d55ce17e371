"""Time and memory of a prediction beside the authors' release or an earlier version, and how much results differ.

    python speed/predict.py --upstream CHECKOUT --upstream-python EXE
    python speed/predict.py --against CHECKOUT --ours auto:auto

From an image file to its probabilities at its own size, all of `Predictor.predict`. Each variant is a process of its
own with the same weights and image; they take turns. "upstream" is the authors' network in eager float32, the image
read, resized and resized back as in their test script; "before" is "ours" of another checkout of this package.
Each "ours" is compared with its "before", or all variants with the first. The weights are those of the parity files, to
which every layer contributes; the heads' are divided by a number, so that the probabilities are not all 0 or 1.
"""

import argparse
import json
import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from results import add_json_option, git_state, report
from timed_process import ROOT, TimedProcess, package_process, run_in_turn, upstream_process

PARITY = ROOT / "tests" / "parity"
HEAD = ["variant", "trunk", "s per image: median (range)", "times as fast", "peak GiB", "mean difference",
        "changed pixels per 10,000"]  # fmt: skip
DEFAULT_OURS = ["torch:float32", "torch:bf16", "onnxruntime:float32", "traced:float32", "openvino:float32",
                "traced:bf16", "auto:auto"]  # fmt: skip
UNCERTAIN = 0.05
"""Pixels whose probability is this near to 0.5 do not count as changed."""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reference = parser.add_mutually_exclusive_group()
    reference.add_argument("--upstream", type=Path, help="a checkout of the authors' release (WZH0120/SAM2-UNet)")
    reference.add_argument("--against", type=Path, metavar="CHECKOUT", help="another checkout of this package")
    parser.add_argument("--upstream-python", default=os.environ.get("UPSTREAM_PYTHON", sys.executable), metavar="EXE",
                        help="a Python with the authors' dependencies (default: $UPSTREAM_PYTHON)")  # fmt: skip
    parser.add_argument("--trunks", nargs="+", default=["large:100", "tiny:1"],
                        help="TRUNK:DIVISOR of the heads' weights (default: %(default)s)")  # fmt: skip
    parser.add_argument("--ours", nargs="+", default=DEFAULT_OURS, metavar="BACKEND:PRECISION",
                        help="variants, see our_predict.py (default: %(default)s)")  # fmt: skip
    parser.add_argument("--image", type=Path, help="an image file (default: 640x480 of noise, JPEG)")
    parser.add_argument("--steps", type=int, default=9, help="timed predictions of each variant")
    parser.add_argument("--warm-up", type=int, default=2, help="predictions before them")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    add_json_option(parser)
    return parser.parse_args()


def write_weights(trunk: str, divisor: float, path: Path) -> None:
    """Write a checkpoint in the authors' format."""
    sys.path.insert(0, str(PARITY))
    fill = import_module("fill").fill
    shapes = json.loads((PARITY / f"state_dict_{trunk}.json").read_text())
    state = {name: torch.from_numpy(np.asarray(fill(name, tuple(shape)))) for name, shape in shapes.items()}
    for name, value in state.items():
        if name.startswith(("head", "side")):
            value /= divisor
    torch.save(state, path)


def write_image(path: Path) -> None:
    """Write an image 640 wide and 480 high of noise at several scales."""
    rng, total = np.random.default_rng(0), np.zeros((480, 640, 3))
    for cell in (4, 16, 64, 160):
        coarse = rng.integers(0, 64, (480 // cell, 640 // cell, 3), dtype=np.uint8)
        total += np.asarray(Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC))
    Image.fromarray(total.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def write_images(folder: Path, images: int) -> None:
    """Write that image and rotated copies of it."""
    folder.mkdir()
    write_image(folder / "0.jpg")
    for i in range(1, images):
        Image.open(folder / "0.jpg").rotate(5 * i).save(folder / f"{i}.jpg", quality=90)


def variants(options: argparse.Namespace, trunk: str, weights: Path, image: Path) -> list[TimedProcess]:
    """The processes to compare. They write their probabilities beside the weights, to VARIANT.npy."""
    data = [options.device, str(weights), str(image)]

    def package(name: str, variant: str, checkout: Path = ROOT) -> TimedProcess:
        arguments = [variant, *data, str(weights.with_name(f"{name} {variant}.npy"))]
        return package_process(f"{name} {variant}", "our_predict.py", *arguments, checkout=checkout)

    processes = []
    if options.upstream:
        arguments = ["upstream_predict.py", trunk, *data, str(weights.with_name("upstream.npy"))]
        processes.append(upstream_process(options.upstream_python, options.upstream, *arguments))
    for variant in options.ours:
        if options.against:
            processes.append(package("before", variant, options.against))
        processes.append(package("ours", variant))
    return processes


def measure(
    options: argparse.Namespace, trunk: str, divisor: float
) -> tuple[list[TimedProcess], list[NDArray[np.float32]]]:
    """Run the predictions of all variants with one trunk; also their probabilities (H, W)."""
    with tempfile.TemporaryDirectory() as name:
        weights, image = Path(name) / f"{trunk}.pth", options.image or Path(name) / "image.jpg"
        write_weights(trunk, divisor, weights)
        if not options.image:
            write_image(image)
        processes = variants(options, trunk, weights, image)
        run_in_turn(processes, options.warm_up, options.steps)
        return processes, [np.load(weights.with_name(f"{process.variant}.npy")) for process in processes]


def compare(probability: NDArray[np.float32], reference: NDArray[np.float32]) -> tuple[float, float]:
    """Mean absolute difference, and fraction of the pixels that change sides of 0.5 though the reference is certain."""
    changed = ((probability > 0.5) != (reference > 0.5)) & (np.abs(reference - 0.5) > UNCERTAIN)
    return float(np.abs(probability - reference).mean()), float(changed.mean())


def summarise(
    processes: list[TimedProcess], outputs: list[NDArray[np.float32]], trunk: str
) -> tuple[list[list[str]], list[dict[str, Any]]]:
    """Rows of the table and raw figures of one trunk, from the processes and their probabilities."""
    rows, figures, reference = [], [], 0
    for i, process in enumerate(processes):
        if process.variant.startswith("before"):
            reference = i  # of itself and of the next one
        speedup = processes[reference].median / process.median
        difference, changed = compare(outputs[i], outputs[reference])
        seconds, reply = process.seconds, process.replies[-1]
        figures.append({"variant": process.variant, "trunk": trunk, "backend": reply.get("backend"),
                        "reference": processes[reference].variant, "seconds": seconds, "speedup": speedup,
                        "peak_bytes": reply["peak_bytes"], "mean_difference": difference,
                        "changed_fraction": changed})  # fmt: skip
        rows.append([
            process.variant, trunk, f"{process.median:.3f} ({min(seconds):.3f} to {max(seconds):.3f})",
            f"{speedup:.2f}", f"{reply['peak_bytes'] / 2**30:.2f}", f"{difference:.1e}", f"{10_000 * changed:.2f}",
        ])  # fmt: skip
    return rows, figures


def main() -> None:
    options = parse_arguments()
    rows: list[list[str]] = []
    figures: list[dict[str, Any]] = []
    for argument in options.trunks:
        trunk, _, divisor = argument.partition(":")
        new_rows, new_figures = summarise(*measure(options, trunk, float(divisor or 1)), trunk)
        rows += new_rows
        figures += new_figures
    before = {"before": git_state(options.against)} if options.against else {}
    report(HEAD, rows, {"rows": figures, **before}, options.json)


if __name__ == "__main__":
    main()
