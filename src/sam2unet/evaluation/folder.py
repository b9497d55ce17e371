"""Evaluating a folder of maps against a folder of masks, by any number of processes or machines."""

import hashlib
import heapq
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from ..data import Polygons, read_mask
from ..errors import InputError
from ..system import Shard, retain_freed_memory
from .metrics import score
from .multiclass_folder import evaluate_multiclass
from .pairs import EvaluationPair, is_multiclass, match_predictions, other_size
from .prediction_file import FORMAT_ISSUES, read_map
from .totals import Totals

BATCH = 16
"""Pictures that a process takes at once."""
ALONE = 4 * BATCH
"""So many are done sooner than other processes start."""
WORST, BEST, CASES = 12, 8, 3
"""Pictures that are kept to be looked at, and cases of a remark."""


@dataclass(frozen=True)
class Options:
    """What is measured, and how strictly; see `evaluate`."""

    threshold: float = 0.5
    beta2: float = 0.3
    strict: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise InputError(f"threshold is {self.threshold:g}: it must be above 0 and at most 1")
        if not 0 < self.beta2 < math.inf:
            raise InputError(f"beta2 is {self.beta2:g}: it must be above 0 and finite")


@dataclass(frozen=True)
class ImageScores(EvaluationPair):
    """One picture and its values by name; see `evaluate`."""

    values: dict[str, float]
    f_curve: NDArray[np.float32] = field(compare=False)
    """F at 256 thresholds."""


@dataclass
class DataIssue:
    """What a table of scores would hide: how often it was met, and the first cases."""

    count: int = 0
    cases: list[str] = field(default_factory=list)

    def merge(self, other: "DataIssue") -> None:
        """Count its cases too."""
        self.count += other.count
        self.cases = [*self.cases, *other.cases][:CASES]


@dataclass
class Evaluation:
    """What is kept of a folder, however many pictures it holds."""

    options: Options
    totals: Totals = field(default_factory=Totals)
    dice_histogram: list[int] = field(default_factory=lambda: [0] * 20)
    """How many pictures have a Dice in each twentieth of [0, 1]."""
    worst: list[ImageScores] = field(default_factory=list)
    """By Dice, the lowest first."""
    best: list[ImageScores] = field(default_factory=list)
    """By Dice, the highest first."""
    left_out: dict[str, DataIssue] = field(default_factory=dict)
    """Why, of pictures that have no score."""
    format_issues: dict[str, DataIssue] = field(default_factory=dict)
    """What maps have that 8-bit grey ones have not; of `FORMAT_ISSUES`."""
    brightest: int = 0
    """Of all maps."""
    whole: str = ""
    """A digest of the names of which these are a share."""

    def merge(self, other: "Evaluation") -> None:
        """Count what `other` counted, of other pictures with the same options."""
        self.totals.merge(other.totals)
        self.dice_histogram = [
            mine + theirs for mine, theirs in zip(self.dice_histogram, other.dice_histogram, strict=True)
        ]
        self.worst = heapq.nsmallest(WORST, [*self.worst, *other.worst], key=_by_dice)
        self.best = heapq.nlargest(BEST, [*self.best, *other.best], key=_by_dice)
        self.brightest = max(self.brightest, other.brightest)
        for mine, theirs in ((self.left_out, other.left_out), (self.format_issues, other.format_issues)):
            for what, remark in theirs.items():
                mine.setdefault(what, DataIssue()).merge(remark)

    def as_json(self) -> dict[str, Any]:
        """All but the pictures, for `from_json`; and the mean curves, from the highest threshold to the lowest."""
        kept = asdict(replace(self, worst=[], best=[], totals=Totals()))
        curves = {name: self.totals.curve(name).round(9).tolist() for name in self.totals.curves}
        return {"curves": curves, "remarks": self.remarks(), "kept": kept | {"totals": self.totals.as_json()}}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Evaluation":
        """What `as_json` gave."""
        kept = dict(stored["kept"])
        options, totals = Options(**kept.pop("options")), Totals.from_json(kept.pop("totals"))
        left_out, format_issues = (
            {what: DataIssue(**remark) for what, remark in kept.pop(key).items()}
            for key in ("left_out", "format_issues")
        )
        return cls(options, totals, left_out=left_out, format_issues=format_issues, **kept)

    def check(self, predictions: Path) -> None:
        """Raise InputError if this tells nothing about the whole folder."""
        if not self.totals.images:
            raise InputError(f"{predictions}: nothing could be scored: {'; '.join(self.remarks())}")
        if self.brightest == 1:  # of one map it may be a faint probability, of all it is another scale
            raise InputError(
                f"{predictions}: holds masks of 0 and 1; predictions are 8-bit maps or masks of 0 and 255; classes 2 "
                "takes them as class indices"
            )

    def remarks(self) -> list[str]:
        """Sentences for who reads the scores."""
        total = self.totals.images + sum(remark.count for remark in self.left_out.values())
        found = [(f"have {what} and no score", remark) for what, remark in self.left_out.items()]
        found += [(f"have {what}, {FORMAT_ISSUES[what]}", remark) for what, remark in self.format_issues.items()]
        return [f"{remark.count} of {total} {what}: {', '.join(remark.cases)}{', …' * (remark.count > CASES)}"
                for what, remark in found]  # fmt: skip


