"""Ours against the plain U-Net that a user would train instead: equal wall time, in turns; see speed/quality.py."""

import argparse
import json
import math
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
from results import report

CALIBRATION_STEPS = 100
HEAD = ["set", "minutes", "ours", "plain U-Net", "difference", "steps of ours", "steps of the U-Net"]


def sam2unet(*arguments: Any) -> None:
    """Run a command of the package."""
    done = subprocess.run([sys.executable, "-m", "sam2unet", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)


def train_ours(pairs: Path, minutes: float, seed: int, out: Path, changes: list[str]) -> dict[str, Any]:
    """Train for about so many minutes, validation included, with no options but `changes`; write OUT/INDEX.png."""
    settings = [word for change in changes for word in ("--set", change)]
    data = [pairs.parent, "--pairs", pairs, "--seed", seed, "--trunk-weights", "none", *settings]
    epochs = []
    steps = CALIBRATION_STEPS
    for folder in (out.with_name(f"{out.name} calibration"), out.with_name(f"{out.name} run")):
        shutil.rmtree(folder, ignore_errors=True)
        sam2unet("train", *data, "--out", folder, "--set", f"steps={steps}")
        lines = [line.split(",") for line in (folder / "metrics.csv").read_text().splitlines()]
        epochs = [dict(zip(lines[0], map(float, line), strict=True)) for line in lines[1:]]
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


def compare(options: argparse.Namespace) -> None:
    """Train both on each set, for each number of minutes and each seed, and report after each pair of runs."""
    options.out.mkdir(parents=True, exist_ok=True)
    rows: list[list[str]] = []
    figures: list[dict[str, Any]] = []
    for name in options.sets or SETS:
        pairs = write_list(name, options.data, options.out)
        for minutes in options.minutes:
            runs: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}
            for seed in options.seeds:
                for side in runs:
                    out = options.out / f"{name} {minutes:g} {seed} {side}"
                    shutil.rmtree(out, ignore_errors=True)
                    print(out.name, file=sys.stderr, flush=True)
                    run = (
                        train_ours(pairs, minutes, seed, out, options.set)
                        if side == "ours"
                        else train_peer(pairs, minutes, seed, out)
                    )
                    runs[side].append(run | {"seed": seed, "dice": mean_dice(pairs, out)})
            figures.append({"set": name, "minutes": minutes, **runs})
            rows.append(table_row(name, minutes, runs))
            report(HEAD, rows, {"rows": figures}, options.json)


def table_row(name: str, minutes: float, runs: dict[str, list[dict[str, Any]]]) -> list[str]:
    """The Dice of each seed and the difference of the means, in points."""
    scores = {side: [run["dice"] for run in found] for side, found in runs.items()}
    difference = 100 * (statistics.mean(scores["ours"]) - statistics.mean(scores["peer"]))
    steps = ["{:.0f}".format(statistics.mean(run["steps"] for run in found)) for found in runs.values()]
    dice = [", ".join(f"{value:.3f}" for value in found) for found in scores.values()]
    return [name, f"{minutes:g}", *dice, f"{difference:+.1f}" if not math.isnan(difference) else "–", *steps]
