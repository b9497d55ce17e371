"""What shards gain: a folder predicted by one process on all cores, and by a process for each core.

    python speed/shards.py MODEL [--pictures 256]

Whole commands, their start included, in turn. The shards are told apart and share the cores as under torchrun.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from predict import write_pictures
from sides import table


def predict(model: Path, folder: Path, out: Path, shards: int, core: int | None = None) -> float:
    """Seconds of a folder's prediction by so many processes beside each other, perhaps all on one core."""
    command = [sys.executable, "-m", "sam2unet", "predict", model, folder, "--out", out, "--overwrite", "--quiet"]
    if core is not None:
        command = ["taskset", "-c", str(core), *command]
    started = time.perf_counter()
    running = [
        subprocess.Popen(
            [*map(str, command), "--device", "cpu"],
            env=os.environ | {"RANK": f"{k}", "WORLD_SIZE": f"{shards}", "LOCAL_RANK": f"{k}",
                              "LOCAL_WORLD_SIZE": f"{shards}", "OMP_NUM_THREADS": f"{os.cpu_count() // shards}"},
        )
        for k in range(shards)
    ]  # fmt: skip
    codes = [process.wait() for process in running]
    if any(codes):
        sys.exit("a process failed; see above")
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a model file, or an exported file")
    parser.add_argument("--pictures", type=int, default=256, help="of 640x480, JPEG")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cores = os.cpu_count()
    ways = {"one process, all cores": (1, None), f"{cores} shards, a core each": (cores, None)}
    if sys.platform == "linux":
        ways["one process, one core"] = (1, 0)
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name) / "in", Path(name) / "out"
        write_pictures(folder, options.pictures)
        for turn in range(options.rounds + 1):
            for way, (shards, core) in ways.items():
                took = predict(options.model, folder, out, shards, core)
                if turn:  # the first may compile
                    seconds[way].append(took)
    first = next(iter(seconds.values()))
    rows = []
    for way, took in seconds.items():
        times = [a / b for a, b in zip(first, took, strict=True)]
        rate = options.pictures / statistics.median(took)
        rows.append([way, f"{rate:.1f}", f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})"])
    print(table(["way", "pictures a second", "times as fast"], rows))


if __name__ == "__main__":
    main()
