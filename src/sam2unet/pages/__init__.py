"""The HTML pages, charts and figures of all reports."""

from .charts import curves, histogram, twentieths
from .contact_sheet import write_contact_sheet
from .formatting import format_duration, format_score
from .images import (
    NUM_BEST,
    NUM_WORST,
    OUTCOMES,
    UNLABELLED,
    classes_image,
    figure,
    load_or_blank,
    outcome_image,
    worst_and_best,
)
from .page import facts, legend, page, tile

__all__ = [
    "NUM_BEST", "NUM_WORST", "OUTCOMES", "UNLABELLED", "classes_image", "curves", "facts", "figure", "format_duration",
    "format_score", "histogram", "legend", "load_or_blank", "outcome_image", "page", "tile", "twentieths",
    "worst_and_best", "write_contact_sheet",
]  # fmt: skip
