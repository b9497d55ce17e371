"""Model files: what they hold, the trunk that they leave out, and checkpoints of the authors' release."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from fill import image
from safetensors import safe_open
from safetensors.torch import save_file

from sam2unet.errors import InputError
from sam2unet.network import SAM2UNet, TrunkSource
from sam2unet.weights import (
    cast_frozen_to_bf16,
    load_model,
    load_trunk,
    read_recipe,
    save_model,
    tensor_digests,
)

from ..conftest import PARITY


def names(path):
    """The names of a file's tensors."""
    with safe_open(path, "pt") as file:
        return set(file.keys())


def trunk_names(path):
    return {name for name in names(path) if name.startswith("trunk.")}


@pytest.fixture
def with_trunk(network, trunk_file):
    """A network whose frozen trunk is from `trunk_file`."""
    model = network()
    load_trunk(model, trunk_file)
    return model


def test_save_model_leaves_out_a_frozen_trunk_from_a_file(with_trunk, tmp_path):
    save_model(with_trunk, tmp_path / "model.safetensors")
    assert names(tmp_path / "model.safetensors") == {
        name for name in with_trunk.state_dict() if not name.startswith("trunk.")
    }


def test_load_model_finds_the_trunk_where_it_was(with_trunk, logits, tmp_path):
    save_model(with_trunk, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert loaded.trunk_frozen
    assert not loaded.training
    assert torch.equal(logits(loaded), logits(with_trunk))


def test_load_model_returns_the_card(network, tmp_path):
    model = network(classes=3)
    model.card = replace(model.card, class_names=["ground", "a", "b"], metrics={"val_dice": 0.5}, recipe={"lr": 0.1})
    save_model(model, tmp_path / "model.safetensors")
    assert load_model(tmp_path / "model.safetensors").card == model.card


def test_a_loaded_model_is_saved_without_its_trunk_again(with_trunk, tmp_path):
    save_model(with_trunk, tmp_path / "first.safetensors")
    save_model(load_model(tmp_path / "first.safetensors"), tmp_path / "second.safetensors")
    assert names(tmp_path / "second.safetensors") == names(tmp_path / "first.safetensors")


@pytest.mark.parametrize("frozen", [False, True])
def test_save_model_writes_a_trunk_that_is_from_no_file(frozen, network, logits, tmp_path):
    model = network()
    model.trunk.requires_grad_(not frozen)
    save_model(model, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert loaded.trunk_frozen == frozen
    assert torch.equal(logits(loaded), logits(model))


def test_load_model_refuses_trunk_weights_for_a_file_with_its_own_trunk(model_file):
    with pytest.raises(InputError, match="contains its own trunk") as caught:
        load_model(model_file, trunk_weights=model_file)
    assert caught.value.parameters == ("trunk_weights",)


def test_save_model_writes_a_trunk_that_is_trained(with_trunk, tmp_path):
    with_trunk.trunk.requires_grad_(True)
    save_model(with_trunk, tmp_path / "model.safetensors")
    assert trunk_names(tmp_path / "model.safetensors") == {f"trunk.{name}" for name in with_trunk.trunk.state_dict()}


def test_save_model_writes_a_frozen_tensor_that_has_changed(with_trunk, logits, tmp_path):
    with torch.no_grad():
        with_trunk.trunk.pos_embed.add_(0.1)
    save_model(with_trunk, tmp_path / "model.safetensors")
    assert trunk_names(tmp_path / "model.safetensors") == {"trunk.pos_embed"}
    assert torch.equal(logits(load_model(tmp_path / "model.safetensors")), logits(with_trunk))


@pytest.fixture
def partly_trained(with_trunk):
    """A network whose last block was trained."""
    with torch.no_grad():
        for parameter in with_trunk.trunk.blocks[-1].requires_grad_(True).parameters():
            parameter.add_(1.0)
    return with_trunk


def test_save_model_writes_the_trained_part_of_a_trunk(partly_trained, tmp_path):
    save_model(partly_trained, tmp_path / "model.safetensors")
    last = f"trunk.blocks.{len(partly_trained.trunk.blocks) - 1}"
    expected = {f"{last}.{name}" for name in partly_trained.trunk.blocks[-1].state_dict()}
    assert trunk_names(tmp_path / "model.safetensors") == expected


def test_load_model_restores_which_part_of_a_trunk_is_trained(partly_trained, logits, tmp_path):
    save_model(partly_trained, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert torch.equal(logits(loaded), logits(partly_trained))
    trained, expected = (
        {name for name, p in model.trunk.named_parameters() if p.requires_grad} for model in (loaded, partly_trained)
    )
    assert trained == expected


def test_save_model_leaves_out_frozen_tensors_in_bf16(with_trunk, logits, tmp_path):
    exact = logits(with_trunk)
    cast_frozen_to_bf16(with_trunk)
    save_model(with_trunk, tmp_path / "model.safetensors")
    assert not trunk_names(tmp_path / "model.safetensors")
    assert torch.equal(logits(load_model(tmp_path / "model.safetensors")), exact)


def test_save_model_writes_a_tensor_in_bf16_that_has_changed(with_trunk, tmp_path):
    cast_frozen_to_bf16(with_trunk)
    with torch.no_grad():
        with_trunk.trunk.blocks[0].attn.qkv.weight.mul_(2)
    save_model(with_trunk, tmp_path / "model.safetensors")
    assert trunk_names(tmp_path / "model.safetensors") == {"trunk.blocks.0.attn.qkv.weight"}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_load_model_converts_to_float32(dtype, network, logits, tmp_path):
    save_model(network().to(dtype), tmp_path / "model.safetensors")
    assert logits(load_model(tmp_path / "model.safetensors")).dtype == torch.float32


def test_load_model_says_where_the_trunk_was(with_trunk, trunk_file, tmp_path):
    save_model(with_trunk, tmp_path / "model.safetensors")
    trunk_file.unlink()
    with pytest.raises(InputError, match=f"is no longer at {trunk_file}") as caught:
        load_model(tmp_path / "model.safetensors")
    assert caught.value.parameters == ("trunk_weights",)


def test_load_model_takes_a_trunk_that_was_moved(with_trunk, trunk_file, logits, tmp_path):
    save_model(with_trunk, tmp_path / "model.safetensors")
    moved = shutil.move(trunk_file, tmp_path / "elsewhere.safetensors")
    assert torch.equal(logits(load_model(tmp_path / "model.safetensors", moved)), logits(with_trunk))


def test_load_model_ignores_another_trunk_at_the_old_place(with_trunk, trunk_file, network, tmp_path):
    save_model(with_trunk, tmp_path / "model.safetensors")
    save_file(network(seed=6).trunk.state_dict(), trunk_file)
    with pytest.raises(InputError, match="is no longer at"):
        load_model(tmp_path / "model.safetensors")


def test_load_model_refuses_another_trunk_of_the_caller(with_trunk, trunk_file, network, tmp_path):
    save_model(with_trunk, tmp_path / "model.safetensors")
    save_file(network(seed=6).trunk.state_dict(), trunk_file)
    with pytest.raises(InputError, match=r"not the trunk that .*model\.safetensors was trained with"):
        load_model(tmp_path / "model.safetensors", trunk_file)


def test_save_model_writes_17_megabytes_for_the_large_network(tmp_path):
    with torch.device("meta"):
        model = SAM2UNet("large")
    model.to_empty(device="cpu").trunk.requires_grad_(False)
    model.trunk_source = TrunkSource(
        tensor_digests(model.trunk.state_dict()), "sam2_hiera_large", "sam2_hiera_large.pt"
    )
    save_model(model, tmp_path / "model.safetensors")
    assert (tmp_path / "model.safetensors").stat().st_size < 18e6


def test_save_model_keeps_the_old_file_if_writing_fails(network, model_file, monkeypatch):
    before = model_file.read_bytes()

    def fill_the_disk(tensors, file, header):
        file.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("sam2unet.weights.model_file.save_file", fill_the_disk)
    with pytest.raises(OSError, match="No space"):
        save_model(network(seed=1), model_file)
    assert model_file.read_bytes() == before
    assert [file.name for file in model_file.parent.iterdir()] == [model_file.name]


def rewrite_header(path, **changes):
    """Change the header of a safetensors file."""
    with safe_open(path, "pt") as file:
        tensors, header = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    save_file(tensors, path, header | changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"format": "sam2unet-9"}, "upgrade sam2unet"), ({"card": "{"}, "upgrade sam2unet"),
     ({"card": "[]"}, "upgrade sam2unet"),
     ({"card": json.dumps({"trunk": "huge", "size": [32, 32], "mean": [0] * 3, "std": [1] * 3})}, "trunk 'huge'")],
)  # fmt: skip
def test_load_model_refuses_a_header_that_it_does_not_understand(change, message, model_file):
    rewrite_header(model_file, **change)
    with pytest.raises(InputError, match=message):
        load_model(model_file)


