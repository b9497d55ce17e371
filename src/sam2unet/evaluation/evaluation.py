"""The evaluation of a set of images: constant memory, mergeable, storable as JSON."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..card import IGNORED
from ..data import Mask, has_same_aspect, image_size, parse_mask_values, read_mask
from ..errors import InputError
from ..pages import NUM_BEST, NUM_WORST
from .confusion_matrix import ConfusionMatrix
from .metrics import score
from .multiclass_metrics import confusion, image_dice
from .pairs import EvaluationPair
from .prediction_file import (
    FAINT,
    FORMAT_ISSUES,
    RESIZED,
    NothingKnown,
    UnusablePrediction,
    WrongSizeMask,
    check_size,
    read_indices,
    read_map,
    read_region,
)
from .totals import Totals

NUM_CASES = 3
"""Examples per issue."""
NUM_BINS = 20
RENAMED = {
    "kept": "state", "spread": "dice_histogram", "odd": "format_issues", "left_out": "skipped", "whole": "digest",
    "false_alarms": "FPR",
}  # fmt: skip
"""Keys in JSON files of 0.1, and their names today."""


@dataclass(frozen=True)
class Options:
    """What is measured, how masks are read, and how strictly; see `evaluate`. Threshold and β² are for one class."""

    threshold: float = 0.5
    beta2: float = 0.3
    strict: bool = False
    mask_values: str = ""
    """What the values in masks mean, as `data.choose_reading` found it."""
    ignored: Literal["excluded", "background"] = "excluded"
    """What ignored pixels of masks count as."""
    ignore_exif: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise InputError(f"threshold is {self.threshold:g}: it must be above 0 and at most 1")
        if not 0 < self.beta2 < math.inf:
            raise InputError(f"beta2 is {self.beta2:g}: it must be above 0 and finite")


@dataclass(frozen=True)
class ImageScores(EvaluationPair):
    """An image's scores."""

    values: dict[str, float]
    """By name; with several classes only mDice, see `image_dice`."""
    f_curve: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32), compare=False)
    """F at 256 thresholds, from the highest to the lowest; empty with several classes."""

    @property
    def dice(self) -> float:
        """Dice of the map as saved, or the mean Dice of several classes."""
        return self.values["Dice" if "Dice" in self.values else "mDice"]


@dataclass
class DataIssue:
    """How often something was wrong with a file, and the first cases."""

    count: int = 0
    cases: list[str] = field(default_factory=list)

    def merge(self, other: "DataIssue") -> None:
        """Add the cases of other images."""
        self.count += other.count
        self.cases = [*self.cases, *other.cases][:NUM_CASES]


