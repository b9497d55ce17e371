"""The report of one class: metrics, their spread, the worst and the best pictures."""

import html
from pathlib import Path

from ..data import read_mask
from ..files import appearing
from .folder import Evaluated, read_map
from .page import OUTCOMES, figure, histogram, legend, outcome_picture, page, shown_picture, tile, worst_and_best

MEANINGS = {
    "Dice": "overlap at 0.5, mean over the pictures", "IoU": "intersection over union at 0.5",
    "mDice": "mean Dice over 256 thresholds", "mIoU": "mean IoU over 256 thresholds", "MAE": "mean absolute error",
    "S": "structure measure", "wF": "weighted F-measure",
    "E_adaptive": "E-measure, adaptive threshold", "E_mean": "E-measure, mean over 256 thresholds",
    "E_max": "E-measure, highest", "F_adaptive": "F-measure (β² 0.3), adaptive threshold",
    "F_mean": "F-measure, mean over 256 thresholds", "F_max": "F-measure, highest",
}  # fmt: skip


def write_report(path: Path, items: list[Evaluated], metrics: dict[str, float], title: str) -> None:
    """Write the page; it needs no other file and no network."""
    worst, best = worst_and_best(items, lambda item: item.scores.dice)
    tiles = "".join(tile(f"{metrics[name]:.3f}", name, MEANINGS[name]) for name in ("Dice", "IoU", "S", "MAE"))
    rows = "".join(f"<tr><td>{n}</td><td>{metrics[n]:.4f}</td><td class=dim>{m}</td></tr>" for n, m in MEANINGS.items())
    body = f"""<p class="dim">{len(items)} pictures · predictions: {html.escape(str(items[0].prediction.parent))}</p>
<div class="tiles">{tiles}</div>
<h2>Dice of each picture</h2>{histogram([item.scores.dice for item in items], "Dice")}
<h2>Lowest Dice</h2><p class="dim">The picture, and what of the object was {legend(OUTCOMES)}</p>
<div class="grid">{"".join(map(_figure, worst))}</div>
<h2>Highest Dice</h2><div class="grid">{"".join(map(_figure, best))}</div>
<h2>All metrics</h2><table>{rows}</table>
<p class="dim">Dice and IoU are ours, from the map as saved; the others are the field's, as PySODMetrics computes them,
on the map stretched to its own range.</p>"""
    with appearing(path) as partial:
        partial.write_text(page(title, body), encoding="utf-8")


def _figure(item: Evaluated) -> str:
    found, truth = read_map(item.prediction) >= 128, read_mask(item.mask).foreground() > 128
    picture = shown_picture(item.image, (found.shape[1], found.shape[0]))
    shown = [picture] * (item.image is not None) + [outcome_picture(picture, found, truth)]
    return figure(shown, item.name, f"{item.scores.dice:.3f}")
