"""The GPU of each of torchrun's processes."""

import pytest
import torch

from sam2unet.system import local_device


@pytest.mark.parametrize("name", ["auto", "cuda", "cpu", "cuda:0"])
def test_local_device_leaves_the_name_without_torchrun(name, monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert local_device(name) == name


@pytest.mark.parametrize("name", ["cpu", "cuda:0", "mps"])
def test_local_device_leaves_a_name_that_decides(name, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert local_device(name) == name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_local_device_is_the_gpu_of_the_process(name, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert local_device(name) == "cuda:2"
