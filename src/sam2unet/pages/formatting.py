"""Numbers as text."""

import math


def format_score(value: float, digits: int = 4) -> str:
    """Return the number with a fixed number of decimals, or a dash for nan.

    >>> format_score(0.51238, 3), format_score(float("nan"))
    ('0.512', '–')
    """
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def format_fraction(fraction: float) -> str:
    """Return a percentage with one decimal, or with two digits if it is small.

    >>> format_fraction(0.123), format_fraction(0.00042), format_fraction(0)
    ('12.3%', '0.042%', '0%')
    """
    return f"{100 * fraction:.2g}%" if fraction < 0.001 else f"{fraction:.1%}"


def format_duration(seconds: float) -> str:
    """Return H:MM:SS, or M:SS below an hour.

    >>> format_duration(3909), format_duration(309)
    ('1:05:09', '5:09')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
