"""Evaluation as the field does it: metrics, folders, the report."""

from .class_folder import ClassEvaluation, EvaluatedClasses, evaluate_classes
from .class_report import write_class_report
from .classes import class_dice, class_iou, confusion, picture_dice, summarise_classes
from .folder import Evaluated, Evaluation, Options, evaluate, evaluate_folder, evaluate_pairs
from .matching import Compared, find_predictions, holds_classes
from .metrics import Scores, score
from .report import write_report
from .totals import Totals

__all__ = [
    "ClassEvaluation", "Compared", "Evaluated", "EvaluatedClasses", "Evaluation", "Options", "Scores", "Totals",
    "class_dice", "class_iou", "confusion", "evaluate", "evaluate_classes", "evaluate_folder", "evaluate_pairs",
    "find_predictions", "holds_classes", "picture_dice", "score", "summarise_classes", "write_class_report",
    "write_report",
]  # fmt: skip
