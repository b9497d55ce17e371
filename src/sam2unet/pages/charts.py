"""Charts as SVG that follows the page's light and dark colours."""

import html
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 520, 256, 46, 12, 34, 12
COLOURS = ("var(--bar)", "var(--second)", "var(--third)")
MAX_MARKED = 60
"""Lines of at most this many points have a circle with a tooltip at each."""


def curves(
    title: str, xs: Sequence[float], lines: Mapping[str, Sequence[float]], x_label: str,
    y_range: tuple[float, float] | None = None, mark: tuple[float, str] | None = None,
    colours: Sequence[str] = COLOURS,
) -> str:  # fmt: skip
    """Return a line chart as an HTML figure.

    Args:
        title: plain text, as are the lines' names and `x_label`.
        xs: ascending.
        lines: values by the line's name, as many as `xs`; nan and infinite values are left out. Lines beyond the number
            of colours are left out.
        x_label: title of the x axis.
        y_range: lowest and highest value shown; those of the lines by default.
        mark: a position on the x axis, drawn as a dashed line, and its label.
        colours: CSS colours of the lines.
    """
    finite = [y for values in lines.values() for y in values if math.isfinite(y)] or [0.0]
    low, high = y_range or (min(finite), max(finite))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    ticks = nice_ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    first, last = (xs[0], xs[-1]) if xs[-1] > xs[0] else (xs[0] - 0.5, xs[0] + 0.5)

    def across(x: float) -> float:
        return LEFT + (x - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def down(y: float) -> float:
        return TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM)

    base = HEIGHT - BOTTOM
    parts = [
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down(y):.1f}" y2="{down(y):.1f}" stroke="var(--line)"/>'
        f'<text x="{LEFT - 7}" y="{down(y) + 4:.1f}" text-anchor="end">{_short(y)}</text>'
        for y in ticks
    ]
    parts += [
        f'<text x="{across(x):.1f}" y="{base + 16}" text-anchor="middle">{x:g}</text>'
        for x in nice_ticks(first, last, 8)
        if first <= x <= last and (x == int(x) or not all(x == int(x) for x in xs))
    ]
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">{html.escape(x_label)}</text>')
    if mark:
        x, end = across(mark[0]), "end" if mark[0] > (first + last) / 2 else "start"
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{base}" stroke="var(--dim)" stroke-dasharray="3 4"/>'
            f'<text x="{x + (-6 if end == "end" else 6):.1f}" y="{base - 7}" text-anchor="{end}">'
            f"{html.escape(mark[1])}</text>"
        )
    for colour, (name, values) in zip(colours, lines.items(), strict=False):
        points = [(x, y) for x, y in zip(xs, values, strict=True) if math.isfinite(y)]
        path = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(points) <= MAX_MARKED:
            parts += [
                f'<circle cx="{across(x):.1f}" cy="{down(y):.1f}" r="3" fill="{colour}">'
                f"<title>{html.escape(name)}, {html.escape(x_label)} {x:g}: {y:.4g}</title></circle>"
                for x, y in points
            ]
    keys = "".join(
        f'<span class="key" style="background: {colour}"></span>{html.escape(name)}'
        for colour, name in zip(colours, lines, strict=False)
    )
    return (
        f'<figure class="chart"><figcaption><span class="keys">{keys}</span><strong>{html.escape(title)}</strong>'
        f'</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">'
        f"{''.join(parts)}</svg></figure>"
    )


def _short(value: float) -> str:
    """Return 0.25 as it is, and 0.0001 as 1e-4."""
    mantissa, _, power = f"{value:.1e}".partition("e")
    return f"{value:g}" if value == 0 or abs(value) >= 0.01 else f"{float(mantissa):g}e{int(power)}"


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return at most `most` + 2 round numbers that cover [low, high]: multiples of 1, 2 or 5 times a power of ten.

    >>> nice_ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(factor * power for factor in (1, 2, 5, 10, 20) if (high - low) / (factor * power) <= most)
    first, count = math.floor(low / step + 1e-9), math.ceil((high - low) / step - 1e-9) + 1
    return [round((first + i) * step, 10) for i in range(count + 1) if (first + i - 1) * step < high - 1e-9 * step]


def histogram(
    counts: Sequence[int],
    name: str,
    span: tuple[float, float] = (0, 1),
    label: Callable[[float], str] = "{:.2f}".format,
) -> str:
    """Return a bar chart of twenty counts as SVG; see `twentieths`.

    Args:
        counts: number of values in each twentieth of `span`.
        name: what the values are, plain text, for screen readers.
        span: ends of the axis.
        label: returns the text of a position on the axis.
    """
    low, high = span
    width, base, step = 640, 156, 31
    parts = [f'<line x1="10" x2="630" y1="{base}" y2="{base}" stroke="var(--line)"/>']
    edges = [html.escape(label(low + i * (high - low) / 20)) for i in range(21)]
    for i, count in enumerate(counts):
        if count:
            left, tall = 10 + i * step, 130 * count / max(counts)
            parts.append(
                f'<rect x="{left + 1}" y="{base - tall:.1f}" width="{step - 2}" height="{tall:.1f}" rx="2" '
                f'fill="var(--bar)"><title>{edges[i]} to {edges[i + 1]}: {count}</title></rect>'
                f'<text x="{left + step / 2}" y="{base - tall - 5:.1f}" text-anchor="middle">{count}</text>'
            )
    parts += [
        f'<text x="{10 + i * step}" y="174" text-anchor="{anchor}">{edges[i]}</text>'
        for i, anchor in ((0, "start"), (5, "middle"), (10, "middle"), (15, "middle"), (20, "end"))
    ]
    title = html.escape(f"Histogram of {name}")
    return f'<svg viewBox="0 0 {width} 180" role="img" aria-label="{title}">{"".join(parts)}</svg>'


def twentieths(values: Sequence[float]) -> list[int]:
    """Count the values in each twentieth of [0, 1]."""
    return [int(count) for count in np.histogram(values, bins=20, range=(0, 1))[0]]
