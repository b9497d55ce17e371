"""Metrics as a table on the terminal, as JSON and as CSV."""

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import atomic_path
from .folder import Evaluation
from .multiclass_folder import MulticlassEvaluation


def print_metrics(metrics: dict[str, float]) -> None:
    """A line per metric."""
    width = max(12, *map(len, metrics))
    for name, value in metrics.items():
        print(f"{name:{width}} {value if name == 'images' else shown(value)}")


def print_classes(result: MulticlassEvaluation) -> None:
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
    with atomic_path(path) as partial:
        partial.write_text(json.dumps({"metrics": finite} | more | compared, indent=2) + "\n", encoding="utf-8")


def write_latex(path: Path, metrics: Mapping[str, float], name: str) -> None:
    """The metrics as a row, for the package booktabs."""
    names = [metric for metric in metrics if metric != "images"]
    head, row = " & ".join(map(escaped, names)), " & ".join(shown(metrics[metric], 3) for metric in names)
    lines = [rf"\begin{{tabular}}{{l{'c' * len(names)}}}", r"\toprule", rf"Method & {head} \\", r"\midrule",
             rf"{escaped(name)} & {row} \\", r"\bottomrule", r"\end{tabular}"]  # fmt: skip
    with atomic_path(path) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def merge_json(parts: Sequence[Path]) -> tuple[Evaluation, Path, Path]:
    """The evaluation whose shares `write_json` wrote; the folders of predictions and masks as the first names them.

    Raises:
        InputError: no share, one of another evaluation, or not each share once.
    """
    shares = sorted((_read_share(path) for path in parts), key=lambda share: share.place)
    first = shares[0]
    for share in shares:
        if (share.found.whole, share.found.options) != (first.found.whole, first.found.options):
            raise InputError(f"{share.path}: is of other pictures or with other options than {first.path}")
    of = first.place[1]
    if [share.place for share in shares] != [(number, of) for number in range(1, of + 1)]:
        there = ", ".join(f"{number}/{of}" for number, of in (share.place for share in shares))
        raise InputError(f"{first.path.parent}: not each share once: {there}")
    for share in shares[1:]:
        first.found.merge(share.found)
    first.found.check(first.folders[0])
    return first.found, *first.folders


@dataclass(frozen=True)
class _Share:
    path: Path
    place: tuple[int, int]
    found: Evaluation
    folders: tuple[Path, Path]


def _read_share(path: Path) -> _Share:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        number, of = map(int, stored["shard"].split("/"))
        folders = Path(stored["predictions"]), Path(stored["masks"])
        return _Share(path, (number, of), Evaluation.from_json(stored), folders)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is not the JSON of one shard of an evaluation") from error


def escaped(text: str) -> str:
    """Plain text for LaTeX."""
    signs = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--"}
    return "".join(signs.get(sign, f"\\{sign}" if sign in "&%#_${}" else sign) for sign in text)


@contextmanager
def csv_of_pictures(path: Path | None) -> Iterator[Callable[[str, Mapping[str, float]], None]]:
    """Gives what writes a row: a picture's name and its values, empty where there is nothing to measure."""
    if path is None:
        yield lambda name, values: None
        return
    with atomic_path(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer, written = csv.writer(file), count()

        def write(name: str, values: Mapping[str, float]) -> None:
            if not next(written):
                writer.writerow(["name", *values])
            writer.writerow([name, *("" if math.isnan(value) else f"{value:.6f}" for value in values.values())])

        yield write
