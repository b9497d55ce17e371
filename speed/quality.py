"""Test scores that recipes reach in the same time, trained from scratch.

    python speed/quality.py DATA --minutes 15 published-frozen published-trained general
    python speed/quality.py DATA --minutes 5 general "general:ema=null" "general:multi_scale=[1.0];warmup=0"

    python speed/quality.py DATA --peer --minutes 5 15 --seeds 0 1
    python speed/quality.py DATA --peer --minutes 5 --sets drive auto "auto:detail=0" "auto:loss=structure"

A run is a recipe with changed keys, `NAME:KEY=VALUE;...`. DATA has train/ and test/. Each run first trains for two
epochs to see how long one takes here, then anew for as many as fit in the minutes. No pretrained trunk is used.

With --peer, `train` as it ships is compared with MONAI's BasicUNet on patches (pip install 'sam2unet[peers]'), on the
sets of peer_sets.py below DATA: each in a process of its own, in turns, for the same wall time, which counts training
and validation. Dice is the mean over the test images at threshold 0.5. Without runs these are auto and unet. A round,
the runs of one set, time and seed, is not trained again if --out holds its results from the same code as committed.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from peer_sets import SETS
from results import add_json_option, report

PUBLISHED = {
    "published-frozen": ("paper", {"train_trunk": "none"}),
    "published-trained": ("paper", {"train_trunk": "all", "lr": "0.0003", "trunk_lr": "0.0003"}),
}
"""Name of a run -> recipe and changed keys."""
HEAD = ["run", "epochs", "minutes", "best mDice", "best mIoU", "last mDice", "last mIoU"]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train/ and test/")
    parser.add_argument("runs", nargs="*", help=f"{', '.join(PUBLISHED)}, or a recipe; then :KEY=VALUE;...")
    parser.add_argument(
        "--minutes",
        type=float,
        nargs="+",
        default=[15],
        help="time of a run's training and validation; several: --peer",
    )
    parser.add_argument("--peer", action="store_true", help="compare with a plain U-Net")
    parser.add_argument("--sets", nargs="+", choices=SETS, help="sets of --peer")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="seeds of --peer")
    parser.add_argument("--epochs", type=int, help="epochs of a run, in place of minutes")
    parser.add_argument("--trunk", default="tiny", help="trunk of the network")
    parser.add_argument("--size", type=int, default=224, help="height and width of the network's input")
    parser.add_argument("--out", type=Path, default=Path("runs/quality"), help="folder of the runs")
    add_json_option(parser)
    return parser.parse_intermixed_args()


def sam2unet(*arguments: Any) -> None:
    """Run a command of the package."""
    command = [sys.executable, "-m", "sam2unet", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)


def split_run(run: str) -> tuple[str, dict[str, str]]:
    """Recipe and changed keys of a run.

    >>> split_run("published-frozen:lr=1e-4;epochs=3")
    ('paper', {'train_trunk': 'none', 'lr': '1e-4', 'epochs': '3'})
    """
    name, _, changes = run.partition(":")
    recipe, keys = PUBLISHED.get(name, (name, {}))
    return recipe, keys | dict(change.split("=", 1) for change in changes.split(";") if change)


def train(options: argparse.Namespace, run: str, folder: Path, epochs: int) -> list[dict[str, float]]:
    """Train in a new folder; the rows of metrics.csv, one per epoch."""
    recipe, keys = split_run(run)
    shutil.rmtree(folder, ignore_errors=True)
    changes = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
    sam2unet("train", options.data, "--out", folder, "--recipe", recipe, "--trunk", options.trunk,
             "--trunk-weights", "none", "--size", options.size, "--epochs", epochs, *changes)  # fmt: skip
    return read_epochs(folder)


def read_epochs(folder: Path) -> list[dict[str, float]]:
    """The rows of a run's metrics.csv."""
    lines = [line.split(",") for line in (folder / "metrics.csv").read_text().splitlines()]
    return [dict(zip(lines[0], map(float, line), strict=True)) for line in lines[1:]]


def score(options: argparse.Namespace, folder: Path, model: str) -> dict[str, float]:
    """Metrics of a run's model, "best" or "last", on test/."""
    maps = folder / f"maps-{model}"
    sam2unet("predict", folder / f"{model}.safetensors", options.data / "test", "--out", maps, "--save", "probability")
    sam2unet("evaluate", maps, options.data / "test", "--json", folder / f"{model}.json")
    metrics: dict[str, float] = json.loads((folder / f"{model}.json").read_text())["metrics"]
    return metrics


def main() -> None:
    options = parse_arguments()
    if options.peer:
        from peer import compare  # needs MONAI

        compare(options)
        return
    rows, figures = [], []
    for number, run in enumerate(options.runs, start=1):
        folder = options.out / run.replace("/", "_").replace(":", " ")
        epochs = options.epochs
        if not epochs:
            seconds = train(options, run, folder, 2)[-1]["seconds"]
            epochs = max(1, round(60 * options.minutes[0] / seconds))
        print(f"{number} of {len(options.runs)}: {run}, {epochs} epochs", file=sys.stderr, flush=True)
        history = train(options, run, folder, epochs)
        best, last = score(options, folder, "best"), score(options, folder, "last")
        minutes = sum(row["seconds"] for row in history) / 60
        scores = [f"{metrics[name]:.4f}" for metrics in (best, last) for name in ("mDice", "mIoU")]
        rows.append([run, str(epochs), f"{minutes:.1f}", *scores])
        figures.append({"run": run, "epochs": epochs, "minutes": minutes, "best": best, "last": last})
        report(HEAD, rows, {"rows": figures}, options.json)  # after each run, in case a later one fails


if __name__ == "__main__":
    main()
