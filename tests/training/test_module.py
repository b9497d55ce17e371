"""The training step: learning rates, activation checkpointing, accumulation, losses that are not finite."""

import pytest
import torch
from safetensors.torch import load_file, save_file

import sam2unet
from sam2unet.errors import InputError
from sam2unet.network import HIERA_CONFIGS, structure_loss
from sam2unet.training import load_recipe
from sam2unet.training.build import build_model
from sam2unet.training.loading import RunLength
from sam2unet.training.module import SegmentationModule, lr_factor, num_checkpointed_blocks
from sam2unet.weights import load_model

from ..pico import SHORT
from .float64 import train_in_float64

ONE_EPOCH = SHORT | {"epochs": 1}


def test_the_papers_learning_rate_is_torchs_cosine_per_epoch():
    recipe = load_recipe("paper")
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=1e-3)
    published = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs, eta_min=1e-7)
    for epoch in range(recipe.epochs):
        for step in range(7):
            factor = lr_factor(recipe, 7 * epoch + step, RunLength(recipe.epochs, 7))
            assert recipe.lr * factor == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        published.step()


def test_the_learning_rate_of_general_warms_up_and_decays():
    factors = [lr_factor(load_recipe("general"), step, RunLength(20, 10)) for step in range(200)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == factors[10] == 1
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] < 1e-3


@pytest.mark.parametrize(
    ("trunk", "fraction", "device", "blocks"),
    [("large", "auto", "cpu", 24), ("base_plus", "auto", "cpu", 12), ("large", "auto", "cuda", 0),
     ("tiny", "auto", "cpu", 0), ("tiny", 0.5, "cuda", 6), ("tiny", 1, "cpu", 12), ("tiny", True, "cpu", 12),
     ("large", False, "cpu", 0)],
)  # fmt: skip
def test_num_checkpointed_blocks(trunk, fraction, device, blocks):
    recipe = load_recipe("general", {"trunk": trunk, "activation_checkpointing": fraction})
    assert num_checkpointed_blocks(recipe, torch.device(device), sum(HIERA_CONFIGS[trunk].stages)) == blocks


def test_activation_checkpointing_does_not_change_the_weights(scenes, tmp_path):
    for name, fraction in (("a", 0), ("b", 0.5)):
        settings = ONE_EPOCH | {"activation_checkpointing": fraction}
        sam2unet.train(scenes, out=tmp_path / name, device="cpu", **settings)
    a, b = (load_file(tmp_path / name / "last.safetensors") for name in "ab")
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_the_gradient_of_accumulated_batches_is_the_mean_of_theirs(scenes, tmp_path, monkeypatch):
    gradients, clip = [], SegmentationModule.configure_gradient_clipping

    def store_gradients(self, optimizer, *arguments, **options):
        gradients.append([p.grad.clone() for p in self.model.decoder.parameters()])
        return clip(self, optimizer, *arguments, **options)

    train_in_float64(monkeypatch)
    monkeypatch.setattr(SegmentationModule, "configure_gradient_clipping", store_gradients)
    # With rates this small every batch meets the same weights.
    settings = ONE_EPOCH | {"lr": 1e-12, "trunk_lr": 1e-12, "min_lr": 0, "weight_decay": 0}
    for name, accumulate in (("one", 1), ("two", 2)):
        sam2unet.train(scenes, out=tmp_path / name, device="cpu", **settings | {"accumulate": accumulate})
    singles, accumulated = gradients[:4], gradients[4:]
    assert len(accumulated) == 2
    for i, found in enumerate(accumulated):
        for a, b, mean in zip(singles[2 * i], singles[2 * i + 1], found, strict=True):
            torch.testing.assert_close(mean, (a + b) / 2, atol=1e-8, rtol=1e-4)


def test_a_loss_of_nan_stops_before_the_step_and_names_the_images(scenes, tmp_path):
    calls = []

    def nan_in_the_second_epoch(logits, target):
        calls.append(1)
        return logits.square().mean() * (torch.nan if len(calls) > 3 * 6 else 1.0)  # three outputs per batch

    with pytest.raises(InputError) as error:
        sam2unet.train(scenes, out=tmp_path / "run", device="cpu", loss=nan_in_the_second_epoch, **SHORT)
    message = str(error.value)
    assert "the loss became nan in epoch 2" in message
    images = [str(path) for path in (scenes / "train/images").iterdir()]
    assert sum(path in message for path in images) == 2
    assert all(value.isfinite().all() for value in load_file(tmp_path / "run/last.safetensors").values())
    newest = max((tmp_path / "run/resume").glob("*.ckpt"))
    content = torch.load(newest, weights_only=True)
    assert all(value.isfinite().all() for value in content["state_dict"].values())


def test_a_gradient_of_nan_stops_before_the_step(scenes, tmp_path):
    def infinite_slope(logits, target):
        return (logits.sum() * 0).abs().sqrt() + logits.square().mean()  # the slope of a root at 0

    with pytest.raises(InputError, match="the gradient became nan in epoch 1"):
        sam2unet.train(scenes, out=tmp_path / "run", device="cpu", loss=infinite_slope, **SHORT)
    assert not (tmp_path / "run/last.safetensors").exists()


def test_a_frozen_trunk_in_bf16_leaves_the_trained_weights_and_the_saved_trunk_alone(
    scenes, network, tmp_path, monkeypatch
):
    trunk = network(seed=4).trunk.state_dict()
    save_file(trunk, tmp_path / "trunk.safetensors")
    models, dtypes, runs = [], [], []

    def loss(logits, target):
        dtypes.append(models[-1].trunk.blocks[0].mlp.layers[0].weight.dtype)
        return structure_loss(logits, target)

    monkeypatch.setattr("sam2unet.training.run.build_model", lambda *a: models.append(build_model(*a)) or models[-1])
    settings = ONE_EPOCH | {"trunk_weights": str(tmp_path / "trunk.safetensors"), "precision": "bf16-mixed"}
    for name in "ab":
        runs.append(sam2unet.train(scenes, out=tmp_path / name, device="cpu", loss=loss, **settings))
        monkeypatch.setattr("sam2unet.training.module.cast_frozen_to_bf16", lambda model: None)
    assert dtypes[0] == torch.bfloat16
    assert dtypes[-1] == torch.float32
    a, b = (load_file(run.last) for run in runs)
    assert all(torch.equal(a[name], b[name]) for name in b)
    assert not [name for name in a if name.startswith("trunk.")]
    again = load_model(runs[0].last).trunk.state_dict()
    assert all(torch.equal(again[name], trunk[name]) for name in trunk)
