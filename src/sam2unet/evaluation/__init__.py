"""Evaluation as the field does it: metrics, folders of one class or several, shards, tables, the report."""

from .binary_report import case_figure, curve_charts
from .confusion_matrix import ConfusionMatrix
from .evaluation import DataIssue, Evaluation, ImageScores, Options
from .folder import evaluate, evaluate_folder, evaluate_pairs
from .json_file import merge_json, write_json
from .latex import escape_latex, latex_table
from .metrics import Scores, score
from .multiclass_metrics import class_dice, class_iou, confusion, image_dice, summarise_classes
from .pairs import EvaluationPair, find_predictions, is_multiclass
from .report import write_report
from .tables import open_csv, print_metrics, write_latex
from .totals import Totals

__all__ = [
    "ConfusionMatrix", "DataIssue", "Evaluation", "EvaluationPair", "ImageScores", "Options", "Scores", "Totals",
    "case_figure", "class_dice", "class_iou", "confusion", "curve_charts", "escape_latex", "evaluate",
    "evaluate_folder", "evaluate_pairs", "find_predictions", "image_dice", "is_multiclass", "latex_table", "merge_json",
    "open_csv", "print_metrics", "score", "summarise_classes", "write_json", "write_latex", "write_report",
]  # fmt: skip
