"""Evaluations as JSON files, and the merging of those that hold the shards of one evaluation."""

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ..errors import InputError
from ..files import atomic_path
from ..system import Shard
from .evaluation import Evaluation


def write_json(path: Path, evaluation: Evaluation, predictions: Path, masks: Path, shard: Shard = Shard()) -> None:  # noqa: B008, frozen
    """Write the metrics, null for nan; curves or confusion matrix; what was compared; and what `merge_json` needs."""
    metrics = {name: None if math.isnan(value) else value for name, value in evaluation.metrics().items()}
    compared = {"predictions": str(predictions), "masks": str(masks), "version": version("sam2unet")}
    content = {"metrics": metrics, "shard": str(shard)} | evaluation.as_json() | compared
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def merge_json(files: Sequence[Path]) -> tuple[Evaluation, Path, Path]:
    """Merge the shards of one evaluation, as `write_json` wrote them.

    Returns:
        The evaluation, and the folders of predictions and masks as the first shard names them.

    Raises:
        InputError: a file that is no shard, shards of different evaluations, or not every shard once.
    """
    shards = sorted((_read(file) for file in files), key=lambda shard: shard.index)
    first = shards[0]
    for shard in shards:
        if (shard.evaluation.digest, shard.evaluation.options) != (first.evaluation.digest, first.evaluation.options):
            raise InputError(
                f"{shard.file}: has other images, classes or options than {first.file}; evaluate all shards of one "
                "folder with the same options and the same version"
            )
    if [(shard.index, shard.count) for shard in shards] != [(i + 1, first.count) for i in range(first.count)]:
        there = ", ".join(f"{shard.index}/{shard.count}" for shard in shards)
        raise InputError(f"{first.file.parent}: holds shards {there}; merge each of 1 to {first.count} once")
    for shard in shards[1:]:
        first.evaluation.merge(shard.evaluation)
    first.evaluation.check(first.predictions)
    return first.evaluation, first.predictions, first.masks


@dataclass(frozen=True)
class _StoredShard:
    file: Path
    index: int
    count: int
    evaluation: Evaluation
    predictions: Path
    masks: Path


def _read(file: Path) -> _StoredShard:
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        index, count = map(int, stored["shard"].split("/"))
        folders = Path(stored["predictions"]), Path(stored["masks"])
        evaluation = Evaluation.from_json(stored)
        if "kept" in stored:
            logging.getLogger("sam2unet").warning("%s: has the key names of version 0.1, which are still read", file)
        return _StoredShard(file, index, count, evaluation, *folders)
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: is not the JSON of one shard of an evaluation") from error
