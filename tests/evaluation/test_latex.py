"""LaTeX tables."""

import doctest

from sam2unet.evaluation import latex, latex_table


def test_latex_table_groups_columns():
    table = latex_table(["", "a", "b", "c"], [["x", "1", "–", "3"]], [("G_1", 2), ("H", 1)], "comment")
    assert table.splitlines() == [
        r"\begin{tabular}{lccc} % comment", r"\toprule",
        r" & \multicolumn{2}{c}{G\_1} & \multicolumn{1}{c}{H} \\ \cmidrule(lr){2-3} \cmidrule(lr){4-4}",
        r" & a & b & c \\", r"\midrule", r"x & 1 & -- & 3 \\", r"\bottomrule", r"\end{tabular}",
    ]  # fmt: skip


def test_examples():
    assert doctest.testmod(latex).failed == 0
