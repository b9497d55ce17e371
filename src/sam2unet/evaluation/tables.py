"""Metrics as a table on the terminal, as JSON and as CSV."""

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import appearing
from .class_folder import ClassEvaluation
from .folder import Evaluation


def print_metrics(metrics: dict[str, float]) -> None:
    """A line per metric."""
    width = max(12, *map(len, metrics))
    for name, value in metrics.items():
        print(f"{name:{width}} {value if name == 'images' else shown(value)}")


def print_classes(result: ClassEvaluation) -> None:
    """A row per class, then a line per mean."""
    metrics = result.metrics
    width = max(12, *map(len, result.names))
    print(f"{'class':{width}} {'IoU':6} Dice")
    for name in result.names:
        print(f"{name:{width}} {shown(metrics[f'IoU/{name}']):6} {shown(metrics[f'Dice/{name}'])}")
    print()
    print_metrics({name: value for name, value in metrics.items() if "/" not in name})


def shown(value: float, digits: int = 4) -> str:
    """The number, or a dash where there is nothing to measure."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def write_json(path: Path, metrics: dict[str, float], predictions: Path, masks: Path, **more: Any) -> None:
    """The metrics, null where there is nothing to measure; `more`; and what was compared."""
    finite = {name: None if math.isnan(value) else value for name, value in metrics.items()}
    compared = {"predictions": str(predictions), "masks": str(masks), "version": version("sam2unet")}
    with appearing(path) as partial:
        partial.write_text(json.dumps({"metrics": finite} | more | compared, indent=2) + "\n", encoding="utf-8")


def write_latex(path: Path, metrics: Mapping[str, float], name: str) -> None:
    """The metrics as a row, for the package booktabs."""
    names = [metric for metric in metrics if metric != "images"]
    head, row = " & ".join(names), " & ".join(shown(metrics[metric], 3) for metric in names)
    lines = [rf"\begin{{tabular}}{{l{'c' * len(names)}}}", r"\toprule", rf"Method & {head} \\", r"\midrule",
             rf"{name} & {row} \\", r"\bottomrule", r"\end{tabular}"]  # fmt: skip
    with appearing(path) as partial:
        partial.write_text("\n".join(lines).replace("_", r"\_") + "\n", encoding="utf-8")


def merge_json(parts: Sequence[Path]) -> tuple[Evaluation, Path, Path]:
    """The evaluation whose shares `write_json` wrote; the folders of predictions and masks.

    Raises:
        InputError: no share, one of another evaluation, or not each share once.
    """
    stored = [_read_share(path) for path in parts]
    for path, share in zip(parts, stored, strict=True):
        for key in ("predictions", "masks", "version"):
            if share[key] != stored[0][key]:
                raise InputError(f"{path}: has {key} {share[key]}, but {parts[0]} has {stored[0][key]}")
        if share["kept"]["options"] != stored[0]["kept"]["options"]:
            raise InputError(f"{path}: was evaluated with other options than {parts[0]}")
    found = sorted(tuple(map(int, share["shard"].split("/"))) for share in stored)
    of = found[0][1]
    if found != [(number, of) for number in range(1, of + 1)]:
        there = ", ".join(f"{number}/{of}" for number, of in found)
        raise InputError(f"{parts[0].parent}: not each share once: {there}")
    result = Evaluation.from_json(stored[0])
    for share in stored[1:]:
        result.merge(Evaluation.from_json(share))
    return result, Path(stored[0]["predictions"]), Path(stored[0]["masks"])


def _read_share(path: Path) -> dict[str, Any]:
    try:
        share = json.loads(path.read_text(encoding="utf-8"))
        return share if share["kept"] and share["shard"] else {}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: is no share that `evaluate --shard K/N --json` wrote") from error


@contextmanager
def csv_of_pictures(path: Path | None) -> Iterator[Callable[[str, Mapping[str, float]], None]]:
    """Gives what writes a row: a picture's name and its values, empty where there is nothing to measure."""
    if path is None:
        yield lambda name, values: None
        return
    with appearing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer, written = csv.writer(file), count()

        def write(name: str, values: Mapping[str, float]) -> None:
            if not next(written):
                writer.writerow(["name", *values])
            writer.writerow([name, *("" if math.isnan(value) else f"{value:.6f}" for value in values.values())])

        yield write
