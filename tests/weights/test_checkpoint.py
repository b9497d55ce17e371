"""Reading checkpoints: containers, damage, and pickles that would run code."""

import pickle

import pytest
import torch
from safetensors.torch import save_file

from sam2unet.errors import InputError
from sam2unet.network import SAM2UNet
from sam2unet.weights import load_model, load_trunk, read_trunk
from sam2unet.weights.checkpoint import read_checkpoint

TENSORS = {"a.weight": torch.arange(2000.0), "b": torch.ones(3, dtype=torch.float16)}


@pytest.mark.parametrize(
    "content",
    [TENSORS, {"model": TENSORS}, {"state_dict": TENSORS, "epoch": 3}, {f"module.{k}": v for k, v in TENSORS.items()}],
    ids=["plain", "model", "state_dict", "module"],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_read_checkpoint_unwraps_torch_files(content, zipped, tmp_path):
    torch.save(content, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    found, metadata = read_checkpoint(tmp_path / "a.pt")
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[name], value) for name, value in TENSORS.items())
    assert metadata == {}


def test_read_checkpoint_returns_the_metadata_of_safetensors_whatever_the_suffix(tmp_path):
    save_file(TENSORS, tmp_path / "a.pth", {"format": "x"})
    found, metadata = read_checkpoint(tmp_path / "a.pth")
    assert all(torch.equal(found[name], value) for name, value in TENSORS.items())
    assert metadata == {"format": "x"}


def truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


BROKEN = {
    "missing": (lambda path: None, "can't be read"),
    "empty": (lambda path: path.write_bytes(b""), "not a checkpoint"),
    "text": (lambda path: path.write_text("<html>404 not found</html>"), "not a checkpoint"),
    "image": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30)), "not a checkpoint"),
    "truncated torch file": (lambda path: (torch.save(TENSORS, path), truncate(path)), "truncated torch file"),
    "truncated old torch file": (
        lambda path: (torch.save(TENSORS, path, _use_new_zipfile_serialization=False), truncate(path)),
        "truncated torch file",
    ),
    "truncated safetensors": (lambda path: (save_file(TENSORS, path), truncate(path)), "truncated safetensors"),
    "pickled network": (lambda path: torch.save(SAM2UNet("pico"), path), "refused"),
    "list": (lambda path: torch.save([torch.zeros(1)], path), "no state dict"),
    "no tensors": (lambda path: torch.save({"model": {"a": 1}}, path), "no tensors"),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("read", [read_checkpoint, read_trunk, load_model])
def test_a_broken_file_is_refused_in_one_sentence(case, read, tmp_path):
    file = tmp_path / "wrong.pt"
    make, message = BROKEN[case]
    make(file)
    with pytest.raises(InputError, match=message) as caught:
        read(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


class Malice:
    """A pickle that would create a file when read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize(
    "read", [lambda path: load_trunk(SAM2UNet("pico"), path), load_model], ids=["load_trunk", "load_model"]
)
@pytest.mark.parametrize(
    "write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))], ids=["torch", "pickle"]
)
def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(write, read, tmp_path):
    write({"model": {"image_encoder.trunk.pos_embed": Malice(tmp_path / "ran")}}, tmp_path / "evil.pt")
    with pytest.raises(InputError, match=r"refused|damaged"):
        read(tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()
