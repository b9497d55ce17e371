import statistics

import pytest


def test_summarise_computes_the_percentage_of_waiting():
    from loading import summarise

    assert summarise(waits=[0.001, 0.004, 0.095], steps=[0.5, 0.2, 0.2]) == ["0.20", "4.00", "10.00"]


def test_waiting_is_measured_in_training(scenes, run_script):
    sizes = ["--size", "64", "--batch", "2", "--warm-up", "1", "--batches", "2", "--workers", "1", "--trunk", "pico"]
    result = run_script("loading", scenes / "train", *sizes)
    waits, steps = result["figures"]["waiting_seconds"], result["figures"]["step_seconds"]
    (row,) = result["table"]["rows"]
    assert len(waits) == len(steps) == 2
    assert min(*waits, *steps) > 0
    assert row[:3] == ["1", "2", "64x64"]
    assert float(row[3]) == pytest.approx(statistics.mean(steps), abs=0.006)  # of two, the mean is the median
    assert float(row[5]) == pytest.approx(100 * sum(waits) / sum(waits + steps), abs=0.006)
