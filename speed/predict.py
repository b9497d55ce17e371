"""How fast one picture is predicted beside the authors' release, and how near the result is: one table.

    python speed/predict.py --upstream CHECKOUT --upstream-python EXE

From a picture's file to its probabilities at its own size, all of `Predictor.predict`. Each side is a process of its
own, with the same weights and picture; they predict in turn. "upstream" is the authors' network in eager float32, the
picture read, resized and brought back as in their test script. The weights are those of the parity files, which make
every part count; the heads are divided by a number, so that probabilities don't all end at 0 and 1. Without --upstream
the first of ours is what the others are measured against.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sides import HERE, Side, alternate, table, upstream_side

PARITY = HERE.parent / "tests" / "parity"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", type=Path, help="a checkout of the authors' release (WZH0120/SAM2-UNet)")
    parser.add_argument("--upstream-python", default=os.environ.get("UPSTREAM_PYTHON", sys.executable),
                        help="the Python that has what it needs; default: $UPSTREAM_PYTHON, else this one")  # fmt: skip
    parser.add_argument("--trunks", nargs="+", default=["large:100", "tiny:1"],
                        help="trunk:what its heads are divided by (default: %(default)s)")  # fmt: skip
    parser.add_argument("--ours", nargs="+", default=["torch:float32", "torch:bf16", "onnxruntime:float32",
                                                      "traced:float32", "openvino:float32", "traced:bf16", "auto:auto"],
                        help="backend:precision, see our_predict.py (default: %(default)s)")  # fmt: skip
    parser.add_argument("--picture", type=Path, help="default: 640x480 of noise, JPEG")
    parser.add_argument("--steps", type=int, default=9, help="timed predictions of each side")
    parser.add_argument("--warm-up", type=int, default=2, help="predictions before them")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--json", type=Path, help="where the figures go")
    return parser.parse_args()


def write_weights(trunk: str, divide: float, path: Path) -> None:
    """A checkpoint as the authors write it."""
    sys.path.insert(0, str(PARITY))
    from fill import fill

    shapes = json.loads((PARITY / f"state_dict_{trunk}.json").read_text())
    state = {name: torch.from_numpy(np.asarray(fill(name, tuple(shape)))) for name, shape in shapes.items()}
    for name, value in state.items():
        if name.startswith(("head", "side")):
            value /= divide
    torch.save(state, path)


def write_picture(path: Path) -> None:
    """Noise at all scales."""
    rng, total = np.random.default_rng(0), np.zeros((480, 640, 3))
    for side in (4, 16, 64, 160):
        coarse = rng.integers(0, 64, (480 // side, 640 // side, 3), dtype=np.uint8)
        total += np.asarray(Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC))
    Image.fromarray(total.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def write_pictures(folder: Path, number: int) -> None:
    """That picture, turned a little further in each."""
    folder.mkdir()
    write_picture(folder / "0.jpg")
    for i in range(1, number):
        Image.open(folder / "0.jpg").rotate(5 * i).save(folder / f"{i}.jpg", quality=90)


def measure(options: argparse.Namespace, trunk: str, divide: float, folder: Path) -> list[Side]:
    """The sides, each with its times; what they found lies in the folder by their names."""
    weights, picture = folder / f"{trunk}.pth", options.picture or folder / "picture.jpg"
    write_weights(trunk, divide, weights)
    if not options.picture:
        write_picture(picture)
    rest = [options.device, str(weights), str(picture)]
    sides = [
        Side(
            f"ours {ours}",
            [sys.executable, str(HERE / "our_predict.py"), ours, *rest, str(folder / f"ours {ours}.npy")],
        )
        for ours in options.ours
    ]
    if options.upstream:
        words = ["upstream_predict.py", trunk, *rest, str(folder / "upstream.npy")]
        sides.insert(0, upstream_side(options.upstream_python, options.upstream, *words))
    alternate(sides, options.warm_up, options.steps)
    return sides


def main() -> None:
    options = arguments()
    rows: list[dict[str, Any]] = []
    shown: list[list[str]] = []
    for wanted in options.trunks:
        trunk, _, divide = wanted.partition(":")
        with tempfile.TemporaryDirectory() as name:
            sides = measure(options, trunk, float(divide or 1), Path(name))
            found = [np.load(Path(name) / f"{side.name}.npy") for side in sides]
        for side, probability in zip(sides, found, strict=True):
            times = sides[0].median / side.median
            apart = float(np.abs(probability - found[0]).mean())
            clear = np.abs(found[0] - 0.5) > 0.05
            turned = float(((probability > 0.5) != (found[0] > 0.5))[clear].sum() / clear.size)
            rows.append({"side": side.name, "trunk": trunk, "seconds": side.median, "all_seconds": side.seconds,
                         "peak_bytes": side.answers[-1]["peak_bytes"], "backend": side.answers[-1].get("backend"),
                         "times": times, "mean_apart": apart, "turned": turned})  # fmt: skip
            shown.append([
                side.name, trunk,
                f"{side.median:.3f} ({min(side.seconds):.3f} to {max(side.seconds):.3f})", f"{times:.2f}",
                f"{side.answers[-1]['peak_bytes'] / 2**30:.2f}", f"{apart:.1e}", f"{10_000 * turned:.2f}",
            ])  # fmt: skip
    head = [
        "side",
        "trunk",
        "s a picture: median (range)",
        "times as fast",
        "peak GiB",
        "mean difference",
        "turned of 10,000",
    ]
    print(table(head, shown))
    if options.json:
        ratios = {trunk: {row["side"]: row["times"] for row in rows if row["trunk"] == trunk}
                  for trunk in {row["trunk"] for row in rows}}  # fmt: skip
        options.json.write_text(json.dumps({"rows": rows, "ratios": ratios, "against": rows[0]["side"]}, indent=1))


if __name__ == "__main__":
    main()
