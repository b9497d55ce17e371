"""Tables on the terminal, as LaTeX and as CSV."""

import csv
import math

import pytest

from sam2unet.evaluation import evaluate_folder, open_csv, print_metrics, write_latex


def test_print_metrics_prints_a_line_each(folders, capsys):
    result = evaluate_folder(folders / "maps", folders / "gt")
    print_metrics(result)
    expected = [f"{name:12} {value:.4f}" for name, value in result.metrics().items() if name != "images"]
    assert capsys.readouterr().out.splitlines() == [*expected, "images       6"]


def test_print_metrics_prints_the_chosen_ones_in_order(folders, capsys):
    print_metrics(evaluate_folder(folders / "maps", folders / "gt"), ["wF", "MAE"])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["wF", "MAE", "images"]


def test_print_metrics_prints_a_row_per_class(class_folders, capsys):
    (class_folders / "out/classes.txt").write_text("background\nleaf\nair\nroot\n")
    result = evaluate_folder(class_folders / "out", class_folders / "gt")
    print_metrics(result)
    metrics, lines = result.metrics(), capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["class", "IoU", "Dice"]
    assert lines[2].split() == ["leaf", f"{metrics['IoU/leaf']:.4f}", f"{metrics['Dice/leaf']:.4f}"]
    assert lines[3].split() == ["air", "–", "–"]
    assert lines[5] == ""
    assert lines[6].split() == ["mIoU", f"{metrics['mIoU']:.4f}"]
    assert not any("/" in line for line in lines)


@pytest.mark.parametrize(
    ("fixture", "predictions", "names"),
    [("folders", "maps", ("IoU", "F_max", "MAE")), ("class_folders", "out", ())],
)
def test_write_latex_writes_a_row(fixture, predictions, names, request):
    root = request.getfixturevalue(fixture)
    result = evaluate_folder(root / predictions, root / "gt")
    write_latex(root / "t.tex", result, "50% & #1_x", names)
    names = names or ("mIoU", "mDice", "mIoU_foreground", "mDice_foreground", "accuracy")
    lines = (root / "t.tex").read_text().splitlines()
    assert lines[0] == rf"\begin{{tabular}}{{l{'c' * len(names)}}}"
    assert lines[2] == "Method & " + " & ".join(names).replace("_", r"\_") + r" \\"
    values = " & ".join(f"{result.metrics()[name]:.3f}" for name in names)
    assert lines[4] == rf"50\% \& \#1\_x & {values} \\"


def test_open_csv_writes_a_row_per_image(tmp_path):
    with open_csv(tmp_path / "s.csv") as write:
        write("a, b", {"S": 0.5, "HD95": math.nan})
        write("c", {"S": 1, "HD95": 2})
    with (tmp_path / "s.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["name", "S", "HD95"],
            ["a, b", "0.500000", ""],
            ["c", "1.000000", "2.000000"],
        ]


def test_open_csv_writes_nothing_without_a_path():
    with open_csv(None) as write:
        write("a", {"S": 0.5})
