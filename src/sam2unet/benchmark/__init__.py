"""The paper's eighteen test sets: found, predicted and evaluated as published, in the paper's tables."""

from .bootstrap import intervals
from .catalogue import BenchmarkSet, Task, catalogue, chosen_sets, task_named
from .catalogue_tables import print_catalogue, print_layouts, print_scan
from .found_sets import CatalogueScan, FoundSet, find_sets
from .published import published_map
from .report import write_page
from .run import Benchmark, MethodResult, ModelFile, benchmark
from .shared_images import shared_images
from .tables import print_tables, write_csv, write_json, write_latex, write_markdown

__all__ = [
    "Benchmark", "BenchmarkSet", "CatalogueScan", "FoundSet", "MethodResult", "ModelFile", "Task", "benchmark",
    "catalogue", "chosen_sets", "find_sets", "intervals", "print_catalogue", "print_layouts", "print_scan",
    "print_tables", "published_map", "shared_images", "task_named", "write_csv", "write_json", "write_latex",
    "write_markdown", "write_page",
]  # fmt: skip
