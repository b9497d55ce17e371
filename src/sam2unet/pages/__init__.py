"""The HTML pages, charts and figures that all reports use."""

from .charts import curves
from .page import (
    OUTCOMES,
    UNLABELLED,
    classes_image,
    figure,
    histogram,
    legend,
    load_or_blank,
    outcome_image,
    page,
    tile,
    twentieths,
    worst_and_best,
)

__all__ = [
    "OUTCOMES", "UNLABELLED", "classes_image", "curves", "figure", "histogram", "legend", "load_or_blank",
    "outcome_image", "page", "tile", "twentieths", "worst_and_best",
]  # fmt: skip
