"""What the reports are made of: a page that needs no other file, tiles, figures, legends, a histogram."""

import base64
import html
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data import class_colours, read_image

Item = TypeVar("Item")
THUMBNAIL = 300
FOUND, MISSED, WRONG = (0, 158, 115), (230, 159, 0), (213, 44, 90)
OUTCOMES = (("found", FOUND), ("missed", MISSED), ("wrongly found", WRONG))
UNLABELLED = (200, 200, 200)

STYLE = """
:root { color-scheme: light dark; --bg: #fbfbfa; --fg: #1d2328; --dim: #616b75; --card: #fff; --line: #dfe3e6;
  --bar: #2a78b8; --second: #d9822b; --third: #3c9a5f; }
@media (prefers-color-scheme: dark) { :root { --bg: #15181b; --fg: #e8eaec; --dim: #9aa4ad; --card: #1f2428;
  --line: #333a40; --bar: #63aee8; --second: #f0a85c; --third: #6fc08d; } }
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
.grid:has(.three) { grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr)); }
figure { margin: 0; overflow: hidden; } figure img { display: block; width: 100%; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 1px; }
.three { display: grid; grid-template-columns: 1fr 1fr 1fr; gap: 1px; }
figcaption { padding: .45rem .7rem; font-size: .85rem; overflow-wrap: anywhere; }
figcaption b { float: right; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; border-spacing: 0; overflow: hidden; }
td { padding: .4rem .9rem; border-top: 1px solid var(--line); } tr:first-child td { border-top: 0; }
th { padding: .4rem .9rem; border-top: 1px solid var(--line); text-align: left; font-weight: 600; }
tr:first-child th { border-top: 0; } td .key { margin-left: 0; outline: 1px solid var(--line); }
.numbers :is(td, th):not(:first-child) { font-variant-numeric: tabular-nums; text-align: right; }
.scroll { overflow-x: auto; } .scroll + p { margin-top: .75rem; }
.heat { width: auto; font-size: .875rem; } .heat :is(td, th) { padding: .35rem .6rem; }
.heat td { min-width: 3.75rem; background: color-mix(in srgb, var(--bar) var(--heat), transparent); }
.heat th:first-child { position: sticky; left: 0; background: var(--card); }
table + p { margin-top: .75rem; }
td:nth-child(2) { font-variant-numeric: tabular-nums; text-align: right; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin: 0 .3em 0 1em; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: .9rem; }
.chart { padding: .5rem .6rem .2rem; } .chart figcaption { padding: .2rem .4rem .4rem; }
.keys { float: right; color: var(--dim); } .chart svg { max-width: none; display: block; }
.facts { column-count: 2; column-gap: .9rem; } @media (max-width: 700px) { .facts { column-count: 1; } }
.facts div { display: grid; grid-template-columns: 9.5rem 1fr; gap: .6rem; padding: .28rem .2rem; break-inside: avoid;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; } .facts.one { column-count: 1; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .8rem 1rem;
  overflow-x: auto; }
svg { width: 100%; max-width: 640px; height: auto; } svg text { fill: var(--dim); font: 12px system-ui, sans-serif; }
"""


def page(title: str, body: str) -> str:
    """A whole HTML document; `title` is plain text, `body` is HTML."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>
<h1>{html.escape(title)}</h1>
{body}
</body></html>
"""


def tile(value: str, name: str, meaning: str) -> str:
    """A number that stands out, for a `<div class="tiles">`; all plain text."""
    value, name, meaning = map(html.escape, (value, name, meaning))
    return f'<div class="tile"><b>{value}</b>{name}<p class="dim">{meaning}</p></div>'


def legend(entries: Iterable[tuple[str, Sequence[int]]]) -> str:
    """A line of words, plain text, each with its RGB colour in front."""
    return "".join(
        f'<span class="key" style="background: rgb({r}, {g}, {b})"></span>{html.escape(word)}'
        for word, (r, g, b) in entries
    )


