"""Two gloo processes under torchrun against one that runs both halves and averages the gradients."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch

from sam2unet.data import find_pairs
from sam2unet.errors import InputError
from sam2unet.network import SAM2UNet, deep_supervision_loss
from sam2unet.training import load_recipe, train
from sam2unet.training.samples import EpochBatchSampler, PairDataset, Preprocessing, SampleKey
from sam2unet.training.validation_scores import dice_curves
from sam2unet.weights import load_model

from .two_processes import RECIPE

SCRIPT = Path(__file__).with_name("two_processes.py")


@pytest.fixture(scope="module")
def data(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train/ with 8 pairs and val/ with 3."""
    folder = tmp_path_factory.mktemp("two") / "data"
    shutil.copytree(scenes / "train", folder / "train")
    shutil.copytree(scenes / "test", folder / "val")
    return folder


def torchrun(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Two processes on this machine; what each writes begins with its number."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300, env=environment)


def samples(data: Path, part: str, recipe) -> PairDataset:
    card = SAM2UNet("nano").card
    return PairDataset(find_pairs(data).pairs[part], Preprocessing((64, 64), card.mean, card.std), recipe.seed)


def reference(data: Path) -> tuple[SAM2UNet, dict[str, torch.Tensor]]:
    """The network after training, and the running statistics as the first half alone left them."""
    recipe = load_recipe("general", RECIPE)
    dataset = samples(data, "train", recipe)
    pl.seed_everything(recipe.seed, verbose=False)
    model = SAM2UNet("nano")
    for adapter in model.adapters:
        adapter.initialise("published")
    model = model.double().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs, eta_min=1e-7)
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    for epoch in range(recipe.epochs):
        orders = [EpochBatchSampler(len(dataset), 1, [(64, 64)], recipe.seed, rank, 2) for rank in (0, 1)]
        for order in orders:
            order.set_epoch(epoch)
        for batches in zip(*orders, strict=True):
            optimizer.zero_grad()
            for half in (1, 0):
                for name, buffer in model.named_buffers():
                    buffer.copy_(buffers[name])  # the first half's statistics start every step
                items = [dataset[at] for at in batches[half]]
                images, target = (torch.stack([item[i] for item in items]).double() for i in (0, 1))
                (deep_supervision_loss(model(images, deep_supervision=True), target) / 2).backward()
            buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
            optimizer.step()
        schedule.step()
    return model, buffers


def test_two_processes_equal_the_average_of_two_halves(data, tmp_path):
    result = torchrun(SCRIPT, data, tmp_path, 0)
    assert result.returncode == 0, result.stderr
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    expected, buffers = reference(data)
    for name, parameter in expected.named_parameters():
        assert (first[name] - parameter).abs().max() < 1e-6, name
    for name, buffer in buffers.items():
        assert (first[name] - buffer).abs().max() < 1e-6, name
    # Three pictures on two processes: the mean is over the pictures, not over the processes.
    expected.load_state_dict({name: first[name] for name in expected.state_dict()})
    dataset = samples(data, "val", load_recipe("general", RECIPE))
    images, targets = (torch.stack([dataset[SampleKey(0, i, (64, 64))][k] for i in range(3)]) for k in (0, 1))
    with torch.inference_mode():
        dice = dice_curves(expected.eval()(images.double()), targets)[:, 49]
    assert first["val_dice"].item() == pytest.approx(dice.mean().item(), abs=1e-6)
    # Each file is written once, each line said once.
    said = Counter(result.stderr.splitlines())
    assert [n for line, n in said.items() if line.startswith(("Training on", "epoch "))] == [1, 1, 1]
    assert len(list((tmp_path / "run/tensorboard").glob("events*"))) == 2  # the curves; recipe and pictures
    assert load_model(tmp_path / "run/last.safetensors").card.metrics["epoch"] == 2
    assert "2, 1 threads each" in (tmp_path / "run/report.html").read_text()
    # Killed inside the second epoch, it goes on to the same end.
    killed = tmp_path / "killed"
    killed.mkdir()
    assert torchrun(SCRIPT, data, killed, 5).returncode != 0
    assert not (killed / "rank0.pt").exists()
    result = torchrun(SCRIPT, data, killed, 0)
    assert result.returncode == 0, result.stderr
    assert "Going on after step 5 of 8" in result.stderr
    for rank in (0, 1):
        state = torch.load(killed / f"rank{rank}.pt", weights_only=True)
        assert all(torch.equal(state[name], first[name]) for name in first)
    with pytest.raises(InputError, match="began with processes 2, not 1"):
        train(resume=alone(killed), device="cpu")


def alone(run: Path) -> Path:
    """The run as it was before it finished."""
    file = run / "run/resume/run.json"
    content = json.loads(file.read_text())
    del content["finished"]
    file.write_text(json.dumps(content))
    return run / "run"
