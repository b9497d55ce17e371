"""The eighteen test sets of the paper: what they are, and what the paper reports of them."""

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
    """A test set of the catalogue; None is what no source confirms."""

    name: str
    task: str
    names: re.Pattern[str]
    """What its folders are called."""
    images: int | None
    """In the published test split."""
    train_images: int | None
    """In its own published training split."""
    home: str | None
    licence: str | None
    reference: str | None
    layouts: tuple[str, ...]
    """Folders of pictures and masks as it is handed out."""
    reported: dict[str, float]
    """What the paper reports, by the names of `evaluate`."""


@dataclass(frozen=True)
class Task:
    """A benchmark of the paper: its sets in the paper's order, and the metrics of its table by the names of
    `evaluate`."""

    name: str
    metrics: tuple[str, ...]
    sets: tuple[BenchmarkSet, ...]


@cache
def catalogue() -> dict[str, Task]:
    """The five tasks by name."""
    text = resources.files(__package__).joinpath("catalogue.yaml").read_text(encoding="utf-8")
    tasks = {}
    for task, content in yaml.safe_load(text).items():
        sets = tuple(_set(name, task, entry) for name, entry in content["sets"].items())
        tasks[task] = Task(task, tuple(content["metrics"]), sets)
    return tasks


def _set(name: str, task: str, entry: dict[str, Any]) -> BenchmarkSet:
    return BenchmarkSet(
        name, task, re.compile(rf"(?<![a-z0-9])(?:{entry['names']})(?![a-z0-9])", re.IGNORECASE), entry["images"],
        entry["train_images"], entry["home"], entry["licence"], entry["reference"], tuple(entry["layouts"]),
        entry["reported"],
    )  # fmt: skip


def task_named(name: str) -> Task:
    """A task of the catalogue.

    Raises:
        InputError: no such task.
    """
    if name not in catalogue():
        raise InputError(f"no task {name}: choose from {', '.join(catalogue())}")
    return catalogue()[name]


def chosen_sets(tasks: Iterable[str] = ()) -> list[BenchmarkSet]:
    """The sets of some tasks, or of all if none is named or "all" is; raises as `task_named` does."""
    names = list(tasks) or ["all"]
    wanted = catalogue().values() if "all" in names else map(task_named, names)
    return [one for task in wanted for one in task.sets]
