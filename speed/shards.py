"""Speed of predicting a folder in shards, a process per core, beside one process on all cores.

    python speed/shards.py MODEL [--images 256]

Measures whole commands, their start included, which take turns. The shards' environment is that of torchrun.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from predict import write_images
from results import add_json_option, report

HEAD = ["setup", "images/s: median", "times as fast: median (range)"]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="model file, or exported file")
    parser.add_argument("--images", type=int, default=256, help="images of 640x480, JPEG")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds")
    add_json_option(parser)
    return parser.parse_args()


def predict(model: Path, folder: Path, out: Path, shards: int, core: int | None) -> float:
    """Seconds that `shards` concurrent processes take to predict a folder; all on one core if `core` is given."""
    command = [sys.executable, "-m", "sam2unet", "predict", str(model), str(folder), "--out", str(out), "--overwrite",
               "--quiet", "--device", "cpu"]  # fmt: skip
    if core is not None:
        command = ["taskset", "-c", str(core), *command]
    threads = (os.cpu_count() or 1) // shards
    started = time.perf_counter()
    processes = [
        subprocess.Popen(
            command,
            env=os.environ | {"RANK": f"{k}", "WORLD_SIZE": f"{shards}", "LOCAL_RANK": f"{k}",
                              "LOCAL_WORLD_SIZE": f"{shards}", "OMP_NUM_THREADS": f"{threads}"},
        )
        for k in range(shards)
    ]  # fmt: skip
    codes = [process.wait() for process in processes]
    if any(codes):
        sys.exit("a process failed; see above")
    return time.perf_counter() - started


def setups(cores: int) -> dict[str, tuple[int, int | None]]:
    """Name -> number of shards, and the core that they are bound to."""
    result: dict[str, tuple[int, int | None]] = {
        "one process, all cores": (1, None),
        f"{cores} shards, a core each": (cores, None),
    }
    if sys.platform == "linux":
        result["one process, one core"] = (1, 0)
    return result


def summarise(seconds: dict[str, list[float]], images: int) -> list[list[str]]:
    """Rows of the table; the first setup is the reference, compared round by round."""
    reference, rows = next(iter(seconds.values())), []
    for name, durations in seconds.items():
        ratios = [a / b for a, b in zip(reference, durations, strict=True)]
        speedup = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        rows.append([name, f"{images / statistics.median(durations):.1f}", speedup])
    return rows


def main() -> None:
    options = parse_arguments()
    compared = setups(os.cpu_count() or 1)
    seconds: dict[str, list[float]] = {name: [] for name in compared}
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder) / "in", options.images)
        for turn in range(options.rounds + 1):
            for name, (shards, core) in compared.items():
                duration = predict(options.model, Path(folder) / "in", Path(folder) / "out", shards, core)
                if turn:  # the first round may compile
                    seconds[name].append(duration)
    report(HEAD, summarise(seconds, options.images), {"images": options.images, "seconds": seconds}, options.json)


if __name__ == "__main__":
    main()
