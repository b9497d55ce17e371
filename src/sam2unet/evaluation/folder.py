"""Evaluating a folder of predictions against a folder of masks, by any number of processes or machines."""

import dataclasses
import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import joblib

from ..data import DataOptions, MaskSource, check_folder, check_masks, files_of
from ..system import Shard, retain_freed_memory
from .confusion_matrix import ConfusionMatrix
from .evaluation import Evaluation, ImageScores, Options
from .pairs import MAX_CLASSES, EvaluationPair, is_multiclass, match_predictions, read_class_names
from .totals import Totals

BATCH = 16
"""Images per task of a process."""
MAX_ALONE = 4 * BATCH
"""Up to this many images are evaluated faster than other processes start."""


def evaluate(  # noqa: PLR0913, each is an option of the command
    predictions: str | Path,
    masks: str | Path,
    classes: int | None = None,
    *,
    threshold: float = 0.5,
    beta2: float = 0.3,
    strict: bool = False,
    processes: int | None = None,
    roi: str | None = None,
    ignored: Literal["excluded", "background"] = "excluded",
    data_options: DataOptions = DataOptions(),  # noqa: B008, frozen
) -> dict[str, float]:
    """Compute the field's metrics for a folder of predictions.

    Args:
        predictions: a folder of predictions, named like the masks and of their size: 8-bit probability maps or masks of
            0 and 255; with several classes, masks of class indices, with the classes' names in `classes.txt` (one a
            line, background first; without it they are "0", "1", ...). In a folder that `predict` wrote, the maps in
            `probability/` are taken if there are any.
        masks: a folder of masks, or of images and masks; with several classes, pixels of 255 are ignored.
        classes: 1, or the number of classes including background. By default there are several if most predictions have
            a coloured palette: as many as `classes.txt` names, or up to the highest index found.
        threshold: in (0, 1]; threshold of the metrics of the map as saved. One class only.
        beta2: β² of the F-measure; the field uses 0.3. One class only.
        strict: raise an error if a prediction is missing, broken, of another size than its mask, or not an 8-bit grey
            map. By default the first three are skipped, the last is converted, and a warning says how many and which.
        processes: number of processes; by default the number of cores.
        roi: pattern of masks of the region of interest, relative to the folder of masks, such as "mask/*" for DRIVE's
            field of view; pixels outside enter no metric.
        ignored: what ignored pixels of masks count as: "excluded" from every metric, as in training, or "background",
            as in published protocols.
        data_options: which files are the masks, and what their values mean.

    Returns:
        One class: MAE, S, E_adaptive, E_mean, E_max, F_adaptive, F_mean, F_max, wF, mDice, mIoU (means over 256
        thresholds), all as in PySODMetrics; of the map as saved, Dice, IoU, precision, recall, specificity, BER
        (`threshold_metrics`), HD95, ASD and boundary_F (`boundary_metrics`); images, their number. All are means over
        images. Several classes: see `summarise_classes`.

    Raises:
        InputError: nothing to compare, a broken mask, a pixel without a valid class index, or what `strict` forbids.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> from PIL import Image
        >>> with TemporaryDirectory() as folder:
        ...     for name, grey in (("maps", 230), ("masks", 255)):
        ...         (Path(folder) / name).mkdir()
        ...         Image.new("L", (8, 6), grey).save(Path(folder) / name / "a.png")
        ...     scores = evaluate(Path(folder) / "maps", Path(folder) / "masks")
        >>> f"{scores['Dice']:.3f} {scores['MAE']:.3f} of {scores['images']} image"
        '1.000 0.098 of 1 image'
    """
    options = Options(threshold, beta2, strict, ignored=ignored)
    result = evaluate_folder(
        Path(predictions), Path(masks), options, classes=classes, processes=processes, roi=roi,
        data_options=data_options,
    )  # fmt: skip
    for issue in result.issues():
        logging.getLogger("sam2unet").warning("%s: %s", predictions, issue)
    return result.metrics()


