"""Metrics as a table on the terminal, as JSON and as CSV."""

import csv
import json
from importlib.metadata import version
from pathlib import Path

from ..files import appearing
from .folder import Evaluated


def print_metrics(metrics: dict[str, float]) -> None:
    """A line per metric."""
    for name, value in metrics.items():
        print(f"{name:12} {value}" if name == "images" else f"{name:12} {value:.4f}")


def write_json(path: Path, metrics: dict[str, float], predictions: Path, masks: Path) -> None:
    """The metrics, and what was compared."""
    content = {"metrics": metrics, "predictions": str(predictions), "masks": str(masks), "version": version("sam2unet")}
    with appearing(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_csv(path: Path, items: list[Evaluated]) -> None:
    """A row per picture."""
    with appearing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "Dice", "IoU", "MAE", "S", "wF"])
        for item in items:
            s = item.scores
            rows.writerow([item.name, *(f"{x:.6f}" for x in (s.dice, s.iou, s.mae, s.s_measure, s.weighted_f))])
