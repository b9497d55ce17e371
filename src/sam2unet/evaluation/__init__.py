"""Evaluation as the field does it: metrics, folders, the report."""

from .class_folder import ClassEvaluation, EvaluatedClasses, evaluate_classes
from .class_report import write_class_report
from .classes import class_dice, class_iou, confusion, picture_dice, summarise_classes
from .folder import Evaluated, evaluate, evaluate_each
from .matching import holds_classes
from .metrics import Scores, score, summarise
from .report import write_report

__all__ = [
    "ClassEvaluation", "Evaluated", "EvaluatedClasses", "Scores", "class_dice", "class_iou", "confusion", "evaluate",
    "evaluate_classes", "evaluate_each", "holds_classes", "picture_dice", "score", "summarise", "summarise_classes",
    "write_class_report", "write_report",
]  # fmt: skip
