"""The benchmark as an HTML page: the paper's tables, and each set's curves and worst cases."""

import html
from pathlib import Path

from ..evaluation import case_figure, curve_charts
from ..files import atomic_path
from ..pages import OUTCOMES, legend, page
from .run import Benchmark, MethodResult
from .tables import tables

WORST = 6
"""Worst images shown per set and method."""


def write_page(path: Path, result: Benchmark, title: str) -> None:
    """Write a self-contained page."""
    remarks = "".join(f"<li>{html.escape(remark)}</li>" for remark in result.remarks)
    parts = [f"<h2>{task.name.capitalize()}</h2>{_table(rows, [dataset.name for dataset in sets], task.metrics)}"
             for task, sets, rows in tables(result)]  # fmt: skip
    sections = "".join(map(_section, result.rows))
    body = f"""<p class="dim">{html.escape(str(result.scan.root))}</p>
{"".join(parts)}
<p class="dim">?: no source confirms what was reported. –: not measured.</p>
{f"<h2>Remarks</h2><ul>{remarks}</ul>" if remarks else ""}
{sections}"""
    with atomic_path(path) as partial:
        partial.write_text(page(title, body), encoding="utf-8")


def _table(rows: list[list[str]], sets: list[str], metrics: tuple[str, ...]) -> str:
    heads = "".join(f'<th colspan="{len(metrics)}">{html.escape(name)}</th>' for name in sets)
    names = "".join(f"<th>{metric}</th>" for _ in sets for metric in metrics)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return (f'<div class="scroll"><table class="numbers"><tr><th></th>{heads}</tr><tr><th>method</th>{names}</tr>{body}'
            "</table></div>")  # fmt: skip


def _section(row: MethodResult) -> str:
    """Render the scores, curves and worst cases of a method on a set."""
    spans = ", ".join(f"{name} {row.metrics[name]:.3f} ({low:.3f} to {high:.3f})" for name, (low, high) in
                      row.intervals.items())  # fmt: skip
    cases = "".join(case_figure(item, row.evaluation.options) for item in row.evaluation.worst[:WORST])
    return f"""<h2>{html.escape(row.set.name)}: {html.escape(row.method)}</h2>
<p class="dim">{row.metrics["images"]} images; {spans}, in brackets the 95 % bootstrap interval over
images{f"; {row.images_per_second:.2f} images per second" if row.images_per_second else ""}</p>
<div class="charts">{curve_charts(row.evaluation.as_json()["curves"])}</div>
<h3>Lowest Dice</h3><p class="dim">The image, and the object where it was {legend(OUTCOMES)}</p>
<div class="grid">{cases}</div>"""