@dataclass
class Evaluation:
    """The scores of any number of images, of one class (`Totals`) or several (`ConfusionMatrix`).

    `process` adds an image, `merge` the evaluation of other images. Neither order nor partition changes a digit.
    """

    options: Options
    totals: Totals | ConfusionMatrix
    dice_histogram: list[int] = field(default_factory=lambda: [0] * NUM_BINS)
    """Number of images whose Dice is in each twentieth of [0, 1]."""
    worst: list[ImageScores] = field(default_factory=list)
    """The lowest Dice, from the lowest on."""
    best: list[ImageScores] = field(default_factory=list)
    """The highest Dice, from the highest on."""
    skipped: dict[str, DataIssue] = field(default_factory=dict)
    """Images without a score, by reason."""
    format_issues: dict[str, DataIssue] = field(default_factory=dict)
    """Maps that were converted, by key of `FORMAT_ISSUES`."""
    prediction_kinds: dict[str, int] = field(default_factory=dict)
    """Number of predictions by how they are stored."""
    readings: list[str] = field(default_factory=list)
    """How the masks are read."""
    remarks: list[str] = field(default_factory=list)
    """What `data.check_pairs` would remark on the masks."""
    digest: str = ""
    """Digest of the names of all images and classes; equal for the shards of one evaluation."""

    def empty(self) -> "Evaluation":
        """Return an evaluation of no images, with the same options and classes."""
        return Evaluation(self.options, self.totals.empty())

    def process(self, pair: EvaluationPair) -> ImageScores | None:
        """Score an image and add it.

        Returns:
            Its scores, or None if it was skipped.

        Raises:
            InputError: a broken mask, a class index that is out of range, or, if strict, any issue.
        """
        issues: list[str] = []
        try:
            if isinstance(self.totals, ConfusionMatrix):
                kind, image = "class indices", _score_classes(pair, self.totals, self.options, issues)
            else:
                kind, image = _score_map(pair, self.totals, self.options, issues)
        except UnusablePrediction as error:
            if self.options.strict:
                raise
            self.skip(error.reason, [str(error)])
            return None
        for issue in issues:
            case = pair.mask if issue == RESIZED else pair.prediction
            _add_issue(self.format_issues, issue, DataIssue(1, [str(case)]))
        self.prediction_kinds[kind] = self.prediction_kinds.get(kind, 0) + 1
        self.dice_histogram[min(NUM_BINS - 1, int(NUM_BINS * image.dice))] += 1
        self._rank([image], [image])
        return image

    def skip(self, reason: str, cases: Sequence[str]) -> None:
        """Count images that have no score; `cases` holds a sentence or a file's name for each."""
        if cases:
            _add_issue(self.skipped, reason, DataIssue(len(cases), list(cases[:NUM_CASES])))

    def merge(self, other: "Evaluation") -> None:
        """Add the evaluation of other images, with the same options and classes."""
        self.totals.merge(other.totals)  # type: ignore[arg-type]  # both are of the same kind
        self.dice_histogram = [a + b for a, b in zip(self.dice_histogram, other.dice_histogram, strict=True)]
        self._rank(other.worst, other.best)
        for mine, theirs in ((self.skipped, other.skipped), (self.format_issues, other.format_issues)):
            for name, issue in theirs.items():
                _add_issue(mine, name, issue)

        for kind, number in other.prediction_kinds.items():
            self.prediction_kinds[kind] = self.prediction_kinds.get(kind, 0) + number
        self.readings = list(dict.fromkeys([*self.readings, *other.readings]))
        self.remarks = list(dict.fromkeys([*self.remarks, *other.remarks]))

    def describe_readings(self) -> list[str]:
        """Return how masks and predictions were read."""
        kinds = ", ".join(f"{number} {kind}" for kind, number in self.prediction_kinds.items())
        return [*self.readings, *([f"Predictions are read as {kinds}"] if kinds else [])]

    def _rank(self, worst: Sequence[ImageScores], best: Sequence[ImageScores]) -> None:
        self.worst = heapq.nsmallest(NUM_WORST, [*self.worst, *worst], key=lambda image: (image.dice, image.name))
        self.best = heapq.nlargest(NUM_BEST, [*self.best, *best], key=lambda image: (image.dice, image.name))

    def metrics(self) -> dict[str, float]:
        """Return the metrics of all images; see `evaluate`."""
        return self.totals.metrics()

    def issues(self) -> list[str]:
        """Return sentences that the reader of the scores should know."""
        total = self.totals.images + sum(issue.count for issue in self.skipped.values())
        found = [(f"of {total} images skipped, {reason}", issue) for reason, issue in self.skipped.items()]
        for what, issue in self.format_issues.items():
            files = "masks" if what == RESIZED else "scored predictions"
            found.append((f"of {self.totals.images} {files} have {what} ({FORMAT_ISSUES[what]})", issue))
        return [*self.remarks] + [f"{issue.count} {what}: {', '.join(issue.cases)}{', …' * (issue.count > NUM_CASES)}"
                for what, issue in found]  # fmt: skip

    def check(self, predictions: Path) -> None:
        """Check that the evaluation of a whole folder means something.

        Raises:
            InputError: no image has a score, or the values of predictions were read on a wrong scale.
        """
        if not self.totals.images:
            raise InputError(f"{predictions}: nothing could be scored: {'; '.join(self.issues())}")
        if isinstance(self.totals, Totals):
            faint = self.format_issues.get(FAINT)
            if faint and not self.totals.brightest:
                raise InputError(
                    f"{predictions}: holds no value above 256 in files of 16 bits or more, such as {faint.cases[0]}, "
                    "where 65535 is a probability of 1: save maps or masks of 0 to 255 with 8 bits"
                )
            self.totals.check(predictions)

    def as_json(self) -> dict[str, Any]:
        """Return JSON values: curves or confusion matrix, issues ("remarks"), and all that `from_json` needs."""
        state = {
            "options": asdict(self.options), "totals": self.totals.as_json(), "dice_histogram": self.dice_histogram,
            "skipped": _issues_as_json(self.skipped), "format_issues": _issues_as_json(self.format_issues),
            "prediction_kinds": self.prediction_kinds, "readings": self.readings, "remarks": self.remarks,
            "digest": self.digest,
        }  # fmt: skip
        return self.totals.details() | {
            "readings": self.describe_readings(), "remarks": self.issues(), "state": state
        }  # fmt: skip

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Evaluation":
        """Restore what `as_json` returned, but for the worst and best images.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: these are not the values of an evaluation.
        """
        if "kept" in stored:  # written by 0.1
            stored = _rename_keys(stored)
            stored["state"]["totals"]["brightest"] = stored["state"]["brightest"]
        state = stored["state"]
        kind = ConfusionMatrix if "counts" in state["totals"] else Totals
        skipped, format_issues = (
            {name: DataIssue(**issue) for name, issue in state[key].items()} for key in ("skipped", "format_issues")
        )
        return cls(
            Options(**state["options"]), kind.from_json(state["totals"]), state["dice_histogram"], skipped=skipped,
            format_issues=format_issues, digest=state["digest"], readings=state.get("readings", []),
            remarks=state.get("remarks", []), prediction_kinds=state.get("prediction_kinds", {}),
        )  # fmt: skip


