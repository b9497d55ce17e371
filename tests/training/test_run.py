"""Whole runs on sample scenes with a small network."""

import csv
import json
import shutil

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file

import sam2unet
from sam2unet.errors import InputError
from sam2unet.network import SAM2UNet
from sam2unet.training import load_recipe
from sam2unet.weights import load_model, save_model

from ..pico import SHORT

ONE_EPOCH = SHORT | {"epochs": 1}
SET_ONE_EPOCH = [f"--set={key}={value}" for key, value in ONE_EPOCH.items()]


def test_a_run_leaves_models_recipe_and_logs(trained):
    model = load_model(trained / "best.safetensors")
    assert model.card.size == (64, 64)
    assert model.card.recipe == yaml.safe_load((trained / "recipe.yaml").read_text())
    assert 0 <= model.card.metrics["val_dice"] <= 1
    assert load_model(trained / "last.safetensors").card.metrics["epoch"] == 2
    with (trained / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2]
    assert list((trained / "tensorboard").glob("events*"))


def test_training_lowers_the_loss_and_saves_the_best_epoch(scenes, tmp_path):
    settings = SHORT | {"epochs": 20, "batch_size": 4, "lr": 3e-3, "trunk_lr": 3e-3}
    run = sam2unet.train(scenes, out=tmp_path / "run", device="cpu", **settings)
    with (tmp_path / "run/metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    losses, dice = ([float(row[name]) for row in rows] for name in ("loss", "val_dice"))
    assert np.mean(losses[-5:]) < 0.7 * losses[0]
    best, last = (load_model(path).card.metrics for path in (run.best, run.last))
    assert best["val_dice"] == run.metrics["val_dice"] == pytest.approx(max(dice))
    assert best["epoch"] == 1 + int(np.argmax(dice))
    assert (last["val_dice"], last["epoch"]) == (pytest.approx(dice[-1]), 20)


def test_weights_depend_on_the_seed_and_not_on_the_workers(scenes, tmp_path):
    for name, workers, seed in (("a", 0, 7), ("b", 2, 7), ("c", 0, 8)):
        settings = ONE_EPOCH | {"workers": workers, "seed": seed}
        sam2unet.train(scenes, out=tmp_path / name, device="cpu", **settings)
    a, b, c = (load_file(tmp_path / name / "last.safetensors") for name in "abc")
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not all(torch.equal(a[key], c[key]) for key in a)


def test_train_does_not_replace_a_run(trained, scenes):
    before = (trained / "best.safetensors").read_bytes()
    with pytest.raises(InputError, match="contains a run already") as error:
        sam2unet.train(scenes, out=trained, trunk_weights="none")
    assert str(trained) in str(error.value)
    assert error.value.parameters == ("resume", "out")
    assert (trained / "best.safetensors").read_bytes() == before


@pytest.mark.parametrize("arguments", [["--device", "gameboy"], ["--seed", 2**33], ["--set", "epochs"],
                                       ["--set", "epochs=["], ["--set", "nothing=1"]])  # fmt: skip
def test_wrong_arguments_are_one_sentence_before_anything_is_written(arguments, scenes, tmp_path, run):
    result = run("train", scenes, *arguments, "--out", tmp_path / "run", "--trunk-weights", "none")
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_train_refuses_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        sam2unet.train(tmp_path / "nowhere", out=tmp_path / "run", device="cpu", **SHORT)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("key", ["device", "augment", "nothing"])
def test_set_accepts_only_keys_of_the_recipe(key, scenes, tmp_path, run):
    result = run("train", scenes, "--out", tmp_path / "run", "--set", f"{key}=1")
    assert result.code == 2
    assert f"unknown key {key} (known: plan, trunk, " in result.err


def test_the_loss_is_a_name_or_a_function(scenes, tmp_path, run):
    result = run("train", scenes, "--out", tmp_path / "run", "--set", "loss=1")
    assert (result.code, "loss is 1: Input should be 'structure' or 'dice'" in result.err) == (2, True)
    sam2unet.train(scenes, out=tmp_path / "run", device="cpu", loss="dice", **SHORT | {"epochs": 1})
    assert load_recipe(tmp_path / "run/recipe.yaml").loss == "dice"


def test_train_needs_a_folder_for_the_run(scenes, tmp_path, run):
    assert "--out" in run("train", scenes).err
    assert run("train", scenes, "--out", tmp_path / "x", "--resume", tmp_path / "y").code == 2


def test_train_needs_data(tmp_path):
    with pytest.raises(InputError, match="no data to train on"):
        sam2unet.train(out=tmp_path / "run")


def test_the_folders_train_and_val_make_the_split(scenes, tmp_path, run):
    shutil.copytree(scenes / "train", tmp_path / "data/train")
    shutil.copytree(scenes / "test", tmp_path / "data/val")
    shutil.copytree(scenes / "test", tmp_path / "data/test")
    result = run("train", tmp_path / "data", "--out", tmp_path / "run", "--device", "cpu", *SET_ONE_EPOCH)
    assert "Training on 8 pairs at 64x64, validating on 3; epochs: 1, steps: 4; run: " in result.err


def test_a_val_group_that_matches_no_name_is_an_error(scenes, tmp_path):
    with pytest.raises(InputError, match="nothing"):
        sam2unet.train(scenes, out=tmp_path / "run", device="cpu", val_group="^nothing", **SHORT)


def test_polygons_are_trained_on_by_their_class_names(scenes, tmp_path):
    (tmp_path / "data").mkdir()
    for image in (scenes / "train/images").iterdir():
        shutil.copy(image, tmp_path / "data")
        shape = {"label": "blob", "points": [[5, 5], [40, 5], [40, 40]], "shape_type": "polygon"}
        text = json.dumps({"shapes": [shape], "imageHeight": 64, "imageWidth": 64})
        (tmp_path / "data" / f"{image.stem}.json").write_text(text)
    settings = ONE_EPOCH | {"classes": 2, "class_names": ["ground", "blob"]}
    assert sam2unet.train(tmp_path / "data", out=tmp_path / "a", device="cpu", **settings).best.exists()
    settings |= {"class_names": ["ground", "other"]}
    with pytest.raises(InputError, match="'blob' is not among"):
        sam2unet.train(tmp_path / "data", out=tmp_path / "b", device="cpu", **settings)


def test_several_classes_train_and_predict_indices(tmp_path, rng):
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    for i in range(6):
        indices = np.kron(rng.integers(0, 3, (2, 2)), np.ones((32, 32))).astype(np.uint8)
        Image.fromarray(indices * 100).convert("RGB").save(tmp_path / f"data/images/{i}.png")
        Image.fromarray(indices).save(tmp_path / f"data/masks/{i}.png")
    run = sam2unet.train(tmp_path / "data", out=tmp_path / "run", device="cpu", **SHORT | {"classes": 3, "epochs": 2})
    prediction = sam2unet.Predictor(run.best, device="cpu").predict(tmp_path / "data/images/0.png")
    assert prediction.probability.shape == (3, 64, 64)
    np.testing.assert_allclose(prediction.probability.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(prediction.mask(), prediction.probability.argmax(axis=0))


def test_images_without_the_object_are_learnt(tmp_path, rng):
    for i in range(12):
        image, mask = rng.normal(90, 20, (64, 64, 3)), np.zeros((64, 64), np.uint8)
        if i % 2:
            mask[16:48, 16:48] = 255
            image[mask > 0] += 80
        for kind, content in (("images", image.clip(0, 255).astype(np.uint8)), ("masks", mask)):
            (tmp_path / "data" / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(tmp_path / "data" / kind / f"{i}.png")
    settings = SHORT | {"epochs": 15, "batch_size": 4, "lr": 3e-3, "trunk_lr": 3e-3, "val_share": 0.3}
    run = sam2unet.train(tmp_path / "data", out=tmp_path / "run", device="cpu", **settings)
    predictor = sam2unet.Predictor(run.best, device="cpu")
    empty = predictor.predict(tmp_path / "data/images/0.png").mask()
    full = predictor.predict(tmp_path / "data/images/1.png").mask()
    assert empty.mean() < 0.02
    assert full[16:48, 16:48].mean() > 0.7


def test_the_card_has_the_best_threshold(trained):
    model = load_model(trained / "best.safetensors")
    assert 0.01 <= model.card.threshold <= 0.99
    with (trained / "metrics.csv").open() as file:
        best = next(row for row in csv.DictReader(file) if row["epoch"] == str(model.card.metrics["epoch"]))
    assert float(best["threshold"]) == model.card.threshold


def test_a_custom_augmentation_is_called_once_per_training_image(scenes, tmp_path):
    calls = []

    def black(image, mask, rng):
        calls.append((float(image.max()), tuple(mask.shape), rng.random()))
        return image * 0, mask

    sam2unet.train(scenes, out=tmp_path / "run", device="cpu", augment=black, **ONE_EPOCH)
    assert len(calls) == 7  # not for the validation image
    assert all(0 < maximum <= 1 and shape == (1, 64, 64) for maximum, shape, _ in calls)
    assert len({drawn for *_, drawn in calls}) == 7


def test_paths_in_the_recipe_become_absolute(scenes, tmp_path, monkeypatch, network):
    save_model(network(), tmp_path / "first.safetensors")
    monkeypatch.chdir(tmp_path)
    run = sam2unet.train(scenes, out="run", device="cpu", start_from="first.safetensors", **ONE_EPOCH)
    assert load_recipe(run.best).start_from == str(tmp_path / "first.safetensors")


def test_a_trunk_alone_is_not_a_model(tmp_path):
    save_file(SAM2UNet("pico").trunk.state_dict(), tmp_path / "t.safetensors")
    with pytest.raises(InputError, match="only a trunk"):
        sam2unet.Predictor(tmp_path / "t.safetensors", device="cpu")
