"""The eighteen test sets of the paper, with the scores that it reports."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from ..errors import InputError


@dataclass(frozen=True)
class BenchmarkSet:
    """A test set; a field is None if no source confirms its value."""

    name: str
    task: str
    folder_names: re.Pattern[str]
    """Matches the names of its folders."""
    images: int | None
    """Number of images in the published test split."""
    train_images: int | None
    """Number of images in its own published training split."""
    home: str | None
    licence: str | None
    reference: str | None
    layouts: tuple[str, ...]
    """Folders of images and masks in which it is distributed."""
    reported: dict[str, float]
    """Scores that the paper reports, by the metrics' names in `evaluate`."""


@dataclass(frozen=True)
class Task:
    """A benchmark of the paper."""

    name: str
    metrics: tuple[str, ...]
    """Metrics of the paper's table, by their names in `evaluate`."""
    sets: tuple[BenchmarkSet, ...]
    """In the paper's order."""


@cache
def catalogue() -> dict[str, Task]:
    """Return the five tasks by name."""
    text = resources.files(__package__).joinpath("catalogue.yaml").read_text(encoding="utf-8")
    tasks = {}
    for task, content in yaml.safe_load(text).items():
        sets = tuple(_parse_set(name, task, entry) for name, entry in content["sets"].items())
        tasks[task] = Task(task, tuple(content["metrics"]), sets)
    return tasks


def _parse_set(name: str, task: str, entry: dict[str, Any]) -> BenchmarkSet:
    pattern = rf"(?<![a-z0-9])(?:{entry['folder_names']})(?![a-z0-9])"
    return BenchmarkSet(**entry | {
        "name": name, "task": task, "folder_names": re.compile(pattern, re.IGNORECASE),
        "layouts": tuple(entry["layouts"]),
    })  # fmt: skip


def task_named(name: str) -> Task:
    """Return a task of the catalogue.

    Raises:
        InputError: no such task.
    """
    if name not in catalogue():
        raise InputError(f"no task {name}: choose from {', '.join(catalogue())}")
    return catalogue()[name]


def chosen_sets(tasks: Iterable[str] = ()) -> list[BenchmarkSet]:
    """Return the sets of some tasks; of all tasks if none is named or "all" is.

    Raises:
        InputError: no such task.
    """
    names = list(tasks) or ["all"]
    chosen = catalogue().values() if "all" in names else map(task_named, names)
    return [dataset for task in chosen for dataset in task.sets]