def _by_dice(item: ImageScores) -> tuple[float, str]:
    return item.values["Dice"], item.name


def evaluate(
    predictions: str | Path,
    masks: str | Path,
    classes: int | None = None,
    *,
    threshold: float = 0.5,
    beta2: float = 0.3,
    strict: bool = False,
    processes: int | None = None,
) -> dict[str, float]:
    """The field's metrics of a folder of predictions.

    Args:
        predictions: 8-bit maps or 0/255 masks, at the size of the masks and named like them; of a folder that
            `predict` wrote, `probability/` is taken if it is there. Of several classes masks of class indices, with
            the classes' names in `classes.txt`, one a line, background first; without it they are "0", "1", ...
        masks: a folder of masks, or of pictures and masks; 255 in a mask of several classes is ignored.
        classes: 1, or the number of classes, background counted. By default there are several if most predictions have
            a coloured palette: as many as `classes.txt` names, else up to the highest index.
        threshold: in (0, 1], of the metrics of the map as saved.
        beta2: β² of F; the field's is 0.3.
        strict: raise where a prediction is missing, broken, of another size than its mask, or no 8-bit grey map. Else
            the first three are left out, other maps are converted, and a warning says which and how many.
        processes: how many work on one class; by default as many as there are cores.

    Returns:
        Of one class MAE, S, E_adaptive, E_mean, E_max, F_adaptive, F_mean, F_max, wF, mDice, mIoU (means over 256
        thresholds), all as PySODMetrics computes them; Dice, IoU, precision, recall, specificity, BER
        (`metrics.at_threshold`) and HD95, ASD, boundary_F (`surface.boundary_metrics`) of the map as saved; images
        (their number). Of several classes what `summarise_classes` says.

    Raises:
        InputError: nothing to compare, a broken mask, an index that is no class, and what `strict` forbids.
    """
    predictions, masks = Path(predictions), Path(masks)
    if is_multiclass(predictions, classes):
        return evaluate_multiclass(predictions, masks, classes).metrics
    result = evaluate_folder(predictions, masks, Options(threshold, beta2, strict), processes=processes)
    for remark in result.remarks():
        warnings.warn(remark, stacklevel=2)
    return result.totals.metrics()


