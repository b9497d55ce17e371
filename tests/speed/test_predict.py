import argparse
import sys

import numpy as np
import pytest
from PIL import Image

WORKER = """
import json, sys
import numpy as np
from sam2unet import CHECKOUT
variant, device, weights, image, out = sys.argv[1:]
seconds, probability = {"before": (3.0, 0.25), "ours": (2.0, 0.75)}[CHECKOUT]
np.save(out, np.full((480, 640), probability, np.float32))
print(json.dumps({"ready": True}), flush=True)
for _ in sys.stdin:
    print(json.dumps({"seconds": seconds, "loss": 0.25, "peak_bytes": 2**30, "backend": variant}), flush=True)
"""
"""Stands in for our_predict.py of two checkouts."""


def options(**changes):
    names = {"upstream": None, "against": None, "device": "cpu", "image": None, "steps": 1, "warm_up": 0}
    return argparse.Namespace(upstream_python=sys.executable, **names | changes)


def difference_and_changes(probability, reference):
    """What `compare` returns, pixel by pixel."""
    pairs = [(float(p), float(r)) for p, r in zip(probability.flat, reference.flat, strict=True)]
    changed = [(p > 0.5) != (r > 0.5) for p, r in pairs if not 0.45 <= r <= 0.55]
    return sum(abs(p - r) for p, r in pairs) / len(pairs), sum(changed) / len(pairs)


def test_compare_counts_changed_pixels_where_the_reference_is_certain():
    from predict import compare

    reference = np.array([[0.9, 0.52, 0.1, 0.2]], np.float32)
    probability = np.array([[0.4, 0.4, 0.2, 0.2]], np.float32)
    difference, changed = compare(probability, reference)
    assert difference == pytest.approx((0.5 + 0.12 + 0.1 + 0) / 4)
    assert changed == 1 / 4


def test_compare_agrees_with_a_loop_over_pixels(rng):
    from predict import compare

    probability, reference = rng.random((2, 13, 17), np.float32)
    assert compare(probability, reference) == pytest.approx(difference_and_changes(probability, reference))


@pytest.mark.parametrize(
    ("variants", "speedups", "references"),
    [
        (["upstream", "ours a", "ours b"], [1, 2, 4], [0, 0, 0]),
        (["before a", "ours a", "before b", "ours b"], [1, 2, 1, 8], [0, 0, 2, 2]),
    ],
)
def test_summarise_compares_with_the_first_or_with_before(variants, speedups, references):
    from predict import summarise
    from timed_process import TimedProcess

    seconds = [[4.0, 6.0, 5.0], [2.5], [1.25]] if len(variants) == 3 else [[4.0, 6.0, 5.0], [2.5], [8.0], [1.0]]
    replies = [{"peak_bytes": 2**30, "backend": "torch"}]
    processes = [TimedProcess(v, [], seconds=s, replies=replies) for v, s in zip(variants, seconds, strict=True)]
    outputs = [np.full((4, 4), 0.1 * (i + 1), np.float32) for i in range(len(variants))]
    rows, figures = summarise(processes, outputs, "tiny")
    assert [figure["speedup"] for figure in figures] == speedups
    assert [figure["reference"] for figure in figures] == [variants[i] for i in references]
    differences = [0.1 * (i - reference) for i, reference in enumerate(references)]
    assert [figure["mean_difference"] for figure in figures] == pytest.approx(differences)
    assert rows[0] == [variants[0], "tiny", "5.000 (4.000 to 6.000)", "1.00", "1.00", "0.0e+00", "0.00"]
    assert rows[1] == [variants[1], "tiny", "2.500 (2.500 to 2.500)", "2.00", "1.00", "1.0e-01", "0.00"]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured on Linux only")
def test_figures_of_backends_are_those_of_their_outputs():
    from predict import measure, summarise

    processes, outputs = measure(options(ours=["torch:float32", "openvino:float32"]), "tiny", 1.0)
    _, (eager, compiled) = summarise(processes, outputs, "tiny")
    assert [output.shape for output in outputs] == [(480, 640)] * 2
    assert outputs[0].std() > 0.01
    difference, changed = difference_and_changes(outputs[1], outputs[0])
    assert 0 < difference < 1e-5
    assert compiled["mean_difference"] == pytest.approx(difference, rel=1e-3)
    assert compiled["changed_fraction"] == changed == 0
    assert processes[0].replies[0]["loss"] == pytest.approx(outputs[0].mean(), rel=1e-5)
    assert compiled["speedup"] == eager["seconds"][0] / compiled["seconds"][0]
    assert eager["backend"].startswith("torch")
    assert compiled["backend"].lower().startswith("openvino")


def test_against_runs_the_script_of_another_checkout(checkout, run_script, monkeypatch):
    before = checkout("before", "our_predict.py", WORKER)
    monkeypatch.setattr("predict.ROOT", checkout("ours", "our_predict.py", WORKER))
    result = run_script("predict", "--against", before, "--trunks", "tiny:1", "--ours", "torch:bf16", "--steps", "1")
    assert result["table"]["rows"] == [
        ["before torch:bf16", "tiny", "3.000 (3.000 to 3.000)", "1.00", "1.00", "0.0e+00", "0.00"],
        ["ours torch:bf16", "tiny", "2.000 (2.000 to 2.000)", "1.50", "1.00", "5.0e-01", "10000.00"],
    ]
    assert [row["backend"] for row in result["figures"]["rows"]] == ["torch:bf16"] * 2
    assert result["figures"]["before"] == {"commit": None, "dirty": None}


def test_write_images_rotates_one_image(tmp_path):
    from predict import write_images

    write_images(tmp_path / "in", 3)
    images = [np.asarray(Image.open(tmp_path / f"in/{i}.jpg")) for i in range(3)]
    assert [image.shape for image in images] == [(480, 640, 3)] * 3
    assert images[0].std() > 10
    assert np.abs(images[1].astype(float) - images[2]).mean() > 1
