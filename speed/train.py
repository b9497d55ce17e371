"""How fast, and in how much memory, a training step is beside the authors' release: one table.

    python speed/train.py --upstream CHECKOUT --upstream-python EXE

The trunk is frozen, as published. Each side is a process of its own, with the same weights, pictures and masks; they
make their steps in turn, so that what else the machine does meets all alike. "upstream" is the authors' network, loss
and optimizer in float32; "padded" the same in float32 by our network with padded windows; "ours" what `sam2unet train`
does on this machine. Without --upstream the ratios are against "padded". Memory on a CPU is read as Linux tells it.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from our_train import GAINS
from sides import HERE, Side, alternate, table, upstream_side


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", type=Path, help="a checkout of the authors' release (WZH0120/SAM2-UNet)")
    parser.add_argument("--upstream-python", default=os.environ.get("UPSTREAM_PYTHON", sys.executable),
                        help="the Python that has what it needs; default: $UPSTREAM_PYTHON, else this one")  # fmt: skip
    parser.add_argument("--trunks", nargs="+", default=["large:2", "tiny:4"], help="trunk:batch (default: %(default)s)")
    parser.add_argument("--size", type=int, default=352, help="side of the pictures in pixels")
    parser.add_argument("--steps", type=int, default=7, help="timed steps of each side")
    parser.add_argument("--warm-up", type=int, default=2, help="steps before them")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="keys of the recipe of our side")
    parser.add_argument("--without", nargs="*", default=[], metavar="GAIN", choices=GAINS,
                        help=f"sides of ours that lack something: {', '.join(GAINS)}")  # fmt: skip
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--json", type=Path, help="where the figures go")
    return parser.parse_args()


def example(batch: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (B, 3, size, size), coarse and fine, and masks (B, 1, size, size) of round parts."""
    torch.manual_seed(1)
    coarse = F.interpolate(torch.randn(batch, 3, 8, 8), size=(size, size), mode="bicubic")
    masks = F.interpolate(torch.randn(batch, 1, 6, 6), size=(size, size), mode="bicubic") > 0.3
    return coarse + 0.3 * torch.randn(batch, 3, size, size), masks.float()


def measure(options: argparse.Namespace, trunk: str, batch: int) -> list[Side]:
    """The sides, each with its times and its last answer."""
    with tempfile.TemporaryDirectory() as folder:
        start, data = f"{folder}/start.pt", f"{folder}/batch.pt"
        torch.save(example(batch, options.size), data)
        rest = [trunk, options.device, start, data]
        script = str(HERE / "our_train.py")
        ours = Side("ours", [sys.executable, script, "ours", *rest, *options.set])
        others = [
            Side(f"without {gain}", [sys.executable, script, gain, *rest, *options.set]) for gain in options.without
        ]
        padded = Side("padded", [sys.executable, script, "padded", *rest])
        sides = [padded, *others, ours]
        if options.upstream:
            sides.insert(0, upstream_side(options.upstream_python, options.upstream, "upstream_train.py", *rest))
        alternate(sides, options.warm_up, options.steps)
    return sides


def main() -> None:
    options = arguments()
    rows: list[dict[str, Any]] = []
    ratios: dict[str, dict[str, float]] = {}
    shown: list[list[str]] = []
    for wanted in options.trunks:
        trunk, batch = wanted.split(":")[0], int(wanted.split(":")[1])
        sides = measure(options, trunk, batch)
        against, ours = sides[0], sides[-1]
        peak = {side.name: side.answers[-1]["peak_bytes"] for side in sides}
        ratios[trunk] = {"time": ours.median / against.median, "memory": peak[ours.name] / peak[against.name]}
        for side in sides:
            first = side.answers[0]["loss"]
            rows.append({"side": side.name, "trunk": trunk, "batch": batch, "seconds": side.median,
                         "peak_bytes": peak[side.name], "all_seconds": side.seconds, "first_loss": first})  # fmt: skip
            shown.append([
                side.name, trunk, str(batch), f"{side.median:.2f} ({min(side.seconds):.2f} to {max(side.seconds):.2f})",
                f"{side.median / against.median:.3f}", f"{batch / side.median:.2f}", f"{peak[side.name] / 2**30:.2f}",
                f"{peak[side.name] / peak[against.name]:.3f}", f"{first:.4f}",
            ])  # fmt: skip
    head = ["side", "trunk", "batch", "s a step: median (range)", f"of {against.name}", "images/s", "peak GiB",
            f"of {against.name}", "first loss"]  # fmt: skip
    print(table(head, shown))
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "ratios": ratios, "against": against.name}, indent=1))


if __name__ == "__main__":
    main()
