"""What single keys of a recipe do to a run."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import sam2unet
from sam2unet.errors import InputError
from sam2unet.network import HIERA_CONFIGS, structure_loss
from sam2unet.training import load_recipe
from sam2unet.training.build import build_model
from sam2unet.training.callbacks import EMA, EtaEstimator
from sam2unet.training.loading import training_batches
from sam2unet.training.module import SegmentationModule, num_checkpointed_blocks
from sam2unet.weights import load_model, save_model

SHORT = {"trunk": "nano", "trunk_weights": "none", "size": 64, "epochs": 1, "batch_size": 4, "workers": 0}


def train(data, out, **changes):
    return sam2unet.train(data, out=out, device="cpu", **SHORT | changes)


@pytest.mark.parametrize(
    ("wanted", "trained"),
    [("auto", set()), ("all", {0, 1, 2, 3, 4, "rest"}), ("none", set()), (1, {4}), (2, {3, 4})],
)
def test_part_of_the_trunk_is_trained_at_a_rate_of_its_own(wanted, trained, network, tmp_path):
    save_file(network(seed=4).trunk.state_dict(), tmp_path / "trunk.safetensors")
    recipe = load_recipe("general", SHORT | {"train_trunk": wanted, "lr": 0.5, "trunk_lr": 0.25})
    said = []
    model = build_model(recipe, tmp_path / "trunk.safetensors", said.append)
    found = {
        int(name.split(".")[1]) if name.startswith("blocks.") else "rest"
        for name, p in model.trunk.named_parameters() if p.requires_grad
    }  # fmt: skip
    assert found == trained
    expected = {0: "frozen", 6: "trained with the rest"}.get(len(trained), "trained in part")
    assert expected in said[0]
    module = SegmentationModule(model, recipe, [], 1, 10)
    groups = module.configure_optimizers()["optimizer"].param_groups
    assert [group["initial_lr"] for group in groups] == [0.5, 0.25][: 1 + bool(trained)]
    counts = [sum(p.numel() for p in group["params"]) for group in groups]
    in_trunk = sum(p.numel() for p in model.trunk.parameters() if p.requires_grad)
    assert counts[1:] == ([in_trunk] if trained else [])


def test_more_blocks_than_there_are(tmp_path):
    with pytest.raises(InputError, match="nano trunk has 5 blocks"):
        build_model(load_recipe("general", SHORT | {"train_trunk": 6}), None)


def test_a_run_starts_from_another_model(scenes, tmp_path, network):
    first = network(seed=3)
    save_model(first, tmp_path / "first.safetensors")
    start = str(tmp_path / "first.safetensors")
    run = train(scenes, tmp_path / "run", start_from=start, lr=1e-12, trunk_lr=1e-12, min_lr=0, weight_decay=0)
    found = dict(load_model(run.best).named_parameters())
    for name, value in first.named_parameters():
        torch.testing.assert_close(found[name], value, atol=1e-9, rtol=0)
    other = build_model(load_recipe("general", SHORT | {"start_from": start, "classes": 3}), None)
    assert torch.equal(other.decoder.ups[0].convs[0].weight, first.decoder.ups[0].convs[0].weight)
    assert other.decoder.heads[2].weight.shape[0] == 3
    with pytest.raises(InputError, match=r"first.safetensors: has the nano trunk; use --trunk nano"):
        build_model(load_recipe("general", {"start_from": start}), None)


def test_a_frozen_start_stays_frozen_and_small(network, tmp_path):
    save_file(network(seed=4).trunk.state_dict(), tmp_path / "trunk.safetensors")
    recipe = load_recipe("general", SHORT)
    save_model(build_model(recipe, tmp_path / "trunk.safetensors"), tmp_path / "first.safetensors")
    again = build_model(load_recipe("general", SHORT | {"start_from": str(tmp_path / "first.safetensors")}), None)
    assert again.trunk_frozen
    save_model(again, tmp_path / "second.safetensors")
    assert not any(name.startswith("trunk.") for name in load_file(tmp_path / "second.safetensors"))


def test_the_average_follows_the_weights(network):
    class Trainer:
        global_step = 0

    model, recipe = network().train(), load_recipe("general", SHORT | {"ema": 0.5})
    model.trunk.requires_grad_(False)
    module, trainer, average = SegmentationModule(model, recipe, [], 1, 10), Trainer(), EMA(0.5)
    average.on_train_start(trainer, module)
    name = "decoder.heads.0.bias"
    expected = model.get_parameter(name).detach().double().numpy().copy()
    statistic = "decoder.ups.0.convs.1.running_mean"
    running = model.get_buffer(statistic).double().numpy().copy()
    for step in range(1, 8):
        with torch.no_grad():
            model.get_parameter(name).add_(step)
            model.get_buffer(statistic).add_(1)
        for trainer.global_step in (step - 1, step):  # a batch that only accumulates changes nothing
            average.on_train_batch_end(trainer, module)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model.get_parameter(name).detach().double().numpy()
        running = decay * running + (1 - decay) * model.get_buffer(statistic).double().numpy()
    now = model.get_parameter(name).detach().clone()
    average.on_validation_start(trainer, module)
    np.testing.assert_allclose(model.get_parameter(name).detach(), expected, rtol=1e-5)
    np.testing.assert_allclose(model.get_buffer(statistic), running, rtol=1e-5)
    average.on_validation_end(trainer, module)
    assert torch.equal(model.get_parameter(name), now)
    assert not any(".trunk." in key for key in average.average)


def test_accumulated_halves_step_as_their_mean(scenes, tmp_path, monkeypatch):
    """Gradients of one step over two batches, against the mean of the gradients of each."""
    seen = []
    real = SegmentationModule.configure_gradient_clipping

    def look(self, optimizer, *arguments, **options):
        seen.append([p.grad.clone() for p in self.model.decoder.parameters()])
        return real(self, optimizer, *arguments, **options)

    monkeypatch.setattr(SegmentationModule, "configure_gradient_clipping", look)
    # With rates this small every batch meets the same weights.
    options = {"batch_size": 2, "lr": 1e-12, "trunk_lr": 1e-12, "min_lr": 0, "weight_decay": 0, "precision": "64-true"}
    for name, accumulate in (("one", 1), ("two", 2)):
        train(scenes, tmp_path / name, accumulate=accumulate, **options)
    singles, pairs = seen[:4], seen[4:]
    assert len(pairs) == 2
    for i, pair in enumerate(pairs):
        for a, b, found in zip(singles[2 * i], singles[2 * i + 1], pair, strict=True):
            torch.testing.assert_close(found, (a + b) / 2, atol=1e-8, rtol=1e-4)


def test_batches_come_in_several_sizes(scenes, tmp_path):
    sizes = []

    def squares(logits, target):
        sizes.append(tuple(target.shape[-2:]))
        return (logits - target).square().mean()

    train(scenes, tmp_path / "run", multi_scale=[0.5, 1.0, 2.0], batch_size=2, epochs=6, loss=squares)
    assert set(sizes) == {(32, 32), (64, 64), (128, 128)}
    assert load_model(tmp_path / "run/best.safetensors").card.size == (64, 64)


def test_one_picture_over_at_the_smallest_size_is_left_out_with_a_word(scenes, tmp_path, run):
    settings = [f"--set={key}={value}" for key, value in (SHORT | {"batch_size": 3, "size": 32}).items()]
    result = run("train", scenes, "--out", tmp_path / "run", "--device", "cpu", *settings)
    assert result.code == 0, result.err
    assert "the last 1 of 7 shuffled pictures are left out of each epoch" in result.err
    alone = run("train", scenes, "--out", tmp_path / "one", "--device", "cpu", *settings, "--set=batch_size=1")
    assert alone.code == 2
    assert "use a larger size or batch_size" in alone.err
    larger = load_recipe("general", SHORT | {"batch_size": 3})
    assert training_batches(larger, 7, 0, 1).left_out == 0


def test_a_loss_that_is_no_number_stops_and_names_the_pictures(scenes, tmp_path, run):
    calls = []

    def spoilt(logits, target):
        calls.append(1)
        return logits.square().mean() * (torch.nan if len(calls) > 3 * 6 else 1.0)  # three outputs a batch

    with pytest.raises(InputError) as error:
        train(scenes, tmp_path / "run", batch_size=2, epochs=3, loss=spoilt, save_minutes=0)
    message = str(error.value)
    assert "the loss became nan in epoch 2" in message
    pictures = [str(path) for path in (scenes / "train/images").iterdir()]
    assert sum(path in message for path in pictures) == 2
    assert all(value.isfinite().all() for value in load_file(tmp_path / "run/last.safetensors").values())
    newest = max((tmp_path / "run/resume").glob("*.ckpt"))
    content = torch.load(newest, weights_only=True)
    assert all(value.isfinite().all() for value in content["state_dict"].values())


def test_a_gradient_that_is_no_number_stops_before_the_step(scenes, tmp_path):
    def steep(logits, target):
        return (logits.sum() * 0).abs().sqrt() + logits.square().mean()  # the slope of a root at 0

    with pytest.raises(InputError, match="the gradient became nan in epoch 1"):
        train(scenes, tmp_path / "run", loss=steep)
    assert not (tmp_path / "run/last.safetensors").exists()


def test_pictures_without_the_object_are_learnt_as_such(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(12):
        image, mask = rng.normal(90, 20, (64, 64, 3)), np.zeros((64, 64), np.uint8)
        if i % 2:
            mask[16:48, 16:48] = 255
            image[mask > 0] += 80
        for kind, content in (("images", image.clip(0, 255).astype(np.uint8)), ("masks", mask)):
            (tmp_path / "data" / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(tmp_path / "data" / kind / f"{i}.png")
    run = train(tmp_path / "data", tmp_path / "run", epochs=25, lr=3e-3, trunk_lr=3e-3, val_share=0.3)
    predictor = sam2unet.Predictor(run.best, device="cpu")
    empty = predictor.predict(tmp_path / "data/images/0.png").mask()
    full = predictor.predict(tmp_path / "data/images/1.png").mask()
    assert empty.mean() < 0.02
    assert full[16:48, 16:48].mean() > 0.7


def test_the_best_threshold_travels_with_the_model(trained):
    model = load_model(trained / "best.safetensors")
    assert 0.01 <= model.card.threshold <= 0.99
    rows = (trained / "metrics.csv").read_text().splitlines()
    column = rows[0].split(",").index("threshold")
    best = next(row.split(",") for row in rows[1:] if row.split(",")[0] == str(model.card.metrics["epoch"]))
    assert float(best[column]) == model.card.threshold


def test_an_augmentation_of_ones_own(scenes, tmp_path):
    seen = []

    def black(image, mask, rng):
        seen.append((float(image.max()), tuple(mask.shape), rng.random()))
        return image * 0, mask

    train(scenes, tmp_path / "run", augment=black)
    assert len(seen) == 7  # the training pictures, not those of validation
    assert all(0 < brightest <= 1 and shape == (1, 64, 64) for brightest, shape, _ in seen)
    assert len({drawn for *_, drawn in seen}) == 7


def test_what_is_left_is_told_from_steady_steps(monkeypatch):
    clock = iter([0.0, 9, 9, 18, 18, 20, 20, 21, 21, 22, 22, 23, 23, 33, 33])
    monkeypatch.setattr("sam2unet.training.callbacks.time.monotonic", lambda: next(clock))
    pace = EtaEstimator()
    assert pace.left(5, 1) is None
    pace.begin()
    for _ in range(6):  # 9, 9 and 2 seconds to get going, then one each
        pace.step()
    pace.validation()
    assert pace.left(12, 2) == pytest.approx(12 * 1 + 2 * 10)


def test_recomputing_saves_the_same_weights(scenes, tmp_path):
    for name, activation_checkpointing in (("a", 0), ("b", 0.5)):
        train(scenes, tmp_path / name, activation_checkpointing=activation_checkpointing, precision="32-true")
    a, b = (load_file(tmp_path / name / "last.safetensors") for name in "ab")
    assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize(
    ("trunk", "wanted", "device", "blocks"),
    [("large", "auto", "cpu", 24), ("base_plus", "auto", "cpu", 12), ("large", "auto", "cuda", 0),
     ("tiny", "auto", "cpu", 0), ("tiny", 0.5, "cuda", 6), ("tiny", 1, "cpu", 12), ("tiny", True, "cpu", 12),
     ("large", False, "cpu", 0)],
)  # fmt: skip
def test_how_many_blocks_are_activation_checkpointingd(trunk, wanted, device, blocks):
    recipe = load_recipe("general", {"trunk": trunk, "activation_checkpointing": wanted})
    assert num_checkpointed_blocks(recipe, torch.device(device), sum(HIERA_CONFIGS[trunk].stages)) == blocks


def test_a_picture_that_goes_while_training_is_one_sentence(scenes, tmp_path):
    shutil.copytree(scenes, tmp_path / "data")

    def remove(logits, target):
        for path in (tmp_path / "data/train/images").iterdir():
            path.unlink()
        return logits.square().mean()

    with pytest.raises(InputError) as error:
        train(tmp_path / "data", tmp_path / "run", workers=1, epochs=3, batch_size=1, loss=remove)
    assert "\n" not in str(error.value)
    assert "no such file" in str(error.value)


def test_paths_in_a_recipe_become_whole(scenes, tmp_path, monkeypatch, network):
    save_model(network(), tmp_path / "first.safetensors")
    monkeypatch.chdir(tmp_path)
    run = train(scenes, "run", start_from="first.safetensors")
    assert load_recipe(run.best).start_from == str(tmp_path / "first.safetensors")


@pytest.mark.parametrize("key", ["device", "loss", "nothing"])
def test_set_takes_keys_of_the_recipe_alone(key, scenes, tmp_path, run):
    result = run("train", scenes, "--out", tmp_path / "run", "--set", f"{key}=1")
    assert result.code == 2
    assert f"unknown key {key} (known: trunk, " in result.err


def test_a_frozen_trunk_in_bf16_changes_nothing_but_memory(scenes, network, tmp_path, monkeypatch):
    trunk = network(seed=4).trunk.state_dict()
    save_file(trunk, tmp_path / "trunk.safetensors")
    kinds, runs = [], []

    def loss(logits, target):
        kinds.append(watched[-1].trunk.blocks[0].mlp.layers[0].weight.dtype)
        return structure_loss(logits, target)

    watched, build = [], build_model
    monkeypatch.setattr("sam2unet.training.run.build_model", lambda *a: watched.append(build(*a)) or watched[-1])
    for name in "ab":
        weights = str(tmp_path / "trunk.safetensors")
        runs.append(train(scenes, tmp_path / name, trunk_weights=weights, precision="bf16-mixed", loss=loss))
        monkeypatch.setattr("sam2unet.training.module.cast_frozen_to_bf16", lambda model: None)
    assert kinds[0] == torch.bfloat16
    assert kinds[-1] == torch.float32
    a, b = (load_file(run.last) for run in runs)
    assert all(torch.equal(a[name], b[name]) for name in b)
    assert not [name for name in a if name.startswith("trunk.")]
    again = load_model(runs[0].last).trunk.state_dict()
    assert all(torch.equal(again[name], trunk[name]) for name in trunk)


def test_what_was_tuned_of_a_trunk_and_is_frozen_now_is_kept(scenes, network, tmp_path):
    save_file(network(seed=4).trunk.state_dict(), tmp_path / "trunk.safetensors")
    keys = {"precision": "bf16-mixed", "trunk_lr": 1e-2}
    first = train(scenes, tmp_path / "a", trunk_weights=str(tmp_path / "trunk.safetensors"), train_trunk=1, **keys)
    second = train(scenes, tmp_path / "b", start_from=str(first.last), train_trunk="none", **keys)
    tuned, kept = (load_model(run.last).trunk.state_dict() for run in (first, second))
    original = network(seed=4).trunk.state_dict()
    assert not all(torch.equal(tuned[name], original[name]) for name in tuned)
    assert all(torch.equal(kept[name], tuned[name]) for name in tuned)
