"""Metrics as tables: on the terminal, as LaTeX, and of each image as CSV."""

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from ..files import atomic_path
from ..pages import format_score
from .confusion_matrix import ConfusionMatrix
from .evaluation import Evaluation
from .latex import latex_table


def print_metrics(evaluation: Evaluation, chosen: Sequence[str] = ()) -> None:
    """Print a row per class if there are several, then a line per metric.

    Args:
        evaluation: of one class or several.
        chosen: names of the metrics to print; by default all.
    """
    metrics = evaluation.metrics()
    summary = _summary(metrics, chosen)
    if isinstance(evaluation.totals, ConfusionMatrix):
        width = max(12, *map(len, evaluation.totals.names))
        print(f"{'class':{width}} {'IoU':6} Dice")
        for name in evaluation.totals.names:
            iou, dice = (format_score(metrics[f"{metric}/{name}"]) for metric in ("IoU", "Dice"))
            print(f"{name:{width}} {iou:6} {dice}")
        print()
    width = max(12, *map(len, summary))
    for name, value in summary.items():
        print(f"{name:{width}} {value if name == 'images' else format_score(value)}")


def write_latex(path: Path, evaluation: Evaluation, method: str, chosen: Sequence[str] = ()) -> None:
    """Write the metrics as a row of a LaTeX table; the rows of several methods make up a paper's table.

    Args:
        path: the file.
        evaluation: of one class or several; without the metrics of single classes.
        method: the row's name.
        chosen: names of the metrics; by default all.
    """
    summary = {name: value for name, value in _summary(evaluation.metrics(), chosen).items() if name != "images"}
    table = latex_table(["Method", *summary], [[method, *(format_score(value, 3) for value in summary.values())]])
    with atomic_path(path) as partial:
        partial.write_text(table + "\n", encoding="utf-8")


def _summary(metrics: Mapping[str, float], chosen: Sequence[str]) -> dict[str, float]:
    """Return the chosen metrics and the number of images, without those of single classes (IoU/NAME)."""
    wanted = (*chosen, "images") if chosen else metrics
    return {name: metrics[name] for name in wanted if name in metrics and "/" not in name}  # an empty shard has none


@contextmanager
def open_csv(path: Path | None) -> Iterator[Callable[[str, Mapping[str, float]], None]]:
    """Yield a function that writes a row: an image's name and its values, empty for nan; without `path`, nothing."""
    if path is None:
        yield lambda name, values: None
        return
    with atomic_path(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer, written = csv.writer(file), count()

        def write(name: str, values: Mapping[str, float]) -> None:
            if not next(written):
                writer.writerow(["name", *values])
            writer.writerow([name, *("" if math.isnan(value) else f"{value:.6f}" for value in values.values())])

        yield write
