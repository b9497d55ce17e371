"""Predicting and evaluating the sets that are there."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from ..data import Pair, Polygons, is_image, match, walk
from ..errors import InputError
from ..evaluation import Evaluation, EvaluationPair, ImageScores, Options, evaluate_pairs, find_predictions
from ..prediction import Predictor
from .bootstrap import intervals
from .catalogue import BenchmarkSet, catalogue
from .found_sets import CatalogueScan
from .published import model_fingerprint, predict_set

Progress = Callable[[int, int], object]


@dataclass
class MethodResult:
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

    finding: CatalogueScan
    rows: list[MethodResult] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    failed: bool = False
    """Whether something that is there could not be measured."""

    @contextmanager
    def told(self, what: str) -> Iterator[None]:
        """Make a remark of what is wrong with it, so that the rest goes on."""
        try:
            yield
        except InputError as error:
            self.remarks.append(f"{what}: {error}")
            self.failed = True


def benchmark(
    finding: CatalogueScan,
    out: Path,
    model: Path | None = None,
    maps: Mapping[str, Path] | None = None,
    *,
    device: str = "auto",
    trunk_weights: Path | None = None,
    strict: bool = False,
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
        strict: see `evaluate`; a set with such a map gets no score.
        processes: see `evaluate`.
        progress: gets what is done, and gives what gets how many of how many pictures.

    Raises:
        InputError: no set, nothing that could be measured, a model of several classes, or no maps of a method.
    """
    if not finding.copies:
        raise InputError(f"{finding.root}: holds none of {', '.join(one.name for one in finding.sets)}")
    result = Benchmark(finding, remarks=finding.remarks())
    measure = _Measure(Options(strict=strict), processes, progress)
    # float32 also where predictions are made in bf16: as published
    predictor = Predictor(model, device, precision="float32", trunk_weights=trunk_weights) if model else None
    if predictor and predictor.card.classes > 1:
        raise InputError(f"the benchmark's sets have one class, {model} has {predictor.card.classes}")
    folder = out / "maps" / model_fingerprint(model, predictor) if model and predictor else out
    found_maps = {method: _maps_by_set(path, finding.sets) for method, path in (maps or {}).items()}
    name = "" if not model else model.resolve().parent.name if model.stem in ("best", "last") else model.stem
    if name in found_maps:
        raise InputError(f"{name} is the model's name; call the maps otherwise, as NAME=FOLDER")
    for one in finding.sets:
        copies = finding.copies.get(one.name)
        if not copies:
            continue
        pairs = copies[0].test
        if not pairs:
            result.remarks.append(f"{one.name}: no test pairs in {copies[0].folder}")
            continue
        if model and predictor:
            # Of another folder they may be other pictures by the same names.
            place = folder / f"{one.name}-{hashlib.sha256(str(copies[0].folder).encode()).hexdigest()[:8]}"
            with result.told(f"{name} on {one.name}"):
                result.rows.append(_measure_model(name, one, predictor, pairs, place, measure))
        for method, by_set in found_maps.items():
            if one.name not in by_set:
                result.remarks.append(f"{method}: no maps of {one.name}")
                continue
            matched = {mask: map_ for map_, mask in match(by_set[one.name], {p.key: p.mask for p in pairs}).items()}
            items = [
                EvaluationPair(p.key, by_set[one.name][matched[p.key]], p.mask, p.image)
                for p in pairs
                if p.key in matched
            ]
            missing = [pair.mask for pair in pairs if pair.key not in matched]
            with result.told(f"{method} on {one.name}"):
                result.rows.append(measure(method, one, items, missing))
    for row in result.rows:
        result.remarks += [f"{row.method} on {row.set.name}: {remark}" for remark in row.evaluation.issues()]
    if not result.rows:
        raise InputError(f"{finding.root}: nothing could be measured: {'; '.join(result.remarks)}")
    return result


@dataclass(frozen=True)
class _Measure:
    """How maps are measured, whatever method they are of."""

    options: Options
    processes: int | None
    progress: Callable[[str], AbstractContextManager[Progress]]

    def __call__(
        self, method: str, one: BenchmarkSet, items: Sequence[EvaluationPair], missing: Sequence[Path | Polygons] = ()
    ) -> MethodResult:
        """Raise InputError if no map could be scored."""
        pictures: list[ImageScores] = []
        if missing and self.options.strict:
            raise InputError(f"{len(missing)} maps are missing, such as that of {missing[0]}")
        with self.progress(f"evaluating {method} on {one.name}") as progress:
            evaluation = evaluate_pairs(
                items, missing, self.options, processes=self.processes, progress=progress, on_image=pictures.append
            )
        evaluation.check(items[0].prediction.parent if items else Path(method), Path(one.name))
        metrics = evaluation.totals.metrics()
        return MethodResult(method, one, evaluation, metrics, intervals(pictures, catalogue()[one.task].metrics))


def _measure_model(
    name: str, one: BenchmarkSet, predictor: Predictor, pairs: Sequence[Pair], out: Path, measure: _Measure
) -> MethodResult:
    started = time.perf_counter()
    with measure.progress(f"predicting {one.name}") as progress:
        files, new = predict_set(predictor, pairs, out, progress)
    seconds = time.perf_counter() - started
    row = measure(name, one, [EvaluationPair(pair.key, files[pair.key], pair.mask, pair.image) for pair in pairs])
    row.pictures_per_second = new / seconds if new else None
    return row


def _maps_by_set(folder: Path, sets: Sequence[BenchmarkSet]) -> dict[str, dict[str, Path]]:
    """The maps below a folder by set and name; a set's are in the outermost folder that is called like it.

    Raises:
        InputError: no folder of maps, or two of one set.
    """
    places: dict[str, set[Path]] = {}
    for path in filter(is_image, walk(folder)):
        for place in (Path(), *reversed(path.relative_to(folder).parents[:-1])):
            one = next((one for one in sets if one.names.search((folder / place).absolute().name)), None)
            if one:
                places.setdefault(one.name, set()).add(folder / place)
                break
    if not places:
        raise InputError(f"{folder}: holds no folder that is called like one of {', '.join(one.name for one in sets)}")
    for name, found in places.items():
        if len(found) > 1:
            raise InputError(f"{folder}: holds maps of {name} twice: {', '.join(map(str, sorted(found)))}")
    return {name: find_predictions(*found) for name, found in places.items()}
