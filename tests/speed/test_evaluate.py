import numpy as np
import pytest
from PIL import Image


def test_summarise_computes_speeds_ratios_and_differences():
    from evaluate import summarise
    from timed_process import TimedProcess

    theirs = TimedProcess("PySODMetrics", [], seconds=[4.0, 2.0, 3.0], replies=[{"metrics": {"S": 0.5, "MAE": 0.1}}])
    metrics = {"S": 0.5, "MAE": 0.125, "BER": 9}
    ours = TimedProcess("ours", [], seconds=[1.0, 1.0, 2.0], replies=[{"metrics": metrics}])
    rows, figures = summarise([theirs, ours], "4x5", 12)
    assert rows == [
        ["4x5", "PySODMetrics", "4.0 (3.0 to 6.0)", "1.00", "0.0e+00"],
        ["4x5", "ours", "12.0 (6.0 to 12.0)", "3.00", "2.5e-02"],
    ]
    assert figures[1]["ratio"] == 3
    assert figures[1]["largest_difference"] == pytest.approx(0.025)
    assert figures[1]["seconds"] == [1.0, 1.0, 2.0]


def test_both_variants_compute_the_same_metrics(run_script):
    sizes = ["--sizes", "40x50", "--images", "70", "--steps", "1", "--processes", "2"]
    result = run_script("evaluate", *sizes)
    theirs, ours = result["figures"]["rows"]
    assert (theirs["variant"], ours["variant"]) == ("PySODMetrics", "ours, 2 processes")
    assert ours["largest_difference"] < 1e-6
    assert ours["ratio"] == pytest.approx(theirs["seconds"][0] / ours["seconds"][0])
    assert result["figures"]["images"] == 70


def test_maps_are_soft_and_mostly_right(tmp_path):
    from evaluate import write_maps

    write_maps(tmp_path, 3, 40, 50)
    for i in range(3):
        mask, probability = (np.asarray(Image.open(tmp_path / f"{name}/{i:04}.png")) for name in ("masks", "maps"))
        assert mask.shape == probability.shape == (40, 50)
        assert set(np.unique(mask)) == {0, 255}
        assert len(np.unique(probability)) > 20
        assert 0.7 < ((probability >= 128) == (mask > 0)).mean() < 1
