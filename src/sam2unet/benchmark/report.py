"""The benchmark as a page: the paper's tables, and each set's curves and worst cases."""

import html
from pathlib import Path

from ..evaluation import case_figure, curve_charts
from ..files import atomic_path
from ..pages import OUTCOMES, legend, page
from .run import Benchmark, MethodResult
from .tables import tables

WORST = 6
"""Pictures of each set and method."""


def write_page(path: Path, result: Benchmark, title: str) -> None:
    """Write the page; it needs no other file and no network."""
    remarks = "".join(f"<li>{html.escape(remark)}</li>" for remark in result.remarks)
    parts = [f"<h2>{task.name.capitalize()}</h2>{_table(rows, [one.name for one in sets], task.metrics)}"
             for task, sets, rows in tables(result)]  # fmt: skip
    sections = "".join(map(_section, result.rows))
    body = f"""<p class="dim">{html.escape(str(result.finding.root))}</p>
{"".join(parts)}
<p class="dim">?: no source confirms what was reported. –: not measured.</p>
{f"<h2>Mind</h2><ul>{remarks}</ul>" if remarks else ""}
{sections}"""
    with atomic_path(path) as partial:
        partial.write_text(page(title, body), encoding="utf-8")


def _table(rows: list[list[str]], sets: list[str], metrics: tuple[str, ...]) -> str:
    heads = "".join(f'<th colspan="{len(metrics)}">{html.escape(one)}</th>' for one in sets)
    names = "".join(f"<th>{metric}</th>" for _ in sets for metric in metrics)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return (f'<div class="scroll"><table class="numbers"><tr><th></th>{heads}</tr><tr><th>method</th>{names}</tr>{body}'
            "</table></div>")  # fmt: skip


def _section(row: MethodResult) -> str:
    """A method on a set."""
    spans = ", ".join(f"{name} {row.metrics[name]:.3f} ({low:.3f} to {high:.3f})" for name, (low, high) in
                      row.intervals.items())  # fmt: skip
    cases = "".join(case_figure(item, row.evaluation.options.threshold) for item in row.evaluation.worst[:WORST])
    return f"""<h2>{html.escape(row.set.name)}: {html.escape(row.method)}</h2>
<p class="dim">{row.metrics["images"]} pictures; {spans}, in brackets 95 % of the bootstrap over
pictures{f"; {row.pictures_per_second:.2f} pictures a second" if row.pictures_per_second else ""}</p>
<div class="charts">{curve_charts(row.evaluation.as_json()["curves"])}</div>
<h3>Lowest Dice</h3><p class="dim">The picture, and what of the object was {legend(OUTCOMES)}</p>
<div class="grid">{cases}</div>"""
