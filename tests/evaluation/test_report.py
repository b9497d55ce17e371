"""The report's page."""

import html
import re

import numpy as np
import pytest
from PIL import Image

from sam2unet.data import class_colours
from sam2unet.errors import InputError
from sam2unet.evaluation import Evaluation, Options, Totals, evaluate_folder, write_report

IMAGE = "data:image/jpeg;base64,"


def report(root, predictions, title="Title", masks="gt"):
    result = evaluate_folder(root / predictions, root / masks)
    write_report(root / "r.html", result, title)
    return (root / "r.html").read_text(), result


def add_images(root, number, size):
    (root / "pairs/images").mkdir(parents=True)
    (root / "gt").rename(root / "pairs/masks")
    names = sorted(path.stem for path in (root / "pairs/masks").iterdir())
    assert len(names) == number
    for name in names:
        Image.new("RGB", size).save(root / f"pairs/images/{name}.png")


def test_report_of_one_class_shows_all_metrics(folders):
    page, result = report(folders, "maps", "<Maps> & more")
    assert "&lt;Maps&gt; &amp; more" in page
    for name, value in result.metrics().items():
        if name != "images":
            assert f"<tr><td>{name}</td><td>{value:.4f}</td>" in page, name
    assert "6 images" in page


def test_report_is_one_file(folders):
    page, _ = report(folders, "maps")
    assert not re.findall(r'(?:src|href)="(?!data:)', page)


def test_report_shows_each_of_few_images_once_without_the_image_file(folders):
    page, _ = report(folders, "maps")
    assert page.count(IMAGE) == 6


def test_report_takes_images_of_another_size(folders):
    add_images(folders, 6, (100, 80))
    page, _ = report(folders, "maps", masks="pairs")
    assert page.count(IMAGE) == 2 * 6


def test_report_notes_issues(folders):
    (folders / "maps/1.png").write_bytes(b"")
    page, result = report(folders, "maps")
    (issue,) = result.issues()
    assert f"<p><strong>Note:</strong> {html.escape(issue)}</p>" in page


def test_report_of_several_classes_shows_the_confusion_matrix(class_folders):
    (class_folders / "out/classes.txt").write_text("background\nleaf\nair\n<stem> & root\n")
    page, result = report(class_folders, "out")
    assert "&lt;stem&gt; &amp; root" in page
    assert "<stem>" not in page
    assert all("rgb({}, {}, {})".format(*colour) in page for colour in class_colours(4))
    counts = np.array(result.as_json()["confusion"])
    cells = re.findall(r'title="(\d+) pixels">([\d.]*)<', page)
    assert [int(pixels) for pixels, _ in cells] == counts.ravel().tolist()
    assert cells[5][1] == f"{100 * counts[1, 1] / counts[1].sum():.1f}"
    assert page.count(IMAGE) == 2 * 4


def test_report_of_several_classes_shows_a_dash_for_nan(class_folders):
    page, _ = report(class_folders, "out")
    assert "<td>–</td><td>–</td>" in page


def test_report_of_several_classes_shows_images(class_folders):
    add_images(class_folders, 4, (30, 20))
    page, _ = report(class_folders, "out", masks="pairs")
    assert page.count(IMAGE) == 3 * 4


def test_report_needs_an_image(tmp_path):
    with pytest.raises(InputError, match="there is no image to report on"):
        write_report(tmp_path / "r.html", Evaluation(Options(), Totals()), "")