def thumbnail(picture: Image.Image) -> str:
    """A data URI of the picture, RGB or grey, as a small JPEG."""
    small = picture.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def figure(pictures: Sequence[Image.Image], name: str, figure_text: str) -> str:
    """One to three pictures side by side for a `<div class="grid">`, their name and a number below, plain text."""
    images = "".join(f'<img alt="" src="{thumbnail(picture)}">' for picture in pictures)
    beside = {2: "two", 3: "three"}.get(len(pictures), "")
    return (
        f'<figure><div class="{beside}">{images}</div>'
        f"<figcaption><b>{html.escape(figure_text)}</b>{html.escape(name)}</figcaption></figure>"
    )


def histogram(counts: Sequence[int], name: str) -> str:
    """How many values lie in each twentieth of [0, 1] as twenty bars, as SVG; `name` says of what."""
    width, base, step = 640, 156, 31
    parts = [f'<line x1="10" x2="630" y1="{base}" y2="{base}" stroke="var(--line)"/>']
    for i, count in enumerate(counts):
        left, tall = 10 + i * step, 130 * count / max(counts)
        if count:
            parts.append(
                f'<rect x="{left + 1}" y="{base - tall:.1f}" width="{step - 2}" height="{tall:.1f}" rx="2" '
                f'fill="var(--bar)"><title>{i / 20:.2f} to {(i + 1) / 20:.2f}: {count}</title></rect>'
                f'<text x="{left + step / 2}" y="{base - tall - 5:.1f}" text-anchor="middle">{count}</text>'
            )
    parts += [
        f'<text x="{10 + v * 620:.0f}" y="174" text-anchor="middle">{v:g}</text>' for v in (0, 0.25, 0.5, 0.75, 1)
    ]
    label = html.escape(f"Histogram of {name}")
    return f'<svg viewBox="0 0 {width} 180" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def twentieths(values: Sequence[float]) -> list[int]:
    """How many values lie in each twentieth of [0, 1]."""
    return [int(count) for count in np.histogram(values, bins=20, range=(0, 1))[0]]


def worst_and_best(items: Iterable[Item], value: Callable[[Item], float]) -> tuple[list[Item], list[Item]]:
    """Up to 12 items of the lowest value and up to 8 of the highest, from the extreme inwards; none is in both."""
    ordered = sorted(items, key=value)
    return ordered[: min(12, (len(ordered) + 1) // 2)], ordered[::-1][: min(8, len(ordered) // 2)]


def load_or_blank(image: Path | None, size: tuple[int, int]) -> Image.Image:
    """The RGB picture at (width, height), or a dark plane where there is none."""
    return Image.new("RGB", size, (40, 40, 40)) if image is None else read_image(image).resize(size)


def outcome_image(picture: Image.Image, found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Image.Image:
    """The picture in grey, and over it what was found, missed and wrongly found; `found` and `truth` are (H, W)."""
    outcome = np.where(found, np.where(truth, 1, 3), np.where(truth, 2, 0))
    return _tinted(picture, outcome, np.array([(0, 0, 0), FOUND, MISSED, WRONG]))


def classes_image(picture: Image.Image, indices: NDArray[np.uint8]) -> Image.Image:
    """The picture in grey, and over it the colours of the class indices (H, W), not of 0; 255 is light grey."""
    return _tinted(picture, indices, np.vstack([class_colours(255), UNLABELLED]))


def _tinted(picture: Image.Image, indices: NDArray[np.integer], colours: NDArray[np.integer]) -> Image.Image:
    shown = np.asarray(picture.convert("L").convert("RGB")).astype(np.float32)  # grey, so that the colours stand out
    where = indices > 0
    shown[where] = 0.4 * shown[where] + 0.6 * colours[indices[where]].astype(np.float32)
    return Image.fromarray(shown.round().astype(np.uint8))
