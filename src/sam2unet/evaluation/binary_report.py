"""The sections of a report on one class: metrics, their distribution, the worst and best images, curves."""

from collections.abc import Mapping, Sequence

from ..pages import OUTCOMES, curves, figure, format_score, histogram, legend, load_or_blank, outcome_image, tile
from .evaluation import Evaluation, ImageScores, Options, read_truth
from .prediction_file import read_map

MEANINGS = {
    "S": "structure measure", "wF": "weighted F-measure", "MAE": "mean absolute error",
    "E_adaptive": "E-measure, adaptive threshold", "E_mean": "E-measure, mean over 256 thresholds",
    "E_max": "E-measure, maximum over 256 thresholds", "F_adaptive": "F-measure (β² {beta2:g}), adaptive threshold",
    "F_mean": "F-measure, mean over 256 thresholds", "F_max": "F-measure, maximum over 256 thresholds",
    "mDice": "Dice, mean over 256 thresholds", "mIoU": "IoU, mean over 256 thresholds",
    "Dice": "overlap at threshold {threshold:g}", "IoU": "intersection over union at threshold {threshold:g}",
    "precision": "fraction of the prediction that is object, at threshold {threshold:g}",
    "recall": "fraction of the object that is found, at threshold {threshold:g}",
    "specificity": "fraction of the background that is not predicted, at threshold {threshold:g}",
    "BER": "balanced error rate at threshold {threshold:g}",
    "HD95": "95th percentile of the boundary distances, pixels", "ASD": "average boundary distance, pixels",
    "boundary_F": "F1 of the boundaries, within 0.8 % of the diagonal",
}  # fmt: skip
TILES = ("Dice", "IoU", "S", "MAE")


def binary_sections(evaluation: Evaluation) -> str:
    """Return the sections as HTML."""
    metrics, images, options = evaluation.metrics(), evaluation.totals.images, evaluation.options
    meanings = {name: text.format(**vars(options)) for name, text in MEANINGS.items()}
    tiles = "".join(tile(format_score(metrics[name], 3), name, meanings[name]) for name in TILES)
    rows = "".join(f"<tr><td>{name}</td><td>{format_score(metrics[name])}</td><td class=dim>{meaning}</td></tr>"
                   for name, meaning in meanings.items())  # fmt: skip
    worst, best = ("".join(case_figure(image, options) for image in shown)
                   for shown in (evaluation.worst[: (images + 1) // 2], evaluation.best[: images // 2]))  # fmt: skip
    return f"""<div class="tiles">{tiles}</div>
<h2>Dice of each image</h2>{histogram(evaluation.dice_histogram, "Dice")}
<h2>Lowest Dice</h2><p class="dim">The image, and the pixels that are {legend(OUTCOMES)}</p>
<div class="grid">{worst}</div>
<h2>Highest Dice</h2><div class="grid">{best}</div>
<h2>Curves</h2><div class="charts">{curve_charts(evaluation.as_json()["curves"])}</div>
<h2>All metrics</h2><table>{rows}</table>
<p class="dim">Means over the images. The first eleven are the field's, as PySODMetrics computes them, on each map
stretched to the range 0 to 1; the others are of the map as saved.</p>"""


def curve_charts(means: Mapping[str, Sequence[float]]) -> str:
    """Return charts of precision and recall, ROC, and of what depends on the threshold.

    Args:
        means: the mean curves by name, from the highest threshold to the lowest, as in `Evaluation.as_json`.
    """
    by_threshold = {name: means[name][::-1] for name in ("F", "E", "Dice")}
    return (
        curves("Precision and recall", means["recall"], {"precision": means["precision"]}, "recall", (0, 1))
        + curves("ROC", means["FPR"], {"recall": means["recall"]}, "false positive rate", (0, 1))
        + curves("Over the threshold", range(256), by_threshold, "threshold, 255ths", (0, 1))
    )


def case_figure(image: ImageScores, options: Options) -> str:
    """Return a figure of the image and of what was found and missed in it, with its Dice."""
    probability = read_map(image.prediction)[0]
    mask = read_truth(image, probability, options, 1, [])
    found, truth = (probability >= 255 * options.threshold) & mask.known(), mask.foreground() > 128
    background = load_or_blank(image.image, (found.shape[1], found.shape[0]))
    shown = [background] * (image.image is not None) + [outcome_image(background, found, truth)]
    return figure(shown, image.name, format_score(image.dice, 3))
