"""Predicting and evaluating the test sets that were found."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from ..data import MaskSource, is_image, match, walk
from ..errors import InputError
from ..evaluation import Evaluation, EvaluationPair, ImageScores, Options, evaluate_pairs, find_predictions
from ..prediction import Predictor
from .bootstrap import intervals
from .catalogue import BenchmarkSet, catalogue
from .found_sets import CatalogueScan, FoundSet
from .published import model_fingerprint, predict_set

Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class ModelFile:
    """The model to measure, and how to load it; see `Predictor`."""

    path: Path
    """A model file or an upstream .pth."""
    device: str = "auto"
    trunk_weights: Path | None = None

    @property
    def name(self) -> str:
        """The file's name; that of the run's folder for its best and last model."""
        return self.path.resolve().parent.name if self.path.stem in ("best", "last") else self.path.stem

    def load(self) -> Predictor:
        """Load the model in float32, as published, also where predictions are usually made in bf16.

        Raises:
            InputError: the file can't be used, or the model has several classes.
        """
        predictor = Predictor(self.path, self.device, precision="float32", trunk_weights=self.trunk_weights)
        if predictor.card.classes > 1:
            raise InputError(
                f"{self.path}: has {predictor.card.classes} classes, but the benchmark's sets have one class: choose "
                "another model"
            )
        return predictor


@dataclass
class MethodResult:
    """One method on one set."""

    method: str
    set: BenchmarkSet
    evaluation: Evaluation
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    """95 % bootstrap interval of each metric of the set's task."""
    images_per_second: float | None = None
    """Reading, predicting and saving; None if all maps existed already."""


@dataclass
class Benchmark:
    """All methods on all sets, in the paper's order."""

    scan: CatalogueScan
    rows: list[MethodResult] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """What is missing, broken or differs from what is published, in sentences."""
    failed: bool = False
    """True if a method could not be measured on a set although the files exist."""

    @contextmanager
    def record_failure(self, where: str) -> Iterator[None]:
        """Turn an InputError inside the block into a remark, so that the other sets are still measured."""
        try:
            yield
        except InputError as error:
            self.remarks.append(f"{where}: {error}")
            self.failed = True


def benchmark(
    scan: CatalogueScan,
    out: Path,
    model: ModelFile | None = None,
    maps: Mapping[str, Path] | None = None,
    *,
    strict: bool = False,
    processes: int | None = None,
    progress: Callable[[str], AbstractContextManager[Progress]] = lambda what: nullcontext(lambda done, total: None),
) -> Benchmark:
    """Measure a model, and other methods' maps, on each set that was found.

    Args:
        scan: what `find_sets` returned.
        out: the model's maps are written to OUT/maps/FINGERPRINT/SET and reused the next time.
        model: None to measure maps only.
        maps: by method, the folder of its maps, with one folder per set, named as sets are.
        strict: see `evaluate`; a set with an unusable map gets no score.
        processes: see `evaluate`.
        progress: is called with a description; yields a function of the number of images done and their total.

    Raises:
        InputError: no set was found, nothing could be measured, the model has several classes, or a method has no maps.
    """
    if not scan.copies:
        raise InputError(
            f"{scan.root}: holds none of {', '.join(dataset.name for dataset in scan.sets)}: choose another folder",
            "data",
        )
    result = Benchmark(scan, remarks=scan.remarks())
    scorer = _Scorer(Options(strict=strict), processes, progress)
    loaded = _LoadedModel.load(model, out) if model else None
    maps_by_method = {method: _maps_by_set(folder, scan.sets) for method, folder in (maps or {}).items()}
    if loaded and loaded.name in maps_by_method:
        raise InputError(f"{loaded.name} is the name of the model and of maps: give the maps another name", "maps")
    for dataset, found in scan.best_copies():
        if found.test:
            _measure_set(result, dataset, found, loaded, maps_by_method, scorer)
        else:
            result.remarks.append(f"{dataset.name}: no test pairs in {found.folder}")
    for row in result.rows:
        result.remarks += [f"{row.method} on {row.set.name}: {remark}" for remark in row.evaluation.issues()]
    if not result.rows:
        raise InputError(f"{scan.root}: nothing could be measured: {'; '.join(result.remarks)}")
    return result


