"""The paper's eighteen test sets: predicted and evaluated as published, in the paper's tables."""

from .bootstrap import intervals
from .published import published_map
from .report import write_page
from .run import Measured, benchmark
from .tables import print_tables, write_csv, write_json, write_latex, write_markdown

__all__ = [
    "Measured", "benchmark", "intervals", "print_tables", "published_map", "write_csv", "write_json", "write_latex",
    "write_markdown", "write_page",
]  # fmt: skip
