"""One self-contained HTML page of an evaluation: figures, their spread, the worst and the best pictures."""

import base64
import html
import io
from pathlib import Path

import numpy as np
from PIL import Image

from ..data import read_image, read_mask
from ..files import appearing
from .folder import Evaluated, read_map

THUMBNAIL = 300
FOUND, MISSED, WRONG = (0, 158, 115), (230, 159, 0), (213, 44, 90)
MEANINGS = {
    "Dice": "overlap at 0.5, mean over the pictures", "IoU": "intersection over union at 0.5",
    "mDice": "mean Dice over 256 thresholds", "mIoU": "mean IoU over 256 thresholds", "MAE": "mean absolute error",
    "S": "structure measure", "wF": "weighted F-measure",
    "E_adaptive": "E-measure, adaptive threshold", "E_mean": "E-measure, mean over 256 thresholds",
    "E_max": "E-measure, highest", "F_adaptive": "F-measure (β² 0.3), adaptive threshold",
    "F_mean": "F-measure, mean over 256 thresholds", "F_max": "F-measure, highest",
}  # fmt: skip

STYLE = """
:root { color-scheme: light dark; --bg: #fbfbfa; --fg: #1d2328; --dim: #616b75; --card: #fff; --line: #dfe3e6;
  --bar: #2a78b8; }
@media (prefers-color-scheme: dark) { :root { --bg: #15181b; --fg: #e8eaec; --dim: #9aa4ad; --card: #1f2428;
  --line: #333a40; --bar: #63aee8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 2.5rem 1.25rem; background: var(--bg); color: var(--fg);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; }
p { margin: .25rem 0 .75rem; }
.tile p { margin: .25rem 0 0; line-height: 1.35; font-size: .85rem; }
.dim { color: var(--dim); overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .75rem; margin-top: 1.5rem; }
.tile, figure, table { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.tile { padding: .8rem 1rem; } .tile b { display: block; font-size: 1.7rem; font-variant-numeric: tabular-nums; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: .9rem; align-items: start; }
figure { margin: 0; overflow: hidden; } figure img { display: block; width: 100%; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 1px; }
figcaption { padding: .45rem .7rem; font-size: .85rem; overflow-wrap: anywhere; }
figcaption b { float: right; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; border-spacing: 0; overflow: hidden; }
td { padding: .4rem .9rem; border-top: 1px solid var(--line); } tr:first-child td { border-top: 0; }
table + p { margin-top: .75rem; }
td:nth-child(2) { font-variant-numeric: tabular-nums; text-align: right; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin: 0 .3em 0 1em; }
svg { width: 100%; max-width: 640px; height: auto; } svg text { fill: var(--dim); font: 12px system-ui, sans-serif; }
"""


def write_report(path: Path, items: list[Evaluated], metrics: dict[str, float], title: str) -> None:
    """Write the page; it needs no other file and no network."""
    ordered = sorted(items, key=lambda item: item.scores.dice)
    worst, best = ordered[: min(12, (len(ordered) + 1) // 2)], ordered[::-1][: min(8, len(ordered) // 2)]
    tiles = "".join(
        f'<div class="tile"><b>{metrics[name]:.3f}</b>{name}<p class="dim">{MEANINGS[name]}</p></div>'
        for name in ("Dice", "IoU", "S", "MAE")
    )
    rows = "".join(f"<tr><td>{n}</td><td>{metrics[n]:.4f}</td><td class=dim>{m}</td></tr>" for n, m in MEANINGS.items())
    legend = "".join(
        f'<span class="key" style="background: rgb{colour}"></span>{word}'
        for colour, word in ((FOUND, "found"), (MISSED, "missed"), (WRONG, "wrongly found"))
    )
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>
<h1>{html.escape(title)}</h1>
<p class="dim">{len(items)} pictures · predictions: {html.escape(str(_folder(items)))}</p>
<div class="tiles">{tiles}</div>
<h2>Dice of each picture</h2>{_histogram([item.scores.dice for item in items])}
<h2>Lowest Dice</h2><p class="dim">The picture, and what of the object was {legend}</p>
<div class="grid">{"".join(map(_figure, worst))}</div>
<h2>Highest Dice</h2><div class="grid">{"".join(map(_figure, best))}</div>
<h2>All metrics</h2><table>{rows}</table>
<p class="dim">Dice and IoU are ours, from the map as saved; the others are the field's, as PySODMetrics computes them,
on the map stretched to its own range.</p>
</body></html>
"""
    with appearing(path) as partial:
        partial.write_text(page, encoding="utf-8")


def _folder(items: list[Evaluated]) -> Path:
    return items[0].prediction.parent


def _histogram(values: list[float]) -> str:
    """Twenty bars over [0, 1]."""
    counts, _ = np.histogram(values, bins=20, range=(0, 1))
    width, base, step = 640, 156, 31
    parts = [f'<line x1="10" x2="630" y1="{base}" y2="{base}" stroke="var(--line)"/>']
    for i, count in enumerate(counts):
        left, tall = 10 + i * step, 130 * count / counts.max()
        if count:
            parts.append(
                f'<rect x="{left + 1}" y="{base - tall:.1f}" width="{step - 2}" height="{tall:.1f}" rx="2" '
                f'fill="var(--bar)"><title>{i / 20:.2f} to {(i + 1) / 20:.2f}: {count}</title></rect>'
                f'<text x="{left + step / 2}" y="{base - tall - 5:.1f}" text-anchor="middle">{count}</text>'
            )
    parts += [
        f'<text x="{10 + v * 620:.0f}" y="174" text-anchor="middle">{v:g}</text>' for v in (0, 0.25, 0.5, 0.75, 1)
    ]
    return f'<svg viewBox="0 0 {width} 180" role="img" aria-label="Histogram of Dice">{"".join(parts)}</svg>'


def _figure(item: Evaluated) -> str:
    found = read_map(item.prediction) >= 128
    size = found.shape[1], found.shape[0]
    picture = Image.new("RGB", size, (40, 40, 40)) if item.image is None else read_image(item.image).resize(size)
    truth = read_mask(item.mask).foreground() > 128
    colours = np.asarray(picture.convert("L").convert("RGB")).astype(np.float32)  # grey, so that the three stand out
    for where, colour in ((found & truth, FOUND), (~found & truth, MISSED), (found & ~truth, WRONG)):
        colours[where] = 0.4 * colours[where] + 0.6 * np.array(colour, np.float32)
    shown = [picture] * (item.image is not None) + [Image.fromarray(colours.round().astype(np.uint8))]
    images = "".join(f'<img alt="" src="{_embedded(p)}">' for p in shown)
    name = html.escape(item.name)
    return (
        f'<figure><div class="{"two" if len(shown) == 2 else ""}">{images}</div>'
        f"<figcaption><b>{item.scores.dice:.3f}</b>{name}</figcaption></figure>"
    )


def _embedded(picture: Image.Image) -> str:
    small = picture.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
