"""The paper's tables, with a row per method, as text, Markdown, LaTeX, CSV and JSON."""

import csv
import json
import math
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..evaluation import latex_table
from ..files import atomic_path
from ..pages import format_score
from .catalogue import BenchmarkSet, Task, catalogue
from .run import Benchmark, MethodResult

REPORTED = "SAM2-UNet (reported)"


def tables(result: Benchmark) -> Iterator[tuple[Task, list[BenchmarkSet], list[list[str]]]]:
    """Iterate over the tasks with a measured set.

    Yields:
        The task, its measured sets, and the rows of its table: a method's name and its cells, set by set and metric by
        metric as in the paper. The last row is what the paper reports, with "?" where no source confirms it.
    """
    for task in catalogue().values():
        sets = [dataset for dataset in task.sets if any(row.set.name == dataset.name for row in result.rows)]
        if not sets:
            continue
        methods = list(dict.fromkeys(row.method for row in result.rows))
        rows = []
        for method in methods:
            by_set = {row.set.name: row for row in result.rows if row.method == method}
            rows.append([method, *(_cell(by_set.get(dataset.name), m) for dataset in sets for m in task.metrics)])
        rows.append([REPORTED, *(_format(dataset.reported.get(m)) for dataset in sets for m in task.metrics)])
        yield task, sets, rows


def _format(value: float | None) -> str:
    return "?" if value is None else format_score(value, 3)


def _cell(row: MethodResult | None, metric: str) -> str:
    return "–" if row is None else _format(row.metrics[metric])


def _column_names(task: Task, sets: list[BenchmarkSet]) -> list[str]:
    return [f"{dataset.name} {metric}" for dataset in sets for metric in task.metrics]


def print_tables(result: Benchmark, console: Console) -> None:
    """Print a table per task with a row per set and method, with intervals and speed."""
    for task, sets, _ in tables(result):
        table = Table(title=Text(task.name), title_justify="left")
        for column in ("set", "images", "method", *task.metrics, "images/s"):
            table.add_column(column, overflow="fold")
        for dataset in sets:
            for row in (row for row in result.rows if row.set.name == dataset.name):
                cells = (_with_interval(row, metric) for metric in task.metrics)
                speed = "–" if row.images_per_second is None else f"{row.images_per_second:.2f}"
                table.add_row(dataset.name, str(row.evaluation.totals.images), row.method, *cells, speed)
            published = "?" if dataset.images is None else str(dataset.images)
            reported = (_format(dataset.reported.get(metric)) for metric in task.metrics)
            table.add_row(dataset.name, published, REPORTED, *reported, "–")
        console.print(table, soft_wrap=not console.is_terminal)
    console.print(
        "in brackets: 95 % bootstrap interval over images; ?: no source confirms what was reported", style="dim"
    )


def _with_interval(row: MethodResult, metric: str) -> str:
    low, high = row.intervals[metric]
    return f"{_format(row.metrics[metric])} ({_format(low)} to {_format(high)})"


def write_markdown(path: Path, result: Benchmark) -> None:
    """Write a table per task, and the remarks."""
    parts = []
    for task, sets, rows in tables(result):
        lines = [["method", *_column_names(task, sets)], ["---"] * len(rows[0]), *rows]
        cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
        parts.append(f"## {task.name}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in cells))
    _write(path, "\n\n".join([*parts, *(f"- {remark}" for remark in result.remarks)]) + "\n")


def write_latex(path: Path, result: Benchmark) -> None:
    """Write a table per task, for the package booktabs."""
    parts = []
    for task, sets, rows in tables(result):
        groups = [(dataset.name, len(task.metrics)) for dataset in sets]
        parts.append(latex_table(["Method", *task.metrics * len(sets)], rows, groups, task.name))
    _write(path, "\n\n".join(parts) + "\n")


def write_csv(path: Path, result: Benchmark) -> None:
    """Write a row per set, method and metric, with the interval and the reported score where they exist."""
    with atomic_path(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["task", "set", "method", "images", "metric", "value", "low", "high", "reported",
                         "images_per_second"])  # fmt: skip
        for row in result.rows:
            for metric, value in row.metrics.items():
                if metric != "images":
                    low, high = row.intervals.get(metric, ("", ""))
                    known = "" if math.isnan(value) else value
                    reported, speed = row.set.reported.get(metric, ""), row.images_per_second or ""
                    writer.writerow([row.set.task, row.set.name, row.method, row.metrics["images"], metric, known, low,
                                     high, reported, speed])  # fmt: skip


def write_json(path: Path, result: Benchmark) -> None:
    """Write everything, including curves and remarks."""
    rows = [
        {"task": row.set.task, "set": row.set.name, "method": row.method,
         "metrics": {name: None if math.isnan(value) else value for name, value in row.metrics.items()},
         "intervals": row.intervals, "images_per_second": row.images_per_second, "reported": row.set.reported,
         "published_images": row.set.images, "folder": str(result.scan.copies[row.set.name][0].folder),
         "curves": row.evaluation.as_json()["curves"]}
        for row in result.rows
    ]  # fmt: skip
    measured = {row.set.name for row in result.rows}
    missing = [dataset.name for dataset in result.scan.sets if dataset.name not in measured]
    content = {"rows": rows, "missing": missing, "remarks": result.remarks, "version": version("sam2unet")}
    _write(path, json.dumps(content, indent=1) + "\n")


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")
