"""How many pictures a second are evaluated beside PySODMetrics: one table.

    python speed/evaluate.py --sizes 480x640 960x1280

Each side is a process of its own that reads the same maps and masks and gives the same metrics: S, E and F (adaptive,
mean, max), weighted F, MAE, mDice and mIoU. They take their turns. "ours" is `sam2unet.evaluate`, which measures
precision, recall, BER, distances of outlines and more beside, with as many processes as its name says.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from sides import HERE, Side, alternate, table


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["240x320", "480x640", "960x1280"], help="HEIGHTxWIDTH")
    parser.add_argument("--pictures", type=int, default=192)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="of ours")
    parser.add_argument("--steps", type=int, default=5, help="timed rounds")
    parser.add_argument("--json", type=Path, help="where the figures go")
    return parser.parse_args()


def draw(folder: Path, pictures: int, height: int, width: int) -> None:
    """Maps as a network saves them: sure of most, soft at the edges, wrong in places; and their masks."""
    random = np.random.default_rng(0)

    def hills(cells: int) -> np.ndarray:
        coarse = Image.fromarray(random.normal(size=(cells, cells)).astype(np.float32))
        return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))

    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    for name in ("maps", "masks"):
        (folder / name).mkdir(parents=True)
    for i in range(pictures):
        centre, radius = random.uniform(-0.4, 0.4, 2), random.uniform(0.2, 0.6)
        inside = radius - np.hypot(y - centre[0], x - centre[1]) + 0.1 * hills(7)  # positive in the object
        logits = 20 * (inside + 0.06 * hills(16))
        Image.fromarray(255 * (inside > 0).astype(np.uint8)).save(folder / f"masks/{i:04}.png")
        Image.fromarray((255 / (1 + np.exp(-logits))).astype(np.uint8)).save(folder / f"maps/{i:04}.png")


def main() -> None:
    options = arguments()
    rows, figures = [], []
    for size in options.sizes:
        height, width = map(int, size.split("x"))
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder), options.pictures, height, width)
            child = [sys.executable, str(HERE / "evaluate_side.py"), folder]
            sides = [Side("PySODMetrics", [*child, "0"])]
            sides += [Side(f"ours, {n} process{'es' * (n > 1)}", [*child, str(n)]) for n in options.processes]
            alternate(sides, 1, options.steps)
        for side in sides:
            slowest, median, fastest = (options.pictures / f(side.seconds) for f in (max, statistics.median, min))
            ratio = sides[0].median / side.median
            apart = max(abs(side.answers[-1]["metrics"][k] - v) for k, v in sides[0].answers[-1]["metrics"].items())
            speed = f"{median:.1f} ({slowest:.1f} to {fastest:.1f})"
            rows.append([size, side.name, speed, f"{ratio:.2f}", f"{apart:.1e}"])
            figures.append({"size": size, "side": side.name, "seconds": side.seconds, "ratio": ratio, "apart": apart})
    head = ["size", "side", "pictures a second: median (range)", "times PySODMetrics", "largest difference"]
    print(table(head, rows))
    if options.json:
        options.json.write_text(json.dumps({"pictures": options.pictures, "rows": figures}, indent=1))


if __name__ == "__main__":
    main()
