"""Predicting and evaluating the sets that are there."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from ..data import Polygons, match
from ..data.catalogue import BenchmarkSet, Finding, catalogue
from ..errors import InputError
from ..evaluation import Compared, Evaluated, Evaluation, Options, evaluate_pairs, find_predictions
from ..prediction import Predictor
from .bootstrap import intervals
from .published import fingerprint, predict_set

Progress = Callable[[int, int], object]


@dataclass
class Measured:
    """One method on one set."""

    method: str
    set: BenchmarkSet
    evaluation: Evaluation
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    """Of the metrics of the set's task, 95 % of the bootstrap."""
    pictures_per_second: float | None = None
    """Read, predicted and saved; None where all maps were there."""


@dataclass
class Benchmark:
    """All methods on all sets, the paper's order; and what was not as it should be, in sentences."""

    finding: Finding
    rows: list[Measured] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def benchmark(
    finding: Finding,
    out: Path,
    model: Path | None = None,
    maps: Mapping[str, Path] | None = None,
    *,
    device: str = "auto",
    trunk_weights: Path | None = None,
    processes: int | None = None,
    progress: Callable[[str], AbstractContextManager[Progress]] = lambda what: nullcontext(lambda done, total: None),
) -> Benchmark:
    """Measure a model, and other methods' maps, on each set that was found.

    Args:
        finding: see `data.catalogue.find_sets`.
        out: the model's maps go to OUT/maps/FINGERPRINT/SET and are taken from there the next time.
        model: a model file or an upstream .pth; None for maps alone.
        maps: by method the folder that holds its maps, a folder for each set, named as sets are.
        device: see `Predictor`.
        trunk_weights: see `Predictor`.
        processes: see `evaluate`.
        progress: gets what is done, and gives what gets how many of how many pictures.

    Raises:
        InputError: no set, a model of several classes, no maps of a method, or a broken picture.
    """
    if not finding.copies:
        raise InputError(f"{finding.root}: holds none of {', '.join(one.name for one in finding.sets)}")
    result = Benchmark(finding, remarks=finding.remarks())
    predictor = Predictor(model, device, trunk_weights=trunk_weights) if model else None
    folder = out / "maps" / fingerprint(model, predictor) if model and predictor else out
    found_maps = {method: _maps_by_set(path, finding.sets) for method, path in (maps or {}).items()}
    name = "" if not model else model.resolve().parent.name if model.stem in ("best", "last") else model.stem
    for one in finding.sets:
        if one.name not in finding.copies:
            continue
        pairs = finding.copies[one.name][0].test
        if model and predictor:
            started, there = time.perf_counter(), sum((folder / one.name / f"{p.key}.png").exists() for p in pairs)
            with progress(f"predicting {one.name}") as predicted:
                files = predict_set(predictor, pairs, folder / one.name, predicted)
            seconds, new = time.perf_counter() - started, len(pairs) - there
            items = [Compared(pair.key, files[pair.key], pair.mask, pair.image) for pair in pairs]
            with progress(f"evaluating {one.name}") as evaluated:
                row = _measure(name, one, items, [], processes, evaluated)
            row.pictures_per_second = new / seconds if new else None
            result.rows.append(row)
        for method, by_set in found_maps.items():
            if one.name not in by_set:
                result.remarks.append(f"{method}: no maps of {one.name}")
                continue
            matched = {mask: map_ for map_, mask in match(by_set[one.name], {p.key: p.mask for p in pairs}).items()}
            items = [
                Compared(p.key, by_set[one.name][matched[p.key]], p.mask, p.image) for p in pairs if p.key in matched
            ]
            missing = [pair.mask for pair in pairs if pair.key not in matched]
            if items:
                with progress(f"evaluating {method} on {one.name}") as evaluated:
                    result.rows.append(_measure(method, one, items, missing, processes, evaluated))
            else:
                result.remarks.append(f"{method}: no map fits the masks of {one.name}")
    for row in result.rows:
        result.remarks += [f"{row.method} on {row.set.name}: {remark}" for remark in row.evaluation.remarks()]
    return result


def _measure(
    method: str, one: BenchmarkSet, items: Sequence[Compared], missing: Sequence[Path | Polygons],
    processes: int | None, progress: Progress,
) -> Measured:  # fmt: skip
    pictures: list[Evaluated] = []
    evaluation = evaluate_pairs(
        items, missing, Options(), processes=processes, progress=progress, on_picture=pictures.append
    )
    if not pictures:
        raise InputError(f"{method} on {one.name}: no map could be scored: {'; '.join(evaluation.remarks())}")
    wanted = catalogue()[one.task].metrics
    return Measured(method, one, evaluation, evaluation.totals.metrics(), intervals(pictures, wanted))


def _maps_by_set(folder: Path, sets: Sequence[BenchmarkSet]) -> dict[str, dict[str, Path]]:
    """The maps below a folder by set and name, by the innermost folder that is called like a set."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_dir()):
        one = next((one for one in sets if one.names.search(path.name)), None)
        if one and (maps := find_predictions(path)):
            found.setdefault(one.name, {}).update(maps)
    if not found:
        raise InputError(f"{folder}: holds no folder that is called like one of {', '.join(one.name for one in sets)}")
    return found
