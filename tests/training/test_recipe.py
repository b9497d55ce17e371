"""Recipes: the keys that they resolve to, and the values that they refuse."""

from dataclasses import replace

import pytest
import torch

from sam2unet.errors import InputError
from sam2unet.training import load_recipe, recipe_names
from sam2unet.training.recipe import PLANNED, save_recipe
from sam2unet.weights import save_model

GENERAL = {
    "plan": [],
    "trunk": "tiny", "trunk_weights": "auto", "start_from": None, "train_trunk": "auto", "adapter_init": "published",
    "classes": 1, "class_names": [], "class_weights": [], "seed": 0, "epochs": 20, "steps": None,
    "epoch_steps": 100, "batch_size": 4, "accumulate": 1, "size": 352, "tile": None, "tile_zoom": 1.0,
    "tile_overlap": 0.25, "object_share": 0.33, "detail": 0,
    "multi_scale": [1.0], "lr": 1e-3, "trunk_lr": 1e-4, "lr_schedule": "step", "min_lr": 1e-7,
    "warmup": 0.05, "weight_decay": 5e-4, "clip_norm": 1.0, "ema": None, "loss": "structure",
    "weighted_bce": False, "precision": "auto",
    "activation_checkpointing": "auto", "workers": 2, "save_minutes": 5, "val_share": 0.15, "val_group": None,
    "flip_horizontal": 0, "flip_vertical": 0, "quarter_turns": 0,
    "rotation": 0, "zoom": (1.0, 1.0), "crop": 1.0, "colour": 0, "blur": 0,
    "noise": 0, "mask_resize": "bicubic", "normalise_range": False, "images": None, "masks": None, "pairs": None,
    "mask_values": None, "instances": False, "layers": None, "crowds": "object", "boxes": "ask", "line_width": None,
    "ignore_exif": False,
}  # fmt: skip
TASK = {"trunk": "large", "epochs": 20, "batch_size": 12, "flip_horizontal": 0.5, "flip_vertical": 0.5}
RECIPES = {
    "general": {},
    "auto": {"plan": list(PLANNED)},
    "camouflage": TASK | {"epochs": 50},
    "marine": TASK,
    "mirror": TASK,
    "polyp": TASK | {"multi_scale": [1.0, 1.25]},
    "salient": TASK,
    # arXiv 2408.08870, section 4.2, and the release's train.py
    "paper": TASK | {"trunk_lr": 1e-3, "lr_schedule": "epoch", "warmup": 0, "clip_norm": None, "precision": "32-true"},
}


@pytest.mark.parametrize("name", RECIPES)
def test_packaged_recipes_have_these_values(name):
    assert load_recipe(name).model_dump() == GENERAL | RECIPES[name]


def test_recipe_names_lists_the_packaged_recipes():
    assert recipe_names() == sorted(RECIPES)


@pytest.mark.parametrize(
    ("changes", "length"),
    [({}, (50, None)), ({"epochs": 3}, (3, None)), ({"steps": 700}, (None, 700)),
     ({"steps": 700, "epochs": None}, (None, 700)), ({"steps": None}, (50, None))],
)  # fmt: skip
def test_the_length_is_what_was_given_last(changes, length):
    recipe = load_recipe("camouflage", changes)
    assert (recipe.epochs, recipe.steps) == length


def test_save_recipe_writes_every_key_for_load_recipe(tmp_path):
    changes = {
        "trunk": "small", "train_trunk": 3, "classes": 2, "class_names": ["ground", "Straße: 1"],
        "class_weights": [1, 2.5], "size": [64, 96], "multi_scale": [0.5, 1], "lr": 1e-5, "clip_norm": None, "ema": 0.9,
        "zoom": [0.5, 2], "val_group": "^(.*)_", "normalise_range": True,
    }  # fmt: skip
    save_recipe(load_recipe("general", changes), tmp_path / "r.yaml")
    expected = GENERAL | changes | {"size": (64, 96), "zoom": (0.5, 2)}
    assert load_recipe(tmp_path / "r.yaml").model_dump() == expected


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
     ({"loss": "dice", "weighted_bce": True}, ["part of the loss structure"]),
     ({"steps": 9, "epochs": 9}, ["either epochs or steps"]), ({"epochs": None}, ["either epochs or steps"]),
     ({"tile": 100}, ["tile is 100", "100 pixels a side", "multiple of 32", "nearest tile is 96"]),
     ({"tile": 128, "tile_zoom": 1.9}, ["243.2 pixels", "tile is 134.737"]), ({"tile": 16}, ["tile is 16", "32"]),
     ({"detail": 6}, ["detail is 6", "multiple of 4"]),
     ({"multi_scale": []}, ["multi_scale is []", "at least 1"]), ({"adapter_init": 0}, ["'small' or 'identity'"]),
     ({"precision": "64-true"}, ["precision is '64-true'", "'32-true' or 'bf16-mixed'"])],
)  # fmt: skip
def test_a_wrong_value_names_its_key_and_what_is_allowed(changes, named):
    with pytest.raises(InputError) as error:
        load_recipe("general", changes)
    assert all(words in str(error.value) for words in named), str(error.value)


@pytest.mark.parametrize(
    ("size", "rounded"), [(300, (288, 288)), (352, (352, 352)), (10, (32, 32)), ([200, 310], (192, 320))]
)
def test_size_is_rounded_to_multiples_of_32(size, rounded):
    assert load_recipe("general", {"size": size}).height_width == rounded


def test_the_networks_input_is_the_tile_times_its_zoom():
    assert load_recipe("general", {"tile": 128, "tile_zoom": 2}).height_width == (256, 256)
    assert load_recipe("general", {"tile": 96, "tile_zoom": 1.3333, "size": 64}).height_width == (128, 128)


@pytest.mark.parametrize(
    ("content", "message"), [("a: [", "not valid YAML"), ("- 1", "key: value"), (None, "no recipe")]
)
def test_load_recipe_refuses_files_that_are_no_recipe(content, message, tmp_path):
    if content:
        (tmp_path / "r.yaml").write_text(content)
    with pytest.raises(InputError, match=message):
        load_recipe(tmp_path / "r.yaml")


def test_changes_override_the_file_and_the_file_overrides_general(tmp_path):
    (tmp_path / "r.yaml").write_text("epochs: 3\nlr: 0.25\n")
    recipe = load_recipe(tmp_path / "r.yaml", {"lr": 0.5})
    assert recipe.model_dump() == GENERAL | {"epochs": 3, "lr": 0.5}


def test_load_recipe_reads_the_recipe_of_a_model_file(network, tmp_path):
    model, recipe = network(), load_recipe("general", {"epochs": 7, "zoom": [0.5, 2], "class_names": ["thing"]})
    model.card = replace(model.card, recipe=recipe.model_dump(mode="json"))
    save_model(model, tmp_path / "old.safetensors")
    assert load_recipe(tmp_path / "old.safetensors") == recipe
    assert load_recipe(tmp_path / "old.safetensors", {"epochs": 1}).epochs == 1


def test_a_model_file_without_a_recipe_is_refused(network, tmp_path):
    save_model(network(), tmp_path / "none.safetensors")
    torch.save({"x": torch.zeros(1)}, tmp_path / "upstream.pth")
    for name in ("none.safetensors", "upstream.pth"):
        with pytest.raises(InputError, match=f"{name}: .* no recipe"):
            load_recipe(tmp_path / name)
