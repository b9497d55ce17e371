"""Speed of evaluation beside PySODMetrics.

    python speed/evaluate.py --sizes 480x640 960x1280

Each variant is a process of its own that reads the same probability maps and masks and computes the same metrics: S, E
and F (adaptive, mean, max), weighted F, MAE, mDice and mIoU. They take turns. "ours" is `sam2unet.evaluate`, which
also computes precision, recall, BER, boundary distances and more, in the number of processes that its name says.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from results import add_json_option, report
from timed_process import TimedProcess, package_process, run_in_turn

HEAD = ["size", "variant", "images/s: median (range)", "times as fast as PySODMetrics", "largest difference"]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["240x320", "480x640", "960x1280"], help="HEIGHTxWIDTH")
    parser.add_argument("--images", type=int, default=192, help="maps per size")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="numbers of processes of ours")
    parser.add_argument("--steps", type=int, default=5, help="timed rounds")
    add_json_option(parser)
    return parser.parse_args()


def write_maps(folder: Path, images: int, height: int, width: int) -> None:
    """Write masks/ and maps/ as a network predicts them: certain mostly, soft at boundaries, wrong in places."""
    rng = np.random.default_rng(0)

    def smooth_noise(cells: int) -> NDArray[np.float32]:
        coarse = Image.fromarray(rng.normal(size=(cells, cells)).astype(np.float32))
        return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))

    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    for name in ("maps", "masks"):
        (folder / name).mkdir(parents=True)
    for i in range(images):
        centre, radius = rng.uniform(-0.4, 0.4, 2), rng.uniform(0.2, 0.6)
        inside = radius - np.hypot(y - centre[0], x - centre[1]) + 0.1 * smooth_noise(7)  # positive in the object
        logits = 20 * (inside + 0.06 * smooth_noise(16))
        Image.fromarray(255 * (inside > 0).astype(np.uint8)).save(folder / f"masks/{i:04}.png")
        Image.fromarray((255 / (1 + np.exp(-logits))).astype(np.uint8)).save(folder / f"maps/{i:04}.png")


def measure(options: argparse.Namespace, height: int, width: int) -> list[TimedProcess]:
    """Evaluate maps of one size by PySODMetrics, then by ours with each number of processes."""
    with tempfile.TemporaryDirectory() as folder:
        write_maps(Path(folder), options.images, height, width)
        processes = [package_process("PySODMetrics", "evaluate_worker.py", folder, "0")]
        for n in options.processes:
            name = f"ours, {n} process{'es' * (n > 1)}"
            processes.append(package_process(name, "evaluate_worker.py", folder, str(n)))
        run_in_turn(processes, 1, options.steps)
    return processes


def summarise(processes: list[TimedProcess], size: str, images: int) -> tuple[list[list[str]], list[dict[str, Any]]]:
    """Rows of the table and raw figures of one size; the first process is the reference."""
    reference, rows, figures = processes[0], [], []
    expected = reference.replies[-1]["metrics"]
    for process in processes:
        slowest, median, fastest = (images / f(process.seconds) for f in (max, statistics.median, min))
        ratio = reference.median / process.median
        difference = max(abs(process.replies[-1]["metrics"][name] - value) for name, value in expected.items())
        speed = f"{median:.1f} ({slowest:.1f} to {fastest:.1f})"
        rows.append([size, process.variant, speed, f"{ratio:.2f}", f"{difference:.1e}"])
        figures.append({"size": size, "variant": process.variant, "seconds": process.seconds, "ratio": ratio,
                        "largest_difference": difference})  # fmt: skip
    return rows, figures


def main() -> None:
    options = parse_arguments()
    rows: list[list[str]] = []
    figures: list[dict[str, Any]] = []
    for size in options.sizes:
        height, width = map(int, size.split("x"))
        new_rows, new_figures = summarise(measure(options, height, width), size, options.images)
        rows += new_rows
        figures += new_figures
    report(HEAD, rows, {"images": options.images, "rows": figures}, options.json)


if __name__ == "__main__":
    main()
