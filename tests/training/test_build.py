"""Building the network of a recipe: where its weights come from, and which are trained."""

import pytest
import torch
from safetensors.torch import load_file, save_file

import sam2unet
from sam2unet.errors import InputError
from sam2unet.training import load_recipe
from sam2unet.training.build import build_model
from sam2unet.training.loading import RunLength
from sam2unet.training.module import SegmentationModule
from sam2unet.weights import load_model, save_model

from ..pico import SHORT

ONE_EPOCH = SHORT | {"epochs": 1}


@pytest.mark.parametrize(
    ("train_trunk", "trained", "described"),
    [("auto", set(), "frozen"), ("all", {0, 1, 2, 3, 4, "rest"}, "fully trained"), ("none", set(), "frozen"),
     (1, {4}, "partly trained"), (2, {3, 4}, "partly trained")],
)  # fmt: skip
def test_train_trunk_selects_the_blocks_that_are_trained_at_trunk_lr(
    train_trunk, trained, described, network, tmp_path
):
    save_file(network(seed=4).trunk.state_dict(), tmp_path / "trunk.safetensors")
    recipe = load_recipe("general", SHORT | {"train_trunk": train_trunk, "lr": 0.5, "trunk_lr": 0.25})
    lines = []
    model = build_model(recipe, tmp_path / "trunk.safetensors", lines.append)
    found = {
        int(name.split(".")[1]) if name.startswith("blocks.") else "rest"
        for name, p in model.trunk.named_parameters() if p.requires_grad
    }  # fmt: skip
    assert found == trained
    assert f"from {tmp_path / 'trunk.safetensors'}, {described}." in lines[0]
    groups = SegmentationModule(model, recipe, [], 1, RunLength(2, 5)).configure_optimizers()["optimizer"].param_groups
    assert [group["initial_lr"] for group in groups] == [0.5, 0.25][: 1 + bool(trained)]
    in_trunk = sum(p.numel() for p in model.trunk.parameters() if p.requires_grad)
    assert [sum(p.numel() for p in group["params"]) for group in groups[1:]] == ([in_trunk] if trained else [])


def test_train_trunk_refuses_more_blocks_than_the_trunk_has():
    with pytest.raises(InputError, match="pico trunk has 5 blocks"):
        build_model(load_recipe("general", SHORT | {"train_trunk": 6}), None)


def test_start_from_copies_all_weights(scenes, tmp_path, network):
    first = network(seed=3)
    save_model(first, tmp_path / "first.safetensors")
    settings = ONE_EPOCH | {"start_from": str(tmp_path / "first.safetensors")}
    settings |= {"lr": 1e-12, "trunk_lr": 1e-12, "min_lr": 0, "weight_decay": 0}
    run = sam2unet.train(scenes, out=tmp_path / "run", device="cpu", **settings)
    found = dict(load_model(run.best).named_parameters())
    for name, value in first.named_parameters():
        torch.testing.assert_close(found[name], value, atol=1e-9, rtol=0)


def test_start_from_keeps_new_heads_for_another_number_of_classes(tmp_path, network):
    first = network(seed=3)
    save_model(first, tmp_path / "first.safetensors")
    recipe = load_recipe("general", SHORT | {"start_from": str(tmp_path / "first.safetensors"), "classes": 3})
    model = build_model(recipe, None)
    assert torch.equal(model.decoder.ups[0].convs[0].weight, first.decoder.ups[0].convs[0].weight)
    assert model.decoder.heads[2].weight.shape[0] == 3


def test_start_from_refuses_a_model_with_another_trunk(tmp_path, network):
    save_model(network(), tmp_path / "first.safetensors")
    with pytest.raises(InputError, match=r"first.safetensors: has the pico trunk, not tiny: set trunk to pico"):
        build_model(load_recipe("general", {"start_from": str(tmp_path / "first.safetensors")}), None)


def test_start_from_a_model_with_a_frozen_trunk_keeps_it_frozen_and_the_file_small(network, tmp_path):
    save_file(network(seed=4).trunk.state_dict(), tmp_path / "trunk.safetensors")
    save_model(build_model(load_recipe("general", SHORT), tmp_path / "trunk.safetensors"), tmp_path / "a.safetensors")
    again = build_model(load_recipe("general", SHORT | {"start_from": str(tmp_path / "a.safetensors")}), None)
    assert again.trunk_frozen
    save_model(again, tmp_path / "b.safetensors")
    assert not any(name.startswith("trunk.") for name in load_file(tmp_path / "b.safetensors"))


def test_a_trunk_that_was_trained_in_part_and_is_frozen_now_stays_as_trained(scenes, network, tmp_path):
    save_file(network(seed=4).trunk.state_dict(), tmp_path / "trunk.safetensors")
    settings = ONE_EPOCH | {"precision": "bf16-mixed", "trunk_lr": 1e-2}
    first = sam2unet.train(
        scenes, out=tmp_path / "a", device="cpu",
        **settings | {"trunk_weights": str(tmp_path / "trunk.safetensors"), "train_trunk": 1},
    )  # fmt: skip
    second = sam2unet.train(
        scenes, out=tmp_path / "b", device="cpu", **settings | {"start_from": str(first.last), "train_trunk": "none"}
    )
    tuned, frozen = (load_model(run.last).trunk.state_dict() for run in (first, second))
    original = network(seed=4).trunk.state_dict()
    assert not all(torch.equal(tuned[name], original[name]) for name in tuned)
    assert all(torch.equal(frozen[name], tuned[name]) for name in tuned)


def test_a_trunk_from_a_file_is_frozen_and_left_out_of_the_model_file(scenes, tmp_path, network):
    trunk = network(seed=4).trunk.state_dict()
    save_file(trunk, tmp_path / "trunk.safetensors")
    settings = ONE_EPOCH | {"trunk_weights": str(tmp_path / "trunk.safetensors")}
    run = sam2unet.train(scenes, out=tmp_path / "run", device="cpu", **settings)
    assert all(torch.equal(value, trunk[name]) for name, value in load_model(run.best).trunk.state_dict().items())
    assert not any(name.startswith("trunk.") for name in load_file(run.best))


def test_a_trunk_from_scratch_is_trained():
    lines = []
    assert not build_model(load_recipe("general", SHORT), None, lines.append).trunk_frozen
    assert "from scratch, fully trained" in lines[0]


def test_a_cached_trunk_that_changed_is_an_error(scenes, tmp_path, run, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "cached.pt").write_bytes(b"other")
    monkeypatch.setattr("sam2unet.weights.hub.cached_file", lambda name: tmp_path / "cached.pt")
    pins = tmp_path / "sam2unet/pins.json"
    pins.parent.mkdir()
    for content, message in (('{"sam2_hiera_tiny": "0"}', f"from {pins}"), ("{", f"{pins}: damaged")):
        pins.write_text(content)
        result = run("train", scenes, "--out", tmp_path / "run", "--trunk", "tiny", "--device", "cpu")
        assert result.code == 2
        assert message in result.err


def test_a_trunk_file_that_is_none_is_an_error_that_names_it(scenes, tmp_path, run):
    (tmp_path / "x.pt").write_text("no")
    result = run("train", scenes, "--out", tmp_path / "run", "--trunk-weights", tmp_path / "x.pt")
    assert result.code == 2
    assert str(tmp_path / "x.pt") in result.err
