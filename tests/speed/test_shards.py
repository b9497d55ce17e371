import os

from sam2unet.export import export_model


def test_summarise_compares_round_by_round():
    from shards import summarise

    rows = summarise({"one": [2.0, 4.0, 6.0], "many": [1.0, 1.0, 1.5]}, images=12)
    assert rows == [["one", "3.0", "1.00 (1.00 to 1.00)"], ["many", "12.0", "4.00 (2.00 to 4.00)"]]


def test_setups_are_one_process_and_one_per_core():
    from shards import setups

    assert [*setups(4).items()][:2] == [("one process, all cores", (1, None)), ("4 shards, a core each", (4, None))]


def test_shards_are_timed_beside_one_process(network, tmp_path, run_script):
    model = export_model(network(), tmp_path, "m", "onnx")
    result = run_script("shards", model, "--images", "4", "--rounds", "1")
    seconds = result["figures"]["seconds"]
    assert [*seconds][:2] == ["one process, all cores", f"{os.cpu_count()} shards, a core each"]
    for (name, (duration,)), row in zip(seconds.items(), result["table"]["rows"], strict=True):
        ratio = seconds["one process, all cores"][0] / duration
        assert row == [name, f"{4 / duration:.1f}", f"{ratio:.2f} ({ratio:.2f} to {ratio:.2f})"]
