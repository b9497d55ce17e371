"""Devices: found by name, without torch where that is possible, and one per process of torchrun."""

import pytest
import torch

from sam2unet.errors import InputError
from sam2unet.system import cpu_flags, cpu_has_bf16, device, find_device, has_bf16, is_known_cpu, local_device


def test_is_known_cpu_of_auto_depends_on_gpu_drivers(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(device, "GPU_NODES", (str(tmp_path / "nvidiactl"),))
    assert is_known_cpu("auto")
    (tmp_path / "nvidiactl").touch()
    assert not is_known_cpu("auto")


@pytest.mark.parametrize(("name", "known"), [("cpu", True), ("auto", False), ("cuda", False)])
def test_is_known_cpu_of_other_systems_is_the_named_cpu_only(name, known, monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    assert is_known_cpu(name) == known


def test_cpu_has_bf16_agrees_with_torch():
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    if not capabilities or not cpu_flags():
        pytest.skip("torch or the system doesn't tell")
    assert cpu_has_bf16() == has_bf16(torch.device("cpu"))


def test_find_device_returns_a_device_that_works():
    assert find_device("cpu") == torch.device("cpu")
    torch.zeros(1, device=find_device("auto"))


@pytest.mark.parametrize("name", ["gameboy", "cuda:99"])
def test_find_device_names_a_device_that_does_not_work_in_one_line(name):
    with pytest.raises(InputError, match=f"^device '{name}' can't be used: ") as caught:
        find_device(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["auto", "cuda", "cpu", "cuda:0"])
def test_local_device_leaves_the_name_without_torchrun(name, monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert local_device(name) == name


@pytest.mark.parametrize("name", ["cpu", "cuda:0", "mps"])
def test_local_device_leaves_a_name_that_decides(name, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert local_device(name) == name


@pytest.mark.parametrize(("found", "expected"), [("cuda", "cuda:2"), ("mps", "auto"), ("cpu", "auto")])
def test_local_device_of_auto_is_the_gpu_of_the_process_if_there_are_several(found, expected, monkeypatch):
    monkeypatch.setattr(device, "is_known_cpu", lambda name: False)
    monkeypatch.setattr(device, "find_device", lambda name: torch.device(found))
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert local_device("auto") == expected