def evaluate_folder(  # noqa: PLR0913, each is an option of the command
    predictions: Path,
    masks: Path,
    options: Options = Options(),  # noqa: B008, frozen
    *,
    classes: int | None = None,
    shard: Shard = Shard(),  # noqa: B008, frozen
    processes: int | None = None,
    roi: str | None = None,
    data_options: DataOptions = DataOptions(),  # noqa: B008, frozen
    progress: Callable[[int, int], object] = lambda done, total: None,
    on_image: Callable[[ImageScores], object] = lambda image: None,
) -> Evaluation:
    """Evaluate a folder, or one shard of it, of one class or several.

    Args:
        predictions: see `evaluate`.
        masks: see `evaluate`.
        options: what is measured, and how strictly.
        classes: see `evaluate`.
        shard: evaluate only the images of this shard; `Evaluation.merge` joins the results of all shards.
        processes: see `evaluate`.
        roi: see `evaluate`.
        data_options: see `evaluate`.
        progress: called with the numbers of images done and of all images.
        on_image: called with the scores of each image that has some, in the order of their names.

    Raises:
        InputError: see `evaluate`.
    """
    totals: Totals | ConfusionMatrix = Totals()
    if is_multiclass(predictions, classes):
        names = read_class_names(predictions, classes)
        totals = ConfusionMatrix(classes or len(names) or None, names)
    if isinstance(totals, ConfusionMatrix):
        data_options = dataclasses.replace(
            data_options, classes=totals.classes or MAX_CLASSES, class_names=tuple(totals.class_names)
        )
    pairs, missing = match_predictions(
        predictions, masks, prefer_probability=isinstance(totals, Totals), strict=options.strict, options=data_options,
        roi=roi,
    )  # fmt: skip
    options, readings, remarks = choose_mask_values(
        masks, [*(pair.mask for pair in pairs), *missing], options, data_options
    )
    images = [(pair.image, pair.mask) for pair in pairs if pair.image is not None]
    remarks += check_folder(masks, images, data_options, {pair.roi for pair in pairs if pair.roi})
    digest = _digest(totals, [*(pair.name for pair in pairs), *map(_name, missing)])
    pairs = [pair for pair in pairs if shard.holds(pair.name)]
    missing = [mask for mask in missing if shard.holds(_name(mask))]
    result = evaluate_pairs(
        pairs, missing, options, totals=totals, processes=processes, progress=progress, on_image=on_image
    )
    result.digest, result.readings, result.remarks = digest, readings, remarks
    if shard.count == 1:
        result.check(predictions)
    return result


def evaluate_pairs(
    pairs: Sequence[EvaluationPair],
    missing: Sequence[MaskSource] = (),
    options: Options = Options(),  # noqa: B008, frozen
    *,
    totals: Totals | ConfusionMatrix | None = None,
    processes: int | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
    on_image: Callable[[ImageScores], object] = lambda image: None,
) -> Evaluation:
    """Evaluate pairs of prediction and mask.

    Args:
        pairs: see `match_predictions`.
        missing: masks without prediction.
        options: what is measured, how strictly, and what the values in masks mean: without `mask_values` that follows
            from the masks.
        totals: an empty `Totals` for one class (the default), or `ConfusionMatrix` for several.
        processes: see `evaluate`.
        progress: see `evaluate_folder`.
        on_image: see `evaluate_folder`.

    Raises:
        InputError: see `evaluate`.
    """
    totals = totals or Totals()
    readings: list[str] = []
    remarks: list[str] = []
    if not options.mask_values and pairs:
        classes = (totals.classes or MAX_CLASSES) if isinstance(totals, ConfusionMatrix) else 1
        sources = [*(pair.mask for pair in pairs), *missing]
        folder = files_of(sources[0])[0].parent
        options, readings, remarks = choose_mask_values(folder, sources, options, DataOptions(classes=classes))
    result, done = Evaluation(options, totals, readings=readings, remarks=remarks), 0
    result.skip("no prediction", list(map(str, missing)))
    batches = [pairs[i : i + BATCH] for i in range(0, len(pairs), BATCH)]
    jobs = 1 if len(pairs) <= MAX_ALONE else processes or joblib.cpu_count()
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        parallel = joblib.Parallel(n_jobs=jobs, return_as="generator", batch_size=1)
        for evaluation, images in parallel(joblib.delayed(_process)(batch, result.empty()) for batch in batches):
            result.merge(evaluation)
            for image in images:
                on_image(image)
            done += BATCH
            progress(min(done, len(pairs)), len(pairs))
    return result


def choose_mask_values(
    where: Path, masks: Sequence[MaskSource], options: Options, data_options: DataOptions
) -> tuple[Options, list[str], list[str]]:
    """Choose how the masks of a set are read.

    Args:
        where: the folder of masks, for messages.
        masks: all masks of the set, whatever the shard, so that all shards read them alike.
        options: gets the choice.
        data_options: `mask_values` decides, if it is set.

    Returns:
        The options, sentences about how masks are read, and what is remarkable about them.

    Raises:
        InputError: a broken mask, or masks that can be read in more than one way.
    """
    reading, sentence, remarks = check_masks(where, masks, data_options)
    options = dataclasses.replace(options, mask_values=str(reading), ignore_exif=data_options.ignore_exif)
    return options, [sentence], remarks


def _process(pairs: Sequence[EvaluationPair], evaluation: Evaluation) -> tuple[Evaluation, list[ImageScores]]:
    """Evaluate some pairs, in a process of its own; returns the images that have a score, too."""
    with retain_freed_memory():
        images = [evaluation.process(pair) for pair in pairs]
    return evaluation, [image for image in images if image]


def _name(mask: MaskSource) -> str:
    return Path(str(mask)).name


def _digest(totals: Totals | ConfusionMatrix, names: Sequence[str]) -> str:
    """Digest of what the shards of one evaluation have in common.

    It includes the rule that chooses shards, since those of 0.1, which took every N-th name, don't fit today's.
    """
    classes = [str(totals.classes), *totals.class_names] if isinstance(totals, ConfusionMatrix) else []
    return hashlib.sha256("\n".join(["CRC-32", *classes, *names]).encode(errors="surrogateescape")).hexdigest()[:16]
