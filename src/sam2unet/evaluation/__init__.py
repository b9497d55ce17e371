"""Evaluation as the field does it: metrics, folders, the report."""

from .folder import Evaluation, ImageScores, Options, evaluate, evaluate_folder, evaluate_pairs
from .metrics import Scores, score
from .multiclass_folder import MulticlassEvaluation, MulticlassImageScores, evaluate_multiclass
from .multiclass_metrics import class_dice, class_iou, confusion, image_dice, summarise_classes
from .multiclass_report import write_multiclass_report
from .pairs import EvaluationPair, find_predictions, is_multiclass
from .report import case_figure, curve_charts, write_report
from .tables import escaped
from .totals import Totals

__all__ = [
    "Evaluation",
    "EvaluationPair",
    "ImageScores",
    "MulticlassEvaluation",
    "MulticlassImageScores",
    "Options",
    "Scores",
    "Totals",
    "case_figure",
    "class_dice",
    "class_iou",
    "confusion",
    "curve_charts",
    "escaped",
    "evaluate",
    "evaluate_folder",
    "evaluate_multiclass",
    "evaluate_pairs",
    "find_predictions",
    "image_dice",
    "is_multiclass",
    "score",
    "summarise_classes",
    "write_multiclass_report",
    "write_report",
]  # fmt: skip