def test_load_model_reads_a_card_of_version_0_1(model_file):
    card = json.loads(load_model(model_file).card.to_json())
    card["stretch"] = not card.pop("normalise_range")
    rewrite_header(model_file, card=json.dumps(card))
    assert load_model(model_file).card.normalise_range is True


def test_read_recipe_returns_the_recipe(network, tmp_path):
    model = network()
    model.card = replace(model.card, recipe={"lr": 0.1})
    save_model(model, tmp_path / "model.safetensors")
    assert read_recipe(tmp_path / "model.safetensors") == {"lr": 0.1}


def test_read_recipe_refuses_a_file_without_one(trunk_file):
    with pytest.raises(InputError, match="contains no recipe"):
        read_recipe(trunk_file)


@pytest.mark.parametrize(("prefix", "with_up4"), [("", True), ("", False), ("module.", True)])
def test_load_model_of_the_authors_release_has_their_logits(prefix, with_up4, tmp_path, golden, upstream_state):
    state = {prefix + k: v for k, v in upstream_state("tiny").items() if with_up4 or not k.startswith("up4.")}
    torch.save(state, tmp_path / "SAM2-UNet.pth")
    model = load_model(tmp_path / "SAM2-UNet.pth")
    assert not model.training
    assert model.trunk_frozen
    assert model.card.size == (352, 352)
    with torch.inference_mode():
        found = model(torch.from_numpy(image(224, 320, 2)))[:, 0, ::4, ::4].numpy()
    expected = golden["tiny_224x320/out"]
    assert np.abs(found - expected).max() < 5e-5 * expected.std()


@pytest.mark.parametrize("trunk", ["small", "base_plus", "large"])
def test_load_model_identifies_the_trunk_of_the_authors_release(trunk, tmp_path):
    shapes = json.loads((PARITY / f"state_dict_{trunk}.json").read_text())
    torch.save({name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}, tmp_path / "SAM2-UNet.pth")
    assert load_model(tmp_path / "SAM2-UNet.pth").card.trunk == trunk


def test_load_model_refuses_a_file_that_holds_only_a_trunk(trunk_file):
    with pytest.raises(InputError, match="contains only a trunk") as caught:
        load_model(trunk_file)
    assert caught.value.parameters == ("trunk_weights",)
