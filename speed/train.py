"""Time and memory of a training step beside the authors' release, an earlier version, or itself without a gain.

    python speed/train.py --upstream CHECKOUT --upstream-python EXE
    python speed/train.py --against CHECKOUT
    python speed/train.py --without bf16 running-sums

The trunk is frozen, as published. Each variant is a process of its own with the same weights, images and masks; they
take turns, so that other work of the machine affects all alike. "upstream" is the authors' network, loss and optimizer
in float32; "padded" is the same by our network with padded windows; "ours" is the step of `sam2unet train` on this
machine; "before" is "ours" of another checkout of this package. Ratios are to the first variant. Memory on a CPU is
measured on Linux only.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from our_train import GAINS
from results import add_json_option, git_state, report
from timed_process import ROOT, TimedProcess, package_process, run_in_turn, upstream_process


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reference = parser.add_mutually_exclusive_group()
    reference.add_argument("--upstream", type=Path, help="a checkout of the authors' release (WZH0120/SAM2-UNet)")
    reference.add_argument("--against", type=Path, metavar="CHECKOUT", help="another checkout of this package")
    reference.add_argument("--without", nargs="+", default=[], metavar="GAIN", choices=GAINS,
                           help=f"variants of ours without a gain: {', '.join(GAINS)}")  # fmt: skip
    parser.add_argument("--upstream-python", default=os.environ.get("UPSTREAM_PYTHON", sys.executable), metavar="EXE",
                        help="a Python with the authors' dependencies (default: $UPSTREAM_PYTHON)")  # fmt: skip
    parser.add_argument("--trunks", nargs="+", default=["large:2", "tiny:4"],
                        help="TRUNK:BATCH (default: %(default)s)")  # fmt: skip
    parser.add_argument("--size", type=int, default=352, help="height and width of the images in pixels")
    parser.add_argument("--steps", type=int, default=7, help="timed steps of each variant")
    parser.add_argument("--warm-up", type=int, default=2, help="steps before them")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", help="keys of the recipe of ours and before"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    add_json_option(parser)
    return parser.parse_args()


def random_batch(batch: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (batch, 3, size, size) with coarse and fine detail, and masks (batch, 1, size, size) of round objects."""
    torch.manual_seed(1)
    coarse = F.interpolate(torch.randn(batch, 3, 8, 8), size=(size, size), mode="bicubic")
    masks = F.interpolate(torch.randn(batch, 1, 6, 6), size=(size, size), mode="bicubic") > 0.3
    return coarse + 0.3 * torch.randn(batch, 3, size, size), masks.float()


def variants(options: argparse.Namespace, trunk: str, start: str, batch: str) -> list[TimedProcess]:
    """The processes to compare; the first is the reference."""
    data = [trunk, options.device, start, batch]

    def ours(name: str, step: str = "ours", checkout: Path = ROOT) -> TimedProcess:
        return package_process(name, "our_train.py", step, *data, *options.set, checkout=checkout)

    if options.against:
        return [ours("before", checkout=options.against), ours("ours")]
    if options.without:
        return [ours("ours"), *(ours(f"without {gain}", gain) for gain in options.without)]
    processes = [package_process("padded", "our_train.py", "padded", *data), ours("ours")]
    if options.upstream:
        processes.insert(0, upstream_process(options.upstream_python, options.upstream, "upstream_train.py", *data))
    return processes


def measure(options: argparse.Namespace, trunk: str, batch: int) -> list[TimedProcess]:
    """Run the steps of all variants with one trunk."""
    with tempfile.TemporaryDirectory() as folder:
        torch.save(random_batch(batch, options.size), f"{folder}/batch.pt")
        processes = variants(options, trunk, f"{folder}/start.pt", f"{folder}/batch.pt")
        run_in_turn(processes, options.warm_up, options.steps)
    return processes


def table_head(reference: str) -> list[str]:
    return ["variant", "trunk", "batch", "s per step: median (range)", f"time / {reference}", "images/s", "peak GiB",
            f"memory / {reference}", "first loss"]  # fmt: skip


def summarise(processes: list[TimedProcess], trunk: str, batch: int) -> tuple[list[list[str]], list[dict[str, Any]]]:
    """Rows of the table and raw figures of one trunk; the first process is the reference."""
    reference, rows, figures = processes[0], [], []
    for process in processes:
        seconds, peak = process.seconds, process.replies[-1]["peak_bytes"]
        time_ratio, memory_ratio = process.median / reference.median, peak / reference.replies[-1]["peak_bytes"]
        loss = process.replies[0]["loss"]
        figures.append({"variant": process.variant, "trunk": trunk, "batch": batch, "seconds": seconds,
                        "time_ratio": time_ratio, "peak_bytes": peak, "memory_ratio": memory_ratio,
                        "first_loss": loss})  # fmt: skip
        rows.append([
            process.variant, trunk, str(batch), f"{process.median:.2f} ({min(seconds):.2f} to {max(seconds):.2f})",
            f"{time_ratio:.3f}", f"{batch / process.median:.2f}", f"{peak / 2**30:.2f}", f"{memory_ratio:.3f}",
            f"{loss:.4f}",
        ])  # fmt: skip
    return rows, figures


def main() -> None:
    options = parse_arguments()
    rows: list[list[str]] = []
    figures: list[dict[str, Any]] = []
    for trunk, batch in (argument.split(":") for argument in options.trunks):
        new_rows, new_figures = summarise(measure(options, trunk, int(batch)), trunk, int(batch))
        rows += new_rows
        figures += new_figures
    before = {"before": git_state(options.against)} if options.against else {}
    report(table_head(figures[0]["variant"]), rows, {"rows": figures, **before}, options.json)


if __name__ == "__main__":
    main()
