"""Evaluation as the field does it: metrics, folders, the report."""

from .folder import Evaluated, evaluate, evaluate_each
from .metrics import Scores, score, summarise
from .report import write_report

__all__ = ["Evaluated", "Scores", "evaluate", "evaluate_each", "score", "summarise", "write_report"]
