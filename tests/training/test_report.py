"""The report page and TensorBoard."""

import csv
import re

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import sam2unet

from ..pico import SHORT


def metrics(run):
    return list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))


def test_the_report_needs_no_other_file(trained):
    page = (trained / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page)


def test_the_report_has_all_its_sections(trained):
    page = (trained / "report.html").read_text()
    for words in ("Validation", "best epoch", "Lowest Dice", "trunk_weights", "torch 2", "train</td>",
                  f"sam2unet predict {trained / 'best.safetensors'}"):  # fmt: skip
        assert words in page
    assert page.count("<figure><div") == 1  # the one validation image


def test_the_reports_curves_have_the_values_of_metrics_csv(trained):
    page = (trained / "report.html").read_text()
    for row in metrics(trained):
        assert f"Dice, epoch {row['epoch']}: {float(row['val_dice']):.4g}" in page


def test_tensorboard_has_the_values_of_metrics_csv(trained):
    events = EventAccumulator(str(trained / "tensorboard"))
    events.Reload()
    rows = metrics(trained)
    for name in ("loss", "val_loss", "val_dice", "val_iou", "threshold", "lr"):
        values = [(event.step, event.value) for event in events.Scalars(name)]
        assert values == [(int(row["step"]), pytest.approx(float(row[name]))) for row in rows]
    assert len(events.Scalars("step_loss")) == int(rows[-1]["step"])
    assert events.Tags()["images"]
    assert "recipe/text_summary" in events.Tags()["tensors"]


def test_the_report_shows_a_dash_for_a_class_that_does_not_occur(tmp_path):
    for i in range(4):
        for kind, value in (("images", 100), ("masks", 1)):
            (tmp_path / "data" / kind).mkdir(parents=True, exist_ok=True)
            values = np.full((64, 64), value, np.uint8)
            values[:32] = 0
            Image.fromarray(values).save(tmp_path / "data" / kind / f"{i}.png")
    names = ["ground", "<b>thing</b>", "absent"]
    settings = SHORT | {"classes": 3, "class_names": names, "class_weights": [1, 2, 1], "epochs": 6}
    run = sam2unet.train(tmp_path / "data", out=tmp_path / "run", device="cpu", **settings)
    page = run.report.read_text()
    assert "&lt;b&gt;thing" in page
    assert "<b>thing" not in page
    for name in names:
        for kind in ("dice", "iou"):
            value = run.metrics[f"val_{kind}/{name}"]
            assert f"<td>{'–' if np.isnan(value) else f'{value:.4f}'}</td>" in page
    assert np.isnan(run.metrics["val_dice/absent"])
