"""Trunks in files: identified by their shapes, loaded, and converted to bf16."""

import json

import pytest
import torch
from safetensors.torch import save_file

from sam2unet.errors import InputError
from sam2unet.network import SAM2UNet
from sam2unet.weights import cast_frozen_to_bf16, load_trunk, read_trunk, tensor_digests, trunk_source

from ..conftest import PARITY


def sam2_checkpoint(trunk: str) -> dict[str, torch.Tensor]:
    """Tensors with the names and shapes of Meta's checkpoint; each is one number, expanded."""
    shapes = json.loads((PARITY / f"sam2.1_hiera_{trunk}.shapes.json").read_text())
    return {name: torch.tensor(float(i % 7)).expand(shape) for i, (name, shape) in enumerate(shapes.items())}


@pytest.mark.parametrize("trunk", ["tiny", "small", "base_plus", "large"])
def test_read_trunk_identifies_the_trunk_of_a_sam2_checkpoint(trunk, tmp_path):
    tensors = sam2_checkpoint(trunk)
    torch.save({"model": tensors}, tmp_path / "sam2.pt")
    name, found = read_trunk(tmp_path / "sam2.pt")
    assert name == trunk
    prefix = "image_encoder.trunk."
    assert {prefix + key for key in found} == {key for key in tensors if key.startswith(prefix)}
    torch.testing.assert_close(found["blocks.1.attn.qkv.bias"], tensors[f"{prefix}blocks.1.attn.qkv.bias"])


def as_meta(tensors, path):
    torch.save({"model": {f"image_encoder.trunk.{name}": value for name, value in tensors.items()}}, path)


def as_timm(tensors, path):
    renamed = {
        name.replace("mlp.layers.0", "mlp.fc1").replace("mlp.layers.1", "mlp.fc2"): value
        for name, value in tensors.items()
    }
    save_file(renamed | {"head.norm.weight": torch.zeros(3)}, path)


@pytest.mark.parametrize("write", [as_meta, as_timm, save_file])
def test_load_trunk_reads_the_files_of_meta_timm_and_ours_alike(write, trunk_tensors, tmp_path):
    write(trunk_tensors, tmp_path / "trunk")
    model = SAM2UNet("pico")
    load_trunk(model, tmp_path / "trunk")
    assert all(torch.equal(value, trunk_tensors[name]) for name, value in model.trunk.state_dict().items())
    assert model.trunk_source.digests == tensor_digests(trunk_tensors)


def test_load_trunk_freezes_the_trunk_alone(trunk_file):
    model = SAM2UNet("pico")
    load_trunk(model, trunk_file)
    assert model.trunk_frozen
    others = [p for name, p in model.named_parameters() if not name.startswith("trunk.")]
    assert all(p.requires_grad for p in others)


def test_load_trunk_refuses_another_trunk_and_names_the_parameter(tmp_path):
    torch.save({"model": sam2_checkpoint("tiny")}, tmp_path / "sam2.pt")
    with pytest.raises(InputError, match="contains the tiny trunk, but the network has pico") as caught:
        load_trunk(SAM2UNet("pico"), tmp_path / "sam2.pt")
    assert caught.value.parameters == ("trunk",)


def test_read_trunk_refuses_a_checkpoint_of_something_else(tmp_path):
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "resnet.pt")
    with pytest.raises(InputError, match=r"resnet.pt: contains no SAM2 trunk"):
        read_trunk(tmp_path / "resnet.pt")


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [("patch_embed.proj.weight", (24, 3, 7, 7), "its trunk has 24 channels and 5 blocks, unlike all of SAM2"),
     ("pos_embed", (1, 16, 14, 14), r"pos_embed has shape \(1, 16, 14, 14\), but the pico trunk needs \(1, 16, 7, 7\)"),
     ("blocks.2.norm1.bias", None, "the pico trunk needs blocks.2.norm1.bias, which is missing"),
     ("blocks.2.gamma", (3,), "contains blocks.2.gamma, which the pico trunk doesn't have")],
)  # fmt: skip
def test_read_trunk_names_the_tensor_that_differs(name, shape, message, trunk_tensors, tmp_path):
    trunk_tensors.pop(name, None)
    if shape:
        trunk_tensors[name] = torch.zeros(shape)
    torch.save(trunk_tensors, tmp_path / "trunk.pt")
    with pytest.raises(InputError, match=message):
        read_trunk(tmp_path / "trunk.pt")


def test_tensor_digests_do_not_depend_on_dtype_or_memory_layout():
    values = torch.arange(12.0).view(3, 4)
    same = {"a": values, "b": values.half(), "c": values.T.contiguous().T, "d": values.double()}
    digests = tensor_digests(same)
    assert len(set(digests.values())) == 1
    assert tensor_digests({"a": values + 1})["a"] != digests["a"]


@pytest.mark.parametrize(("name", "official"), [("sam2.1_hiera_tiny.pt", "sam2.1_hiera_tiny"), ("mine.pt", None)])
def test_trunk_source_names_official_trunks(name, official, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = trunk_source(name, {"a": torch.zeros(1)})
    assert (source.name, source.path) == (official, str(tmp_path / name))


def test_cast_frozen_to_bf16_converts_frozen_linear_layers_only(network, trunk_file):
    model = network()
    load_trunk(model, trunk_file)
    model.trunk.blocks[-1].requires_grad_(True)
    cast_frozen_to_bf16(model)
    dtypes = {name: p.dtype for name, p in model.trunk.named_parameters()}
    assert dtypes["blocks.0.attn.qkv.weight"] == dtypes["blocks.0.mlp.layers.1.bias"] == torch.bfloat16
    assert dtypes["blocks.0.norm1.weight"] == dtypes["pos_embed"] == dtypes["patch_embed.proj.weight"] == torch.float32
    trained = f"blocks.{len(model.trunk.blocks) - 1}."
    assert all(dtype == torch.float32 for name, dtype in dtypes.items() if name.startswith(trained))


def test_cast_frozen_to_bf16_leaves_a_changed_tensor_alone(network, trunk_file):
    model = network()
    load_trunk(model, trunk_file)
    with torch.no_grad():
        model.trunk.blocks[0].attn.qkv.weight.mul_(2)
    cast_frozen_to_bf16(model)
    assert model.trunk.blocks[0].attn.qkv.weight.dtype == torch.float32
    assert model.trunk.blocks[0].attn.qkv.bias.dtype == torch.bfloat16


def test_cast_frozen_to_bf16_leaves_a_trunk_that_is_from_no_file_alone(network):
    model = network()
    model.trunk.requires_grad_(False)
    cast_frozen_to_bf16(model)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
