"""The report of one class: metrics, their spread, curves, the worst and the best pictures."""

import html
from pathlib import Path

from ..data import read_mask
from ..errors import InputError
from ..files import atomic_path
from ..pages import OUTCOMES, curves, figure, histogram, legend, load_or_blank, outcome_image, page, tile
from .folder import Evaluation, ImageScores
from .prediction_file import read_map
from .tables import shown
from .totals import Totals

MEANINGS = {
    "S": "structure measure", "wF": "weighted F-measure", "MAE": "mean absolute error",
    "E_adaptive": "E-measure, adaptive threshold", "E_mean": "E-measure, mean over 256 thresholds",
    "E_max": "E-measure, highest", "F_adaptive": "F-measure (β² {beta2:g}), adaptive threshold",
    "F_mean": "F-measure, mean over 256 thresholds", "F_max": "F-measure, highest",
    "mDice": "mean Dice over 256 thresholds", "mIoU": "mean IoU over 256 thresholds",
    "Dice": "overlap at {threshold:g}", "IoU": "intersection over union at {threshold:g}",
    "precision": "share of what is found that is object, at {threshold:g}",
    "recall": "share of the object that is found, at {threshold:g}",
    "specificity": "share of the rest that is left alone, at {threshold:g}",
    "BER": "balanced error rate at {threshold:g}",
    "HD95": "95th percentile of the outlines' distances, pixels", "ASD": "mean distance of the outlines, pixels",
    "boundary_F": "F1 of the outlines within 0.8 % of the diagonal",
}  # fmt: skip
TILES = ("Dice", "IoU", "S", "MAE")


def write_report(path: Path, result: Evaluation, title: str) -> None:
    """Write the page; it needs no other file and no network. Raises InputError if no picture has a score."""
    if not result.worst:
        raise InputError(f"{path}: there is no picture to report on")
    metrics, images = result.totals.metrics(), result.totals.images
    meanings = {name: text.format(**vars(result.options)) for name, text in MEANINGS.items()}
    worst, best = result.worst[: (images + 1) // 2], result.best[: images // 2]
    tiles = "".join(tile(shown(metrics[name], 3), name, meanings[name]) for name in TILES)
    rows = "".join(
        f"<tr><td>{n}</td><td>{shown(metrics[n])}</td><td class=dim>{m}</td></tr>" for n, m in meanings.items()
    )
    remarks = "".join(f"<p><strong>Mind:</strong> {html.escape(remark)}</p>" for remark in result.remarks())
    body = f"""<p class="dim">{images} pictures · predictions: {html.escape(str(result.worst[0].prediction.parent))}</p>
{remarks}<div class="tiles">{tiles}</div>
<h2>Dice of each picture</h2>{histogram(result.dice_histogram, "Dice")}
<h2>Lowest Dice</h2><p class="dim">The picture, and what of the object was {legend(OUTCOMES)}</p>
<div class="grid">{"".join(case_figure(item, result.options.threshold) for item in worst)}</div>
<h2>Highest Dice</h2><div class="grid">{"".join(case_figure(item, result.options.threshold) for item in best)}</div>
<h2>Curves</h2><div class="charts">{curve_charts(result.totals)}</div>
<h2>All metrics</h2><table>{rows}</table>
<p class="dim">Means over the pictures. The first eleven are the field's, as PySODMetrics computes them, on each map
stretched to its own range; the others are of the map as saved.</p>"""
    with atomic_path(path) as partial:
        partial.write_text(page(title, body), encoding="utf-8")


def curve_charts(totals: Totals) -> str:
    """Precision over recall, ROC, and what follows the threshold."""
    by = {name: totals.curve(name).tolist() for name in totals.curves}
    rising = {name: by[name][::-1] for name in ("F", "E", "Dice")}
    return (
        curves("Precision and recall", by["recall"], {"precision": by["precision"]}, "recall", (0, 1))
        + curves("ROC", by["FPR"], {"recall": by["recall"]}, "share of the rest that is found", (0, 1))
        + curves("Over the threshold", range(256), rising, "threshold, 255ths", (0, 1))
    )


def case_figure(item: ImageScores, threshold: float) -> str:
    """The picture, and what was found of it."""
    found, truth = read_map(item.prediction)[0] >= 255 * threshold, read_mask(item.mask).foreground() > 128
    picture = load_or_blank(item.image, (found.shape[1], found.shape[0]))
    pictures = [picture] * (item.image is not None) + [outcome_image(picture, found, truth)]
    return figure(pictures, item.name, f"{item.values['Dice']:.3f}")
