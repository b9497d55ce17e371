"""Our own files: small, complete, and bound to their trunk."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from sam2unet.errors import InputError
from sam2unet.network import SAM2UNet, TrunkSource
from sam2unet.weights import cast_frozen_to_bf16, inspect_file, load_model, load_trunk, save_model, tensor_digests


@pytest.fixture
def trunk_file(tmp_path, network):
    save_file(network(seed=5).trunk.state_dict(), tmp_path / "trunk.safetensors")
    return tmp_path / "trunk.safetensors"


def logits(model):
    torch.manual_seed(0)
    with torch.inference_mode():
        return model(torch.randn(1, 3, 96, 96))


def names(path):
    with safe_open(path, "pt") as file:
        return list(file.keys())


def test_a_frozen_trunk_from_a_file_is_left_out_and_found_again(network, trunk_file, tmp_path):
    model = network(classes=3)
    load_trunk(model, trunk_file)
    model.card = replace(model.card, class_names=["ground", "a", "b"], metrics={"val_dice": 0.5})
    save_model(model, tmp_path / "model.safetensors")
    assert not [name for name in names(tmp_path / "model.safetensors") if name.startswith("trunk.")]
    again = load_model(tmp_path / "model.safetensors")
    assert again.card == model.card
    assert again.trunk_frozen
    assert not again.training
    torch.testing.assert_close(logits(again), logits(model), rtol=0, atol=0)
    save_model(again, tmp_path / "second.safetensors")
    assert names(tmp_path / "second.safetensors") == names(tmp_path / "model.safetensors")
    assert "ground, a, b" in inspect_file(tmp_path / "model.safetensors")["class names"]


@pytest.mark.parametrize("frozen", [False, True])
def test_a_trunk_without_a_file_is_kept(frozen, network, tmp_path):
    model = network()
    model.trunk.requires_grad_(not frozen)
    save_model(model, tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    assert again.trunk_frozen == frozen
    torch.testing.assert_close(logits(again), logits(model), rtol=0, atol=0)
    with pytest.raises(InputError, match="its own trunk"):
        load_model(tmp_path / "model.safetensors", trunk_weights=tmp_path / "model.safetensors")


def test_a_trunk_trained_on_is_kept(network, trunk_file, tmp_path):
    model = network()
    load_trunk(model, trunk_file)
    model.trunk.requires_grad_(True)
    save_model(model, tmp_path / "model.safetensors")
    assert "trunk.pos_embed" in names(tmp_path / "model.safetensors")


def test_a_trunk_trained_and_frozen_again_is_kept(network, trunk_file, tmp_path):
    model = network()
    load_trunk(model, trunk_file)
    with torch.no_grad():
        model.trunk.pos_embed.add_(0.1)
    save_model(model, tmp_path / "model.safetensors")
    torch.testing.assert_close(logits(load_model(tmp_path / "model.safetensors")), logits(model), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_other_precisions_are_read_as_float32(dtype, network, tmp_path):
    save_model(network().to(dtype), tmp_path / "model.safetensors")
    assert logits(load_model(tmp_path / "model.safetensors")).dtype == torch.float32


def test_a_trunk_that_moved_is_asked_for_and_another_refused(network, trunk_file, tmp_path):
    model = network()
    load_trunk(model, trunk_file)
    save_model(model, tmp_path / "model.safetensors")
    moved = shutil.move(trunk_file, tmp_path / "elsewhere.safetensors")
    with pytest.raises(InputError, match=r"trunk.safetensors any more; pass --trunk-weights"):
        load_model(tmp_path / "model.safetensors")
    torch.testing.assert_close(logits(load_model(tmp_path / "model.safetensors", moved)), logits(model), rtol=0, atol=0)
    save_file(network(seed=6).trunk.state_dict(), trunk_file)  # another trunk where the old one was
    with pytest.raises(InputError, match="any more"):
        load_model(tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="not the trunk that"):
        load_model(tmp_path / "model.safetensors", trunk_file)


def test_large_with_a_frozen_trunk_is_small(tmp_path):
    with torch.device("meta"):
        model = SAM2UNet("large")
    model.to_empty(device="cpu").trunk.requires_grad_(False)
    model.trunk_source = TrunkSource(
        tensor_digests(model.trunk.state_dict()), "sam2_hiera_large", "sam2_hiera_large.pt"
    )
    save_model(model, tmp_path / "model.safetensors")
    assert (tmp_path / "model.safetensors").stat().st_size < 18e6


def test_a_failed_save_leaves_what_was_there(network, tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    save_model(network(), path)
    before = path.read_bytes()

    def full(tensors, file, header):
        file.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("sam2unet.weights.model_file.save_file", full)
    with pytest.raises(OSError, match="No space"):
        save_model(network(seed=1), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"format": "sam2unet-9"}, "upgrade sam2unet"), ({"card": "{"}, "upgrade sam2unet"),
     ({"card": json.dumps({"trunk": "huge", "size": [32, 32], "mean": [0] * 3, "std": [1] * 3})}, "trunk 'huge'")],
)  # fmt: skip
def test_a_header_that_is_not_understood(change, message, network, tmp_path):
    save_model(network(), tmp_path / "model.safetensors")
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        tensors, header = {k: file.get_tensor(k) for k in file.keys()}, file.metadata()  # noqa: SIM118
    save_file(tensors, tmp_path / "other.safetensors", header | change)
    with pytest.raises(InputError, match=message):
        load_model(tmp_path / "other.safetensors")


def test_of_a_partly_trained_trunk_only_the_trained_part_is_kept(network, trunk_file, tmp_path):
    model = network()
    load_trunk(model, trunk_file)
    trained = model.trunk.blocks[-1].requires_grad_(True)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(1.0)
    save_model(model, tmp_path / "model.safetensors")
    last = f"trunk.blocks.{len(model.trunk.blocks) - 1}."
    kept = [name for name in names(tmp_path / "model.safetensors") if name.startswith("trunk.")]
    assert len(kept) == len(list(trained.parameters()))
    assert all(name.startswith(last) for name in kept)
    again = load_model(tmp_path / "model.safetensors")
    torch.testing.assert_close(logits(again), logits(model), rtol=0, atol=0)
    assert {n for n, p in again.trunk.named_parameters() if p.requires_grad} == {
        n for n, p in model.trunk.named_parameters() if p.requires_grad
    }
    save_model(again, tmp_path / "second.safetensors")
    assert names(tmp_path / "second.safetensors") == names(tmp_path / "model.safetensors")


def test_frozen_matrices_in_bf16_are_left_out_unless_they_changed(network, trunk_file, tmp_path):
    model = network()
    load_trunk(model, trunk_file)
    model.trunk.blocks[-1].requires_grad_(True)
    exact = logits(model)
    cast_frozen_to_bf16(model)
    kinds = {name: p.dtype for name, p in model.trunk.named_parameters()}
    assert kinds["blocks.0.attn.qkv.weight"] == kinds["blocks.0.mlp.layers.1.bias"] == torch.bfloat16
    assert kinds["blocks.0.norm1.weight"] == kinds["pos_embed"] == kinds["patch_embed.proj.weight"] == torch.float32
    last = f"blocks.{len(model.trunk.blocks) - 1}."
    assert all(kind == torch.float32 for name, kind in kinds.items() if name.startswith(last))
    save_model(model, tmp_path / "model.safetensors")
    kept = [name for name in names(tmp_path / "model.safetensors") if name.startswith("trunk.")]
    assert kept
    assert all(name.startswith(f"trunk.{last}") for name in kept)
    torch.testing.assert_close(logits(load_model(tmp_path / "model.safetensors")), exact, rtol=0, atol=0)
    with torch.no_grad():
        model.trunk.blocks[0].attn.qkv.weight.mul_(2)
    save_model(model, tmp_path / "changed.safetensors")
    assert set(names(tmp_path / "changed.safetensors")) - set(names(tmp_path / "model.safetensors")) == {
        "trunk.blocks.0.attn.qkv.weight"
    }


def test_a_trunk_that_is_in_no_file_is_not_narrowed(network):
    model = network()
    model.trunk.requires_grad_(False)
    cast_frozen_to_bf16(model)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
