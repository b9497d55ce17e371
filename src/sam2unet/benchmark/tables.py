"""The paper's tables, with a row for each method, as text, Markdown, LaTeX, CSV and JSON."""

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
    """Of each task with a measured set: the sets, and rows of a method's name and its cells, set by set and metric by
    metric as the paper has them; the last row is what the paper reports, "?" where no source confirms it."""
    for task in catalogue().values():
        sets = [one for one in task.sets if any(row.set.name == one.name for row in result.rows)]
        if not sets:
            continue
        methods = list(dict.fromkeys(row.method for row in result.rows))
        rows = []
        for method in methods:
            by_set = {row.set.name: row for row in result.rows if row.method == method}
            rows.append([method, *(_cell(by_set.get(one.name), m) for one in sets for m in task.metrics)])
        rows.append([REPORTED, *(_figure(one.reported.get(m)) for one in sets for m in task.metrics)])
        yield task, sets, rows


def _figure(value: float | None) -> str:
    return "?" if value is None else format_score(value, 3)


def _cell(row: MethodResult | None, metric: str) -> str:
    return "–" if row is None else _figure(row.metrics[metric])


def _heads(task: Task, sets: list[BenchmarkSet]) -> list[str]:
    return [f"{one.name} {metric}" for one in sets for metric in task.metrics]


def print_tables(result: Benchmark, console: Console) -> None:
    """A table per task, a row per set, metric and method, with intervals and speed."""
    for task, sets, _ in tables(result):
        table = Table(title=Text(task.name), title_justify="left")
        for column in ("set", "pictures", "method", *task.metrics, "pictures/s"):
            table.add_column(column, overflow="fold")
        for one in sets:
            for row in (row for row in result.rows if row.set.name == one.name):
                cells = [f"{_figure(row.metrics[m])} ({_figure(row.intervals[m][0])} to {_figure(row.intervals[m][1])})"
                         for m in task.metrics]  # fmt: skip
                speed = "–" if row.pictures_per_second is None else f"{row.pictures_per_second:.2f}"
                table.add_row(one.name, str(row.evaluation.totals.images), row.method, *cells, speed)
            published = "?" if one.images is None else str(one.images)
            table.add_row(one.name, published, REPORTED, *(_figure(one.reported.get(m)) for m in task.metrics), "–")
        console.print(table, soft_wrap=not console.is_terminal)
    console.print(
        "in brackets: 95 % of the bootstrap over pictures; ?: no source confirms what was reported", style="dim"
    )


def write_markdown(path: Path, result: Benchmark) -> None:
    """A table per task."""
    parts = []
    for task, sets, rows in tables(result):
        lines = [["method", *_heads(task, sets)], ["---"] * len(rows[0]), *rows]
        cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
        parts.append(f"## {task.name}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in cells))
    _write(path, "\n\n".join([*parts, *(f"- {remark}" for remark in result.remarks)]) + "\n")


def write_latex(path: Path, result: Benchmark) -> None:
    """A table per task, for the package booktabs."""
    parts = []
    for task, sets, rows in tables(result):
        groups = [(one.name, len(task.metrics)) for one in sets]
        parts.append(latex_table(["Method", *task.metrics * len(sets)], rows, groups, task.name))
    _write(path, "\n\n".join(parts) + "\n")


def write_csv(path: Path, result: Benchmark) -> None:
    """A row per set, method and metric; all metrics, intervals and reported figures where there are some."""
    with atomic_path(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["task", "set", "method", "pictures", "metric", "value", "low", "high", "reported",
                         "pictures_per_second"])  # fmt: skip
        for row in result.rows:
            for metric, value in row.metrics.items():
                if metric != "images":
                    low, high = row.intervals.get(metric, ("", ""))
                    known = "" if math.isnan(value) else value
                    reported, speed = row.set.reported.get(metric, ""), row.pictures_per_second or ""
                    writer.writerow([row.set.task, row.set.name, row.method, row.metrics["images"], metric, known, low,
                                     high, reported, speed])  # fmt: skip


def write_json(path: Path, result: Benchmark) -> None:
    """Everything, curves and remarks too."""
    rows = [
        {"task": row.set.task, "set": row.set.name, "method": row.method,
         "metrics": {name: None if math.isnan(value) else value for name, value in row.metrics.items()},
         "intervals": row.intervals, "pictures_per_second": row.pictures_per_second, "reported": row.set.reported,
         "published_images": row.set.images, "folder": str(result.finding.copies[row.set.name][0].folder),
         "curves": row.evaluation.as_json()["curves"]}
        for row in result.rows
    ]  # fmt: skip
    measured = {row.set.name for row in result.rows}
    missing = [one.name for one in result.finding.sets if one.name not in measured]
    content = {"rows": rows, "missing": missing, "remarks": result.remarks, "version": version("sam2unet")}
    _write(path, json.dumps(content, indent=1) + "\n")


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")
