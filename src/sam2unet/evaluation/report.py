"""The report of an evaluation: one HTML page that needs no other file and no network."""

import html
from pathlib import Path

from ..errors import InputError
from ..files import atomic_path
from ..pages import page
from .binary_report import binary_sections
from .confusion_matrix import ConfusionMatrix
from .evaluation import Evaluation
from .multiclass_report import multiclass_sections


def write_report(path: Path, evaluation: Evaluation, title: str) -> None:
    """Write the page.

    Args:
        path: the file.
        evaluation: of one class or several; the images that it shows are read again.
        title: plain text.

    Raises:
        InputError: no image has a score.
    """
    if not evaluation.worst:
        raise InputError(f"{path}: there is no image to report on")
    totals, kind = evaluation.totals, ""
    if isinstance(totals, ConfusionMatrix):
        kind, sections = f" · {len(totals.names)} classes", multiclass_sections(evaluation, totals)
    else:
        sections = binary_sections(evaluation)
    folder = html.escape(str(evaluation.worst[0].prediction.parent))
    readings = "".join(f'<p class="dim">{html.escape(sentence)}</p>' for sentence in evaluation.describe_readings())
    issues = "".join(f"<p><strong>Note:</strong> {html.escape(issue)}</p>" for issue in evaluation.issues())
    body = f'<p class="dim">{totals.images} images{kind} · predictions: {folder}</p>\n{readings}{issues}{sections}'
    with atomic_path(path) as partial:
        partial.write_text(page(title, body), encoding="utf-8")
