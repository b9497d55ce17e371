import argparse
import json
import sys

import pytest

WORKER = """
import json, sys
from sam2unet import CHECKOUT
print(json.dumps({"ready": True}), flush=True)
assert sys.argv[1:4] == ["ours", "tiny", "cpu"] and sys.argv[6:] == ["clip_norm=1"], sys.argv
for _ in sys.stdin:
    seconds = {"before": 2.0, "ours": 1.0}[CHECKOUT]
    print(json.dumps({"seconds": seconds, "loss": 4.5, "peak_bytes": int(seconds * 2**30)}), flush=True)
"""
"""Stands in for our_train.py of two checkouts."""


def options(**changes):
    names = {"upstream": None, "against": None, "without": [], "device": "cpu", "set": [], "size": 64}
    return argparse.Namespace(upstream_python=sys.executable, **names | changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["padded", "ours"]),
        ({"upstream": "theirs"}, ["upstream", "padded", "ours"]),
        ({"without": ["bf16", "running-sums"]}, ["ours", "without bf16", "without running-sums"]),
    ],
)
def test_variants_start_with_the_reference(changes, expected):
    from train import variants

    processes = variants(options(**changes), "tiny", "start.pt", "batch.pt")
    assert [process.variant for process in processes] == expected


def test_summarise_computes_medians_ratios_and_cells():
    from timed_process import TimedProcess
    from train import summarise

    first = {"loss": 4.25, "peak_bytes": 1}
    slow = TimedProcess("padded", [], seconds=[4.0, 9.0, 5.0], replies=[first, {"loss": 3, "peak_bytes": 4 * 2**30}])
    fast = TimedProcess("ours", [], seconds=[2.0, 1.0, 1.5], replies=[first, {"loss": 3, "peak_bytes": 3 * 2**30}])
    rows, figures = summarise([slow, fast], "large", 3)
    assert rows == [
        ["padded", "large", "3", "5.00 (4.00 to 9.00)", "1.000", "0.60", "4.00", "1.000", "4.2500"],
        ["ours", "large", "3", "1.50 (1.00 to 2.00)", "0.300", "2.00", "3.00", "0.750", "4.2500"],
    ]
    assert figures[1] == {
        "variant": "ours", "trunk": "large", "batch": 3, "seconds": [2.0, 1.0, 1.5], "time_ratio": pytest.approx(0.3),
        "peak_bytes": 3 * 2**30, "memory_ratio": 0.75, "first_loss": 4.25,
    }  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured on Linux only")
def test_all_variants_start_with_the_same_loss(tmp_path):
    import torch
    from timed_process import run_in_turn
    from train import random_batch, variants

    files = str(tmp_path / "start.pt"), str(tmp_path / "batch.pt")
    torch.save(random_batch(2, 64), files[1])
    padded, _ = variants(options(), "tiny", *files)
    _, float32 = variants(options(without=["bf16"]), "tiny", *files)
    run_in_turn([padded, float32], warm_up=1, steps=1)
    assert padded.replies[0]["loss"] == pytest.approx(float32.replies[0]["loss"], rel=1e-4)
    for first, second in (padded.replies, float32.replies):
        assert first["loss"] != second["loss"]  # the step changed the weights
        assert first["peak_bytes"] > 2**26


def test_against_runs_the_script_of_another_checkout(checkout, run_script, monkeypatch):
    before = checkout("before", "our_train.py", WORKER)
    monkeypatch.setattr("train.ROOT", checkout("ours", "our_train.py", WORKER))
    sizes = ["--trunks", "tiny:2", "--size", "64", "--steps", "3", "--warm-up", "1", "--set", "clip_norm=1"]
    result = run_script("train", "--against", before, *sizes)
    assert result["table"]["rows"] == [
        ["before", "tiny", "2", "2.00 (2.00 to 2.00)", "1.000", "1.00", "2.00", "1.000", "4.5000"],
        ["ours", "tiny", "2", "1.00 (1.00 to 1.00)", "0.500", "2.00", "1.00", "0.500", "4.5000"],
    ]
    assert [row["seconds"] for row in result["figures"]["rows"]] == [[2.0] * 3, [1.0] * 3]
    assert result["table"]["head"][4] == "time / before"
    assert result["figures"]["before"] == {"commit": None, "dirty": None}
    assert result["command"].startswith("python speed/train.py --against before --trunks tiny:2")


def test_only_one_reference_is_accepted(monkeypatch, capsys):
    from train import parse_arguments

    monkeypatch.setattr(sys, "argv", ["train.py", "--against", "a", "--upstream", "b"])
    with pytest.raises(SystemExit):
        parse_arguments()
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize("size", [(96, 64), (224, 160)])
def test_padded_attention_computes_what_ours_does(size, network):
    import torch
    from our_train import padded_attention

    model = network().double()
    images = torch.randn(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours = model(images)
        for block in model.trunk.blocks:
            block.attn.forward = padded_attention.__get__(block.attn)
        torch.testing.assert_close(model(images), ours)


def test_plain_pool_computes_what_ours_does():
    import torch
    from our_train import plain_pool

    from sam2unet.network import hiera

    x = torch.randn(2, 6, 8, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    torch.testing.assert_close(plain_pool(x), hiera.max_pool(x))


def test_pooled_weight_computes_what_ours_does():
    import torch
    from our_train import pooled_weight

    from sam2unet.network import loss

    mask = (torch.rand(2, 1, 40, 50, generator=torch.Generator().manual_seed(0)) > 0.5).double()
    torch.testing.assert_close(pooled_weight(mask), loss.boundary_weight(mask))


def test_every_gain_can_be_undone():
    from our_train import GAINS, UNDONE_BY_PATCH, UNDONE_BY_RECIPE

    from sam2unet.training import Recipe

    assert sorted(GAINS) == sorted({*UNDONE_BY_PATCH, *UNDONE_BY_RECIPE})
    assert all(hasattr(owner, name) for owner, name, _ in UNDONE_BY_PATCH.values())
    assert all(key in Recipe.model_fields for keys in UNDONE_BY_RECIPE.values() for key in keys)


def test_gains_in_the_results_are_those_of_the_script():
    from our_train import GAINS
    from timed_process import ROOT

    rows = json.loads((ROOT / "speed/results/train_gains.json").read_text())["table"]["rows"]
    assert {row[0].removeprefix("without ") for row in rows} - {"ours"} <= set(GAINS)
