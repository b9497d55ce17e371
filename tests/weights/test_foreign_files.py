"""Official trunks, the authors' release, and files that are neither, by stand-ins of their shapes."""

import json
import pickle

import numpy as np
import pytest
import torch
from fill import image
from safetensors.torch import save_file

from sam2unet.errors import InputError
from sam2unet.network import HIERA_CONFIGS, SAM2UNet
from sam2unet.weights import inspect_file, load_model, load_trunk, read_trunk, tensor_digests

from ..conftest import PARITY


def sam2(trunk: str) -> dict[str, torch.Tensor]:
    """The shapes of Meta's checkpoint; each tensor is one number, stretched."""
    shapes = json.loads((PARITY / f"sam2.1_hiera_{trunk}.shapes.json").read_text())
    return {name: torch.tensor(float(i % 7)).expand(shape) for i, (name, shape) in enumerate(shapes.items())}


def nano_trunk() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return SAM2UNet("nano").trunk.state_dict()


@pytest.mark.parametrize("trunk", ["tiny", "small", "base_plus", "large"])
def test_the_trunk_in_a_sam2_checkpoint_is_told_by_its_shapes(trunk, tmp_path):
    tensors = sam2(trunk)
    torch.save({"model": tensors}, tmp_path / "sam2.pt")
    found, read = read_trunk(tmp_path / "sam2.pt")
    assert found == trunk
    assert {f"image_encoder.trunk.{name}" for name in read} == {
        n for n in tensors if n.startswith("image_encoder.trunk.")
    }
    torch.testing.assert_close(read["blocks.1.attn.qkv.bias"], tensors["image_encoder.trunk.blocks.1.attn.qkv.bias"])


def test_every_container_of_a_trunk_loads_the_same(tmp_path):
    trunk = nano_trunk()
    torch.save({"model": {f"image_encoder.trunk.{k}": v for k, v in trunk.items()}}, tmp_path / "meta.pt")
    save_file(trunk, tmp_path / "bare.safetensors")
    timm = {k.replace("mlp.layers.0", "mlp.fc1").replace("mlp.layers.1", "mlp.fc2"): v for k, v in trunk.items()}
    save_file(timm | {"head.norm.weight": torch.zeros(3)}, tmp_path / "timm.safetensors")
    for name in ("meta.pt", "bare.safetensors", "timm.safetensors"):
        model = SAM2UNet("nano")
        load_trunk(model, tmp_path / name)
        assert model.trunk_frozen
        assert all(p.requires_grad for p in model.adapters.parameters())
        assert model.trunk_source.digests == tensor_digests(trunk) == tensor_digests(model.trunk.state_dict())


@pytest.mark.parametrize(("prefix", "with_up4"), [("", True), ("", False), ("module.", True)])
def test_upstream_checkpoint_gives_upstream_logits(prefix, with_up4, tmp_path, golden, upstream_state):
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
    assert inspect_file(tmp_path / "SAM2-UNet.pth")["kind"].startswith("SAM2-UNet")


class Malice:
    """A pickle that would create a file when read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def truncated(path, content):
    path.write_bytes(content[: len(content) // 2])


WRONG = {
    "missing": (lambda p: None, "cannot be read"),
    "empty": (lambda p: p.write_bytes(b""), "not a checkpoint"),
    "text": (lambda p: p.write_text("<html>404 not found</html>"), "not a checkpoint"),
    "picture": (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30)), "not a checkpoint"),
    "cut torch file": (lambda p: (torch.save(nano_trunk(), p), truncated(p, p.read_bytes())), "truncated or damaged"),
    "cut old torch file": (
        lambda p: (torch.save(nano_trunk(), p, _use_new_zipfile_serialization=False), truncated(p, p.read_bytes())),
        "truncated or damaged",
    ),
    "cut safetensors": (lambda p: (save_file(nano_trunk(), p), truncated(p, p.read_bytes())), "truncated safetensors"),
    "a whole network": (lambda p: torch.save(SAM2UNet("nano"), p), "refused"),
    "a list": (lambda p: torch.save([torch.zeros(1)], p), "no state dict"),
    "no tensors": (lambda p: torch.save({"model": {"a": 1}}, p), "no tensors"),
    "resnet": (lambda p: torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, p), "no SAM2 trunk"),
    "other width": (lambda p: torch.save(changed("patch_embed.proj.weight", (24, 3, 7, 7)), p), "is no trunk of SAM2"),
    "other grid": (lambda p: torch.save(changed("pos_embed", (1, 16, 14, 14)), p), "pos_embed is (1, 16, 14, 14)"),
    "one missing": (lambda p: torch.save(changed("blocks.2.norm1.bias", None), p), "norm1.bias, which is missing"),
    "one more": (lambda p: torch.save(changed("blocks.2.gamma", (3,)), p), "has no blocks.2.gamma"),
}  # fmt: skip


def changed(name, shape):
    trunk = nano_trunk()
    trunk.pop(name, None)
    return trunk if shape is None else trunk | {name: torch.zeros(shape)}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused_in_one_sentence(case, tmp_path):
    file = tmp_path / "wrong.pt"
    make, message = WRONG[case]
    make(file)
    for reader in (read_trunk, load_model):
        with pytest.raises(InputError) as error:
            reader(file)
        assert str(file) in str(error.value)
        assert "\n" not in str(error.value)
        if reader is read_trunk:
            assert message in str(error.value)


@pytest.mark.parametrize("pack", [lambda o, p: torch.save(o, p), lambda o, p: p.write_bytes(pickle.dumps(o))])
def test_a_pickle_that_runs_code_runs_nothing(pack, tmp_path):
    pack({"model": {"image_encoder.trunk.pos_embed": Malice(tmp_path / "ran")}}, tmp_path / "evil.pt")
    with pytest.raises(InputError, match=r"refused|damaged"):
        load_trunk(SAM2UNet("nano"), tmp_path / "evil.pt")
    with pytest.raises(InputError, match=r"refused|damaged"):
        load_model(tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()


def test_a_trunk_of_another_size_names_the_option(tmp_path):
    torch.save({"model": sam2("tiny")}, tmp_path / "sam2.pt")
    with pytest.raises(InputError, match="use --trunk tiny"):
        load_trunk(SAM2UNet("nano"), tmp_path / "sam2.pt")


def test_upstream_checkpoints_of_all_trunks_have_known_shapes(upstream_state, tmp_path):
    for trunk in ("small", "base_plus", "large"):
        shapes = json.loads((PARITY / f"state_dict_{trunk}.json").read_text())
        torch.save({k: torch.zeros(()).expand(v) for k, v in shapes.items()}, tmp_path / "SAM2-UNet.pth")
        assert load_model(tmp_path / "SAM2-UNet.pth").card.trunk == trunk
        assert trunk in HIERA_CONFIGS
