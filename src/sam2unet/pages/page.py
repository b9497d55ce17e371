"""A report as one HTML file that needs no other, and the elements of its text."""

import html
from collections.abc import Iterable, Sequence

STYLE = """
:root { color-scheme: light dark; --bg: #fbfbfa; --fg: #1d2328; --dim: #616b75; --card: #fff; --line: #dfe3e6;
  --bar: #2a78b8; --second: #d9822b; --third: #3c9a5f; --alert: #9a5200; --wrong: #c62842; }
@media (prefers-color-scheme: dark) { :root { --bg: #15181b; --fg: #e8eaec; --dim: #9aa4ad; --card: #1f2428;
  --line: #333a40; --bar: #63aee8; --second: #f0a85c; --third: #6fc08d; --alert: #f0a85c; --wrong: #f0637a; } }
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
h3 { font-size: 1rem; margin: 1.25rem 0 .5rem; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(180px, 1fr)); gap: .7rem; align-items: start; }
.outlined { position: relative; background: #000; }
.outlined img { max-height: 15rem; object-fit: contain; }
.outlined img + img { position: absolute; inset: 0; height: 100%; }
.outlined:hover img + img { visibility: hidden; }
.blank { padding: 3rem 1rem; text-align: center; color: #9aa4ad; font-size: .85rem; }
.sheet figcaption { line-height: 1.35; }
.why { margin: .3rem 0 0; color: var(--alert); }
.findings { margin: 0; padding: 0; list-style: none; }
.findings li { padding: .5rem .9rem; margin-bottom: .4rem; background: var(--card); border: 1px solid var(--line);
  border-left: 4px solid var(--second); border-radius: 6px; overflow-wrap: anywhere; }
.error li { border-left-color: var(--wrong); }
.values { width: auto; min-width: min(100%, 600px); } .values th:nth-child(2) { text-align: right; }
.values td:nth-child(3) { width: 12rem; }
.share { display: block; height: .7em; min-width: 1px; border-radius: 2px; background: var(--bar); }
.striped { background: repeating-linear-gradient(135deg, #ebebeb 0 2px, #777 2px 6px); }
.spaced { margin-top: 1.25rem; }
svg { width: 100%; max-width: 640px; height: auto; } svg text { fill: var(--dim); font: 12px system-ui, sans-serif; }
"""


def page(title: str, body: str) -> str:
    """Return a whole HTML document.

    Args:
        title: plain text.
        body: HTML.
    """
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>
<h1>{html.escape(title)}</h1>
{body}
</body></html>
"""


def tile(value: str, name: str, meaning: str) -> str:
    """Return a large number with its name and meaning, all plain text, for a `<div class="tiles">`."""
    value, name, meaning = map(html.escape, (value, name, meaning))
    return f'<div class="tile"><b>{value}</b>{name}<p class="dim">{meaning}</p></div>'


def legend(entries: Iterable[tuple[str, Sequence[int]]]) -> str:
    """Return a line of labels, plain text, each after a square of its RGB colour."""
    return "".join(
        f'<span class="key" style="background: rgb({r}, {g}, {b})"></span>{html.escape(label)}'
        for label, (r, g, b) in entries
    )


def facts(rows: Iterable[tuple[str, str]], wide: bool = False) -> str:
    """Return a list of names and values, plain text, in two columns, or in one if the values are `wide`."""
    cells = "".join(
        f'<div><span class="dim">{html.escape(name)}</span><span>{html.escape(value)}</span></div>'
        for name, value in rows
    )
    return f'<div class="facts{" one" if wide else ""}">{cells}</div>'