def _score_map(pair: EvaluationPair, totals: Totals, options: Options, issues: list[str]) -> tuple[str, ImageScores]:
    """Score an image of one class and add it.

    Args:
        pair: prediction and mask.
        totals: gets the scores.
        options: what is measured.
        issues: gets the keys of `FORMAT_ISSUES` that apply.

    Returns:
        How the prediction is stored, and the scores.
    """
    found, issue = read_map(pair.prediction)
    if issue:
        issues.append(issue)
    if issue and options.strict:
        raise InputError(f"{pair.prediction}: has {issue}; store an 8-bit grey map, or a mask of 0 and 255", "strict")
    mask = read_truth(pair, found, options, 1, issues)
    known = mask.known()
    scores = score(found, mask.foreground(), options.threshold, options.beta2, None if known.all() else known)
    totals.add(scores, int(found.max(initial=0, where=known)))
    kind = "masks of 0 and 255" if ((found == 0) | (found == 255)).all() else "maps of grey levels"
    return kind, ImageScores(**vars(pair), values=scores.values, f_curve=scores.curves["F"].astype(np.float32))


def _score_classes(pair: EvaluationPair, totals: ConfusionMatrix, options: Options, issues: list[str]) -> ImageScores:
    """Score an image of several classes and add it; see `_score_map`."""
    limit = totals.classes or IGNORED
    found = read_indices(pair.prediction, limit)
    truth = read_truth(pair, found, options, limit, issues).labels
    ignored = truth == IGNORED
    highest = max(int(values.max(initial=0, where=~ignored)) for values in (found, truth))
    counts = confusion(found, truth, totals.classes or highest + 1)
    totals.add(counts, int(ignored.sum()))
    return ImageScores(**vars(pair), values={"mDice": image_dice(counts)})


def read_truth(
    pair: EvaluationPair, found: NDArray[np.uint8], options: Options, classes: int, issues: list[str]
) -> Mask:
    """Read a mask in the size of its prediction; what is ignored or outside the region of interest is `IGNORED`.

    Args:
        pair: names the mask.
        found: (H, W), the prediction.
        options: how masks are read.
        classes: 1, or the number of classes.
        issues: gets the keys of `FORMAT_ISSUES` that apply.

    Raises:
        WrongSizePrediction, WrongSizeMask: the sizes differ.
        NothingKnown: all pixels are ignored.
        InputError: the mask is broken, or holds values without meaning.
    """
    mask = read_mask(pair.mask, parse_mask_values(options.mask_values), classes, options.ignore_exif)
    size = found.shape[::-1]
    if mask.labels.shape != found.shape and pair.image is not None:
        (height, width), is_image_size = mask.labels.shape, _size_of_image(pair, options) == size
        if is_image_size and has_same_aspect((width, height), size):
            issues.append(RESIZED)
            mask = Mask(_resize(mask.labels, size), None if mask.grey is None else _resize(mask.grey, size))
        elif is_image_size:
            raise WrongSizeMask(
                f"{pair.image} is {size[0]}x{size[1]}, but its mask {pair.mask} is {width}x{height}: export both at "
                "the same size"
            )
    check_size(pair, found, mask.labels)
    labels = mask.labels
    if options.ignored == "background" and not mask.known().all():
        labels = np.where(mask.known(), labels, np.uint8(0))
    if pair.roi is not None:
        inside = read_region(pair.roi, (labels.shape[0], labels.shape[1]))
        labels = np.where(inside, labels, np.uint8(IGNORED))
    if (labels == IGNORED).all():
        raise NothingKnown(f"{pair.mask}: all pixels are ignored")
    return Mask(labels, mask.grey)


def _size_of_image(pair: EvaluationPair, options: Options) -> tuple[int, int] | None:
    return image_size(pair.image, ignore_exif=options.ignore_exif) if pair.image else None


def _resize(values: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize (H, W) to (width, height) without new values."""
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.NEAREST))


def _add_issue(issues: dict[str, DataIssue], name: str, issue: DataIssue) -> None:
    issues.setdefault(name, DataIssue()).merge(issue)


def _issues_as_json(issues: dict[str, DataIssue]) -> dict[str, Any]:
    return {name: asdict(issue) for name, issue in issues.items()}


def _rename_keys(stored: Any) -> Any:
    if not isinstance(stored, dict):
        return stored
    return {RENAMED.get(key, key): _rename_keys(value) for key, value in stored.items()}
