"""Lines over epochs or thresholds, as SVG that follows the page's light and dark colours."""

import html
import math
from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 520, 256, 46, 12, 34, 12
COLOURS = ("var(--bar)", "var(--second)", "var(--third)")


def curves(
    title: str, xs: Sequence[float], lines: Mapping[str, Sequence[float]], x_name: str,
    span: tuple[float, float] | None = None, mark: tuple[float, str] | None = None,
    colours: Sequence[str] = COLOURS,
) -> str:  # fmt: skip
    """A figure with lines over `xs`, as many as there are colours; values that are no number leave a gap.

    Args:
        title: what is shown.
        xs: ascending.
        lines: a name and as many values as `xs` each.
        x_name: below the axis.
        span: lowest and highest value shown; default those of the lines.
        mark: a place on the x axis and a word for it.
        colours: of CSS.
    """
    finite = [y for values in lines.values() for y in values if math.isfinite(y)] or [0.0]
    low, high = span or (min(finite), max(finite))
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
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">{html.escape(x_name)}</text>')
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
        if len(points) <= 60:
            parts += [
                f'<circle cx="{across(x):.1f}" cy="{down(y):.1f}" r="3" fill="{colour}">'
                f"<title>{html.escape(name)}, {html.escape(x_name)} {x:g}: {y:.4g}</title></circle>"
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
    """0.25, 1e-4 in place of 0.0001."""
    mantissa, _, power = f"{value:.1e}".partition("e")
    return f"{value:g}" if value == 0 or abs(value) >= 0.01 else f"{float(mantissa):g}e{int(power)}"


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """At most `most` + 1 round numbers that cover [low, high]: multiples of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(factor * power for factor in (1, 2, 5, 10, 20) if (high - low) / (factor * power) <= most)
    first, count = math.floor(low / step + 1e-9), math.ceil((high - low) / step - 1e-9) + 1
    return [round((first + i) * step, 10) for i in range(count + 1) if (first + i - 1) * step < high - 1e-9 * step]
