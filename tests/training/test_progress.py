"""The estimate of the time that is left."""

import pytest

from sam2unet.training.progress import EtaEstimator


def test_seconds_left_leaves_out_the_first_batches(monkeypatch):
    clock = iter([0.0, 9, 9, 18, 18, 20, 20, 21, 21, 22, 22, 23, 23, 33, 33])
    monkeypatch.setattr("sam2unet.training.progress.time.monotonic", lambda: next(clock))
    eta = EtaEstimator()
    assert eta.seconds_left(5, 1) is None
    eta.restart_clock()
    for _ in range(6):  # 9, 9 and 2 seconds to warm up, then one each
        eta.add_batch()
    eta.add_validation()
    assert eta.seconds_left(12, 2) == pytest.approx(12 * 1 + 2 * 10)
