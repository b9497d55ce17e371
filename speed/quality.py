"""What recipes reach in the same time, from scratch: one table of test scores.

    python speed/quality.py DATA --minutes 15 published-frozen published-trained general
    python speed/quality.py DATA --minutes 5 general "general:ema=null" "general:multi_scale=[1.0];warmup=0"

A run is a recipe with keys changed, as `name:key=value;...`. DATA has train/ and test/. Each run first trains two
epochs to see how long one takes here, then anew for as many as fit in the minutes. No pretrained trunk is used.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from sides import table

PUBLISHED = {
    "published-frozen": ("paper", {"train_trunk": "none"}),
    "published-trained": ("paper", {"train_trunk": "all", "lr": 3e-4, "trunk_lr": 3e-4}),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder with train/ and test/")
    parser.add_argument("runs", nargs="+", help=f"{', '.join(PUBLISHED)}, or a recipe, each with :key=value;...")
    parser.add_argument("--minutes", type=float, default=15, help="of training and validation")
    parser.add_argument("--epochs", type=int, help="instead of minutes")
    parser.add_argument("--trunk", default="tiny")
    parser.add_argument("--size", type=int, default=224, help="side of the pictures in pixels")
    parser.add_argument("--out", type=Path, default=Path("runs/quality"), help="folder of the runs")
    return parser.parse_args()


def sam2unet(*words: Any) -> None:
    """A command of the package."""
    command = [str(Path(sys.executable).with_name("sam2unet")), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)


def train(options: argparse.Namespace, run: str, folder: Path, epochs: int) -> list[dict[str, float]]:
    """Train anew in a folder; the rows of metrics.csv."""
    name, _, changes = run.partition(":")
    recipe, keys = PUBLISHED.get(name, (name, {}))
    keys = keys | dict(change.split("=", 1) for change in changes.split(";") if change)
    shutil.rmtree(folder, ignore_errors=True)
    sets = [part for key, value in keys.items() for part in ("--set", f"{key}={value}")]
    sam2unet("train", options.data, "--out", folder, "--recipe", recipe, "--trunk", options.trunk,
             "--trunk-weights", "none", "--size", options.size, "--epochs", epochs, *sets)  # fmt: skip
    lines = [line.split(",") for line in (folder / "metrics.csv").read_text().splitlines()]
    return [dict(zip(lines[0], map(float, line), strict=True)) for line in lines[1:]]


def score(options: argparse.Namespace, folder: Path, model: str) -> dict[str, float]:
    """The scores of a model of a run on test/."""
    maps = folder / f"maps-{model}"
    sam2unet("predict", folder / f"{model}.safetensors", options.data / "test", "--out", maps, "--save", "probability")
    sam2unet("evaluate", maps, options.data / "test", "--json", folder / f"{model}.json")
    return json.loads((folder / f"{model}.json").read_text())["metrics"]


def main() -> None:
    options = arguments()
    rows = []
    for number, run in enumerate(options.runs, start=1):
        folder = options.out / run.replace("/", "_").replace(":", " ")
        epochs = options.epochs
        if not epochs:
            seconds = train(options, run, folder, 2)[-1]["seconds"]
            epochs = max(1, round(60 * options.minutes / seconds))
        print(f"{number} of {len(options.runs)}: {run}, {epochs} epochs", file=sys.stderr, flush=True)
        history = train(options, run, folder, epochs)
        best, last = score(options, folder, "best"), score(options, folder, "last")
        minutes = sum(row["seconds"] for row in history) / 60
        scores = [f"{found[name]:.4f}" for found in (best, last) for name in ("mDice", "mIoU")]
        rows.append([run, str(epochs), f"{minutes:.1f}", *scores])
        head = ["run", "epochs", "minutes", "best mDice", "best mIoU", "last mDice", "last mIoU"]
        print(table(head, rows), flush=True)


if __name__ == "__main__":
    main()
