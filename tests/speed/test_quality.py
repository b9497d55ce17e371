import pytest

from sam2unet import evaluate


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("general", ("general", {})),
        ("general:ema=null;lr=1e-3", ("general", {"ema": "null", "lr": "1e-3"})),
        ("published-frozen:lr=1", ("paper", {"train_trunk": "none", "lr": "1"})),
    ],
)
def test_split_run_into_recipe_and_keys(run, expected):
    from quality import split_run

    assert split_run(run) == expected


def test_sam2unet_runs_the_command_and_stops_where_it_fails():
    from quality import sam2unet

    sam2unet("--version")
    with pytest.raises(SystemExit, match="No such command"):
        sam2unet("nothing")


def test_recipes_are_scored_on_the_test_images(scenes, tmp_path, run_script, run, monkeypatch):
    monkeypatch.setattr("quality.sam2unet", lambda *arguments: run(*arguments))  # in this process: five starts less
    name = "general:workers=0;batch_size=3"
    result = run_script("quality", scenes, "--epochs", "1", "--size", "32", "--out", tmp_path / "runs", name)
    (row,), (figure,) = result["table"]["rows"], result["figures"]["rows"]
    (folder,) = (tmp_path / "runs").iterdir()
    best, last = (evaluate(folder / f"maps-{model}", scenes / "test") for model in ("best", "last"))
    scores = [f"{metrics[key]:.4f}" for metrics in (best, last) for key in ("mDice", "mIoU")]
    assert row == [name, "1", f"{figure['minutes']:.1f}", *scores]
    assert figure["last"]["mDice"] == pytest.approx(last["mDice"])
