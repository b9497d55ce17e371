"""Ours against the plain U-Net that a user would train instead: equal wall time, in turns; see speed/quality.py."""

import argparse
import hashlib
import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from peer_sets import SETS, write_list
from peer_unet import read_pair, read_rows
from PIL import Image
from quality import read_epochs, sam2unet, split_run
from results import committed, report
from timed_process import ROOT

from sam2unet.files import atomic_path

CALIBRATION_STEPS = 100
PEER = "unet"
"""Name of the run of the plain U-Net."""
CODE = "src", "speed/peer.py", "speed/peer_sets.py", "speed/peer_unet.py"
"""What the results depend on."""


def train_ours(
    pairs: Path, minutes: float, seed: int, out: Path, recipe: str, changes: dict[str, str]
) -> dict[str, Any]:
    """Train for about so many minutes, validation included, and write OUT/INDEX.png for each test image."""
    settings = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    data = [pairs.parent, "--pairs", pairs, "--recipe", recipe, "--seed", seed, "--trunk-weights", "none", *settings]
    steps = CALIBRATION_STEPS
    for folder in (out.with_name(f"{out.name} calibration"), out.with_name(f"{out.name} run")):
        shutil.rmtree(folder, ignore_errors=True)
        sam2unet("train", *data, "--out", folder, "--set", f"steps={steps}")
        epochs = read_epochs(folder)
        steps = max(1, round(60 * minutes * epochs[-1]["step"] / sum(row["seconds"] for row in epochs)))
    images = [image for image, _ in read_rows(pairs, "test")]
    sam2unet("predict", folder / "best.safetensors", *images, "--out", folder / "masks")
    out.mkdir(parents=True)
    for index, image in enumerate(images):
        shutil.copyfile(folder / "masks" / f"{image.stem}.png", out / f"{index}.png")
    return {"steps": int(epochs[-1]["step"]), "minutes": sum(row["seconds"] for row in epochs) / 60}


def train_peer(pairs: Path, minutes: float, seed: int, out: Path) -> dict[str, Any]:
    script = Path(__file__).with_name("peer_unet.py")
    command = [sys.executable, script, pairs, minutes, seed, out]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def mean_dice(pairs: Path, masks: Path) -> float:
    """Mean Dice over the test images; 1 where mask and prediction are both empty."""
    scores = []
    for index, (image, mask) in enumerate(read_rows(pairs, "test")):
        _, truth = read_pair(image, mask)
        found = np.asarray(Image.open(masks / f"{index}.png")) > 127
        total = int(found.sum() + truth.sum())
        scores.append(2 * int((found & truth).sum()) / total if total else 1.0)
    return statistics.mean(scores)


def train_run(run: str, pairs: Path, minutes: float, seed: int, out: Path) -> dict[str, Any]:
    """Train a run, "unet" or RECIPE:KEY=VALUE;..., and score it."""
    shutil.rmtree(out, ignore_errors=True)
    if run == PEER:
        result = train_peer(pairs, minutes, seed, out)
    else:
        result = train_ours(pairs, minutes, seed, out, *split_run(run))
    return result | {"seed": seed, "dice": mean_dice(pairs, out)}


def train_round(runs: list[str], pairs: Path, minutes: float, seed: int) -> dict[str, dict[str, Any]]:
    """Train the runs in turns, or return what an earlier process found with the same code, pairs and runs."""
    name = f"{pairs.stem} {minutes:g} {seed}"
    code = committed(ROOT, *CODE)
    digest = hashlib.sha256(json.dumps([code, pairs.read_text(), runs]).encode()).hexdigest()
    path = pairs.with_name(f"{name} {digest[:8]}.json")
    found: dict[str, dict[str, Any]] = {}
    if code and path.exists():
        print(f"{name}: as found before, in {path}", file=sys.stderr, flush=True)
        found = json.loads(path.read_text())
        return found
    for run in runs:
        folder = f"{name} {run}".replace("/", "_").replace(":", " ")
        print(folder, file=sys.stderr, flush=True)
        found[run] = train_run(run, pairs, minutes, seed, pairs.with_name(folder))
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(found))
    return found


def compare(options: argparse.Namespace) -> None:
    """Train the runs on each set, for each number of minutes and each seed in turns, and report after each round."""
    options.out.mkdir(parents=True, exist_ok=True)
    runs = options.runs or ["auto", PEER]
    head = ["set", "minutes", *("plain U-Net" if run == PEER else f"`{run}`" for run in runs)]
    rows: list[list[str]] = []
    figures: list[dict[str, Any]] = []
    for name in options.sets or SETS:
        pairs = write_list(name, options.data, options.out)
        for minutes in options.minutes:
            rounds = [train_round(runs, pairs, minutes, seed) for seed in options.seeds]
            found = {run: [found[run] for found in rounds] for run in runs}
            figures.append({"set": name, "minutes": minutes, "runs": found})
            rows.append([name, f"{minutes:g}", *map(format_cell, found.values())])
            report(head, rows, {"rows": figures}, options.json)


def format_cell(found: list[dict[str, Any]]) -> str:
    """The Dice of each seed, and the mean number of steps."""
    dice = ", ".join(f"{run['dice']:.3f}" for run in found)
    return f"{dice} ({statistics.mean(run['steps'] for run in found):.0f} steps)"
