"""Recipes: what they resolve to, and what they refuse."""

from dataclasses import replace

import pytest
import torch
import yaml

from sam2unet.errors import InputError
from sam2unet.training import load_recipe, recipe_names
from sam2unet.training.module import lr_factor
from sam2unet.training.recipe import save_recipe
from sam2unet.weights import save_model


@pytest.mark.parametrize("name", recipe_names())
def test_packaged_recipes_load_and_survive_a_file(name, tmp_path):
    recipe = load_recipe(name)
    save_recipe(recipe, tmp_path / "r.yaml")
    assert load_recipe(tmp_path / "r.yaml") == recipe


def test_paper_is_as_published():
    recipe = load_recipe("paper")
    assert (recipe.trunk, recipe.lr, recipe.weight_decay, recipe.batch_size) == ("large", 1e-3, 5e-4, 12)
    assert (recipe.height_width, recipe.epochs, recipe.clip_norm, recipe.weighted_bce) == ((352, 352), 20, None, False)
    assert (recipe.flip_horizontal, recipe.flip_vertical) == (0.5, 0.5)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=1e-3)
    published = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs, eta_min=1e-7)
    for epoch in range(recipe.epochs):
        for step in range(7):
            factor = lr_factor(recipe, 7 * epoch + step, 7 * recipe.epochs)
            assert recipe.lr * factor == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        published.step()


def test_general_warms_up_and_ends_low():
    recipe = load_recipe("general")
    factors = [lr_factor(recipe, step, 200) for step in range(200)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == factors[10] == 1
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] < 1e-3


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"learning_rate": 1}, ["key learning_rate", "weight_decay"]), ({"lr": -1}, ["lr is -1", "greater than 0"]),
     ({"trunk": "huge"}, ["trunk is 'huge'", "base_plus"]), ({"mask_resize": "area"}, ["mask_resize", "'nearest'"]),
     ({"epochs": "many"}, ["epochs is 'many'", "integer"]), ({"size": 0}, ["size"]),
     ({"classes": 3, "class_names": ["a"]}, ["1 class_names for 3 classes"]),
     ({"classes": 2, "weighted_bce": True}, ["weighted_bce is defined for classes 1"]),
     ({"class_weights": [1, 2]}, ["2 class_weights for 1 classes"]), ({"class_weights": [1]}, ["several classes"]),
     ({"classes": 2, "class_weights": [0, 0]}, ["not all of them 0"]), ({"zoom": [2, 1]}, ["smallest factor comes"]),
     ({"train_trunk": "some"}, ["train_trunk", "'auto', 'none' or 'all'"]), ({"ema": 1.5}, ["ema is 1.5", "less"]),
     ({"min_lr": 0.1}, ["min_lr is 0.1, above lr"]), ({"epochs": True}, ["epochs is True", "whole number"]),
     ({"lr": float("inf")}, ["lr is inf", "finite"]), ({"blur": 200}, ["blur is 200", "third of the smallest side"]),
     ({"classes": 2, "class_names": ["a", "a"]}, ["name twice"]),
     ({"multi_scale": []}, ["multi_scale is []", "at least 1"]), ({"adapter_init": 0}, ["'small' or 'identity'"])],
)  # fmt: skip
def test_a_wrong_value_names_its_key_and_what_is_allowed(changes, named):
    with pytest.raises(InputError) as error:
        load_recipe("general", changes)
    assert all(part in str(error.value) for part in named), str(error.value)


@pytest.mark.parametrize(
    ("given", "taken"), [(300, (288, 288)), (352, (352, 352)), (10, (32, 32)), ([200, 310], (192, 320))]
)
def test_any_size_becomes_the_nearest_that_works(given, taken):
    assert load_recipe("general", {"size": given}).height_width == taken


@pytest.mark.parametrize(("content", "message"), [("a: [", "broken YAML"), ("- 1", "key: value"), (None, "no recipe")])
def test_files_that_are_no_recipe(content, message, tmp_path):
    if content:
        (tmp_path / "r.yaml").write_text(content)
    with pytest.raises(InputError, match=message):
        load_recipe(tmp_path / "r.yaml")


def test_a_file_says_only_where_it_differs(tmp_path):
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({"epochs": 3}))
    assert load_recipe(tmp_path / "r.yaml", {"lr": 0.5}) == load_recipe("general", {"epochs": 3, "lr": 0.5})


def test_task_recipes_say_only_where_they_differ():
    general = load_recipe("general").model_dump()
    for name, epochs in (("camouflage", 50), ("salient", 20), ("marine", 20), ("mirror", 20), ("polyp", 20)):
        recipe = load_recipe(name)
        assert (recipe.trunk, recipe.batch_size, recipe.epochs) == ("large", 12, epochs)
        differing = {key for key, value in recipe.model_dump().items() if value != general[key]}
        assert differing <= {"trunk", "batch_size", "epochs", "multi_scale", "flip_horizontal", "flip_vertical"}


def test_a_model_file_repeats_its_recipe(network, tmp_path):
    model, recipe = network(), load_recipe("general", {"epochs": 7, "zoom": [0.5, 2], "class_names": ["thing"]})
    model.card = replace(model.card, recipe=recipe.model_dump(mode="json"))
    save_model(model, tmp_path / "old.safetensors")
    assert load_recipe(tmp_path / "old.safetensors") == recipe
    assert load_recipe(tmp_path / "old.safetensors", {"epochs": 1}).epochs == 1
    model.card = replace(model.card, recipe={})
    save_model(model, tmp_path / "none.safetensors")
    torch.save({"x": torch.zeros(1)}, tmp_path / "upstream.pth")
    for name in ("none.safetensors", "upstream.pth"):
        with pytest.raises(InputError, match=f"{name}: holds no recipe"):
            load_recipe(tmp_path / name)