def evaluate_folder(
    predictions: Path,
    masks: Path,
    options: Options = Options(),
    *,
    shard: Shard = Shard(),  # noqa: B008, frozen
    processes: int | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
    on_picture: Callable[[ImageScores], object] = lambda item: None,
) -> Evaluation:
    """Evaluate maps of one class; see `evaluate`.

    Args:
        predictions: a folder.
        masks: a folder.
        options: what is measured.
        shard: (k, n), the k-th of n shares of the pictures only; `Evaluation.merge` makes a whole of them.
        processes: by default as many as there are cores.
        progress: gets how many of how many are done.
        on_picture: gets each picture that has a score, by name in order.
    """
    items, missing = match_predictions(predictions, masks, all_wanted=options.strict)
    # The rule that makes shards is part of the digest: those of 0.1, which took every N-th name, are no part of these.
    names = hashlib.sha256(
        "\n".join(["CRC-32", *(item.name for item in items), *(Path(str(mask)).name for mask in missing)]).encode()
    ).hexdigest()[:16]
    items = [item for item in items if shard.holds(item.name)]
    missing = [mask for mask in missing if shard.holds(Path(str(mask)).name)]
    result = evaluate_pairs(items, missing, options, processes=processes, progress=progress, on_picture=on_picture)
    result.whole = names
    if shard.count == 1:
        result.check(predictions)
    return result


def evaluate_pairs(
    items: Sequence[EvaluationPair],
    missing: Sequence[Path | Polygons] = (),
    options: Options = Options(),
    *,
    processes: int | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
    on_picture: Callable[[ImageScores], object] = lambda item: None,
) -> Evaluation:
    """Evaluate pairs of map and mask; `missing` are masks without map. See `evaluate_folder`."""
    result, done = Evaluation(options), 0
    if missing:
        result.left_out["no prediction"] = DataIssue(len(missing), list(map(str, missing[:CASES])))
    batches = [items[i : i + BATCH] for i in range(0, len(items), BATCH)]
    jobs = 1 if len(items) <= ALONE else processes or joblib.cpu_count()
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        parallel = joblib.Parallel(n_jobs=jobs, return_as="generator", batch_size=1)
        for part, pictures in parallel(joblib.delayed(_measure)(batch, options) for batch in batches):
            result.merge(part)
            for picture in pictures:
                on_picture(picture)
            done += BATCH
            progress(min(done, len(items)), len(items))
    return result


def _measure(items: Sequence[EvaluationPair], options: Options) -> tuple[Evaluation, list[ImageScores]]:
    """The work of a process: some pictures, and those of them that have a score."""
    result, pictures = Evaluation(options), []
    with retain_freed_memory():
        for item in items:
            one = _measure_one(item, options)
            result.merge(one)
            pictures += one.worst
    return result, pictures


def _measure_one(item: EvaluationPair, options: Options) -> Evaluation:
    """An evaluation of one picture.

    Raises:
        InputError: a broken mask, and what the options forbid.
    """
    result, truth = Evaluation(options), read_mask(item.mask).foreground()
    wrong = "a broken prediction"
    try:
        found, format_issues = read_map(item.prediction)
        if found.shape != truth.shape:
            wrong = "a prediction of another size"
            raise InputError(other_size(item, found.shape, truth.shape))
        if format_issues and options.strict:
            raise InputError(
                f"{item.prediction}: has {format_issues}; predictions are 8-bit grey maps or masks of 0 and 255"
            )
    except InputError as error:
        if options.strict:
            raise
        result.left_out[wrong] = DataIssue(1, [str(error)])
        return result
    scores = score(found, truth, options.threshold, options.beta2)
    picture = ImageScores(
        item.name, item.prediction, item.mask, item.image, scores.values, scores.curves["F"].astype(np.float32)
    )
    result.totals.add(scores)
    result.dice_histogram[min(19, int(20 * scores.values["Dice"]))] = 1
    result.worst, result.best, result.brightest = [picture], [picture], int(found.max(initial=0))
    if format_issues:
        result.format_issues[format_issues] = DataIssue(1, [str(item.prediction)])
    return result
