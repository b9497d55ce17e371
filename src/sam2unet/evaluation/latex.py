"""LaTeX tables for the package booktabs."""

from collections.abc import Sequence

ESCAPES = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--"}


def escape_latex(text: str) -> str:
    r"""Return plain text as LaTeX.

    >>> print(escape_latex("50 % & F_max"))
    50 \% \& F\_max
    """
    return "".join(ESCAPES.get(sign, f"\\{sign}" if sign in "&%#_${}" else sign) for sign in text)


def latex_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], groups: Sequence[tuple[str, int]] = (), comment: str = ""
) -> str:
    """Return a table as LaTeX.

    Args:
        header: plain text, as are all cells; the first column is flush left, the others are centred.
        rows: as many cells as `header` each.
        groups: headings over the columns from the second on, each with its number of columns.
        comment: follows the first line, for the reader of the source.
    """
    lines = [rf"\begin{{tabular}}{{l{'c' * (len(header) - 1)}}}" + (f" % {comment}" if comment else ""), r"\toprule"]
    if groups:
        ends = [1 + sum(width for _, width in groups[: i + 1]) for i in range(len(groups))]
        spans = " & ".join(rf"\multicolumn{{{width}}}{{c}}{{{escape_latex(title)}}}" for title, width in groups)
        rules = " ".join(rf"\cmidrule(lr){{{end - width + 1}-{end}}}"
                         for end, (_, width) in zip(ends, groups, strict=True))  # fmt: skip
        lines.append(rf" & {spans} \\ {rules}")
    body = [" & ".join(map(escape_latex, row)) + r" \\" for row in (header, *rows)]
    return "\n".join([*lines, body[0], r"\midrule", *body[1:], r"\bottomrule", r"\end{tabular}"])
