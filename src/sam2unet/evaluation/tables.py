"""Metrics as a table on the terminal, as JSON and as CSV."""

import csv
import json
import math
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..files import appearing
from .class_folder import ClassEvaluation
from .folder import Evaluated


def print_metrics(metrics: dict[str, float]) -> None:
    """A line per metric."""
    width = max(12, *map(len, metrics))
    for name, value in metrics.items():
        print(f"{name:{width}} {value if name == 'images' else shown(value)}")


def print_classes(result: ClassEvaluation) -> None:
    """A row per class, then a line per mean."""
    metrics = result.metrics
    width = max(12, *map(len, result.names))
    print(f"{'class':{width}} {'IoU':6} Dice")
    for name in result.names:
        print(f"{name:{width}} {shown(metrics[f'IoU/{name}']):6} {shown(metrics[f'Dice/{name}'])}")
    print()
    print_metrics({name: value for name, value in metrics.items() if "/" not in name})


def shown(value: float, digits: int = 4) -> str:
    """The number, or a dash where there is nothing to measure."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def write_json(path: Path, metrics: dict[str, float], predictions: Path, masks: Path, **more: Any) -> None:
    """The metrics, null where there is nothing to measure; `more`; and what was compared."""
    finite = {name: None if math.isnan(value) else value for name, value in metrics.items()}
    compared = {"predictions": str(predictions), "masks": str(masks), "version": version("sam2unet")}
    with appearing(path) as partial:
        partial.write_text(json.dumps({"metrics": finite} | more | compared, indent=2) + "\n", encoding="utf-8")


def write_csv(path: Path, items: list[Evaluated]) -> None:
    """A row per picture of one class."""
    scores = ((item.name, item.scores) for item in items)
    rows = ((name, s.dice, s.iou, s.mae, s.s_measure, s.weighted_f) for name, s in scores)
    _write_rows(path, ["name", "Dice", "IoU", "MAE", "S", "wF"], rows)


def write_class_csv(path: Path, result: ClassEvaluation) -> None:
    """A row per picture of several classes: its name and `picture_dice`."""
    _write_rows(path, ["name", "mDice"], ((item.name, item.dice) for item in result.items))


def _write_rows(path: Path, header: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    with appearing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([name, *(f"{value:.6f}" for value in values)] for name, *values in rows)
