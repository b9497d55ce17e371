import pytest
import torch

from sam2unet.system import has_bf16


def test_summarise_computes_speeds_and_their_ratio():
    from predict_folder import summarise

    cells = summarise(12, file_to_file=[4.0, 6.0, 3.0], alone=[3.0, 3.0, 3.0])
    assert cells == ["12", "3.00", "4.00", "0.750 (0.500 to 1.000)"]


def test_a_folder_is_timed_beside_the_network_alone(scenes, model_file, run_script):
    result = run_script("predict_folder", model_file, scenes / "test", "--rounds", "2", "--backend", "torch")
    figures, (row,) = result["figures"], result["table"]["rows"]
    precision = "bf16" if has_bf16(torch.device("cpu")) else "float32"
    assert row[:3] == [f"torch in {precision} on cpu", "pico", "3"]
    assert figures["images"] == 3
    whole, alone = figures["file_to_file_seconds"], figures["network_seconds"]
    assert len(whole) == len(alone) == 2
    assert float(row[3]) == pytest.approx((3 / whole[0] + 3 / whole[1]) / 2, abs=0.006)
    assert float(row[4]) == pytest.approx((3 / alone[0] + 3 / alone[1]) / 2, abs=0.006)