@dataclass(frozen=True)
class _Scorer:
    """Scores maps with the same options for all methods."""

    options: Options
    processes: int | None
    progress: Callable[[str], AbstractContextManager[Progress]]

    def score(
        self,
        method: str,
        dataset: BenchmarkSet,
        items: Sequence[EvaluationPair],
        missing: Sequence[MaskSource] = (),
    ) -> MethodResult:
        """Score a method's maps on a set; `missing` are the masks without map.

        Raises:
            InputError: no map could be scored, or one is missing and the options are strict.
        """
        images: list[ImageScores] = []
        if missing and self.options.strict:
            raise InputError(f"{len(missing)} maps are missing, such as that of {missing[0]}")
        with self.progress(f"evaluating {method} on {dataset.name}") as progress:
            evaluation = evaluate_pairs(
                items, missing, self.options, processes=self.processes, progress=progress, on_image=images.append
            )
        evaluation.check(items[0].prediction.parent if items else Path(method))
        metrics = evaluation.totals.metrics()
        return MethodResult(method, dataset, evaluation, metrics, intervals(images, catalogue()[dataset.task].metrics))


@dataclass(frozen=True)
class _LoadedModel:
    name: str
    predictor: Predictor
    folder: Path
    """Of its maps."""

    @classmethod
    def load(cls, model: ModelFile, out: Path) -> "_LoadedModel":
        predictor = model.load()
        return cls(model.name, predictor, out / "maps" / model_fingerprint(model.path, predictor))

    def measure(self, dataset: BenchmarkSet, found: FoundSet, scorer: _Scorer) -> MethodResult:
        """Predict and score a set."""
        # Another folder may hold other images with the same names.
        digest = hashlib.sha256(str(found.folder).encode()).hexdigest()[:8]
        started = time.perf_counter()
        with scorer.progress(f"predicting {dataset.name}") as progress:
            files, new = predict_set(self.predictor, found.test, self.folder / f"{dataset.name}-{digest}", progress)
        seconds = time.perf_counter() - started
        items = [EvaluationPair(pair.key, files[pair.key], pair.mask, pair.image, None) for pair in found.test]
        row = scorer.score(self.name, dataset, items)
        row.images_per_second = new / seconds if new else None
        return row


def _measure_set(
    result: Benchmark,
    dataset: BenchmarkSet,
    found: FoundSet,
    model: _LoadedModel | None,
    maps_by_method: Mapping[str, Mapping[str, Mapping[str, Path]]],
    scorer: _Scorer,
) -> None:
    """Add a row per method to the result."""
    if model:
        with result.record_failure(f"{model.name} on {dataset.name}"):
            result.rows.append(model.measure(dataset, found, scorer))
    for method, maps_by_set in maps_by_method.items():
        if dataset.name in maps_by_set:
            with result.record_failure(f"{method} on {dataset.name}"):
                result.rows.append(_measure_maps(method, dataset, found, maps_by_set[dataset.name], scorer))
        else:
            result.remarks.append(f"{method}: no maps of {dataset.name}")


def _measure_maps(
    method: str, dataset: BenchmarkSet, found: FoundSet, maps: Mapping[str, Path], scorer: _Scorer
) -> MethodResult:
    map_of = {mask: map_ for map_, mask in match(maps, {pair.key: pair.mask for pair in found.test}).items()}
    items = [
        EvaluationPair(pair.key, maps[map_of[pair.key]], pair.mask, pair.image, None)
        for pair in found.test
        if pair.key in map_of
    ]
    return scorer.score(method, dataset, items, [pair.mask for pair in found.test if pair.key not in map_of])


def _maps_by_set(folder: Path, sets: Sequence[BenchmarkSet]) -> dict[str, dict[str, Path]]:
    """Return the maps below a folder by set and key; those of a set are in the outermost folder named like it.

    Raises:
        InputError: no folder of maps, or two for the same set.
    """
    places: dict[str, set[Path]] = {}
    for path in filter(is_image, walk(folder)):
        for place in (Path(), *reversed(path.relative_to(folder).parents[:-1])):
            name = (folder / place).absolute().name
            dataset = next((dataset for dataset in sets if dataset.folder_names.search(name)), None)
            if dataset:
                places.setdefault(dataset.name, set()).add(folder / place)
                break
    if not places:
        names = ", ".join(dataset.name for dataset in sets)
        raise InputError(f"{folder}: holds no folder named like a set: name the folders of maps after {names}")
    for name, found in places.items():
        if len(found) > 1:
            raise InputError(
                f"{folder}: holds maps of {name} twice, in {' and '.join(map(str, sorted(found)))}: remove one"
            )
    return {name: find_predictions(*found) for name, found in places.items()}
