"""Two gloo processes under torchrun, against a loop that averages the gradients of both halves of each batch."""

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
from sam2unet.training.loading import EpochBatchSampler
from sam2unet.training.samples import PairDataset, Preprocessing, SampleKey
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
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300, env=environment)


def load_states(folder: Path) -> list[dict[str, torch.Tensor]]:
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of an uninterrupted run of two processes, and what they printed."""
    folder = tmp_path_factory.mktemp("whole")
    result = torchrun(SCRIPT, data, folder, "start", 0)
    assert result.returncode == 0, result.stderr
    return folder, result.stderr


@pytest.fixture(scope="module")
def killed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was killed inside its second epoch."""
    folder = tmp_path_factory.mktemp("killed")
    assert torchrun(SCRIPT, data, folder, "start", 5).returncode != 0
    assert not (folder / "rank0.pt").exists()
    return folder


def dataset(data: Path, split: str) -> PairDataset:
    card = SAM2UNet("pico").card
    return PairDataset(find_pairs(data).pairs[split], Preprocessing((64, 64), card.mean, card.std), 0)


def train_both_halves(data: Path) -> tuple[SAM2UNet, dict[str, torch.Tensor]]:
    """Return the trained network, and the batch-norm statistics of the first half alone."""
    recipe = load_recipe("general", RECIPE)
    samples = dataset(data, "train")
    pl.seed_everything(recipe.seed, verbose=False)
    model = SAM2UNet("pico")
    for adapter in model.adapters:
        adapter.initialise("published")
    model = model.double().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs, eta_min=1e-7)
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    for epoch in range(recipe.epochs):
        samplers = [EpochBatchSampler(len(samples), 1, [(64, 64)], recipe.seed, rank, 2) for rank in (0, 1)]
        for sampler in samplers:
            sampler.set_epoch(epoch)
        for batches in zip(*samplers, strict=True):
            optimizer.zero_grad()
            for half in (1, 0):
                for name, buffer in model.named_buffers():
                    buffer.copy_(buffers[name])  # the first half's statistics start every step
                items = [samples[key] for key in batches[half]]
                images, target = (torch.stack([item[i] for item in items]).double() for i in (0, 1))
                (deep_supervision_loss(model(images, deep_supervision=True), target) / 2).backward()
            buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
            optimizer.step()
        schedule.step()
    return model, buffers


def test_two_processes_train_like_the_average_of_two_halves(data, whole):
    first, second = load_states(whole[0])
    assert all(torch.equal(first[name], second[name]) for name in first)
    expected, buffers = train_both_halves(data)
    for name, parameter in expected.named_parameters():
        assert (first[name] - parameter).abs().max() < 1e-6, name
    for name, buffer in buffers.items():
        assert (first[name] - buffer).abs().max() < 1e-6, name


def test_validation_dice_is_the_mean_over_images_not_over_processes(data, whole):
    state, _ = load_states(whole[0])
    model = SAM2UNet("pico").double().eval()
    model.load_state_dict({name: state[name] for name in model.state_dict()})
    samples = dataset(data, "val")
    images, targets = (torch.stack([samples[SampleKey(0, i, (64, 64))][k] for i in range(3)]) for k in (0, 1))
    with torch.inference_mode():
        dice = dice_curves(model(images.double()), targets)[:, 49]
    assert state["val_dice"].item() == pytest.approx(dice.mean().item(), abs=1e-6)


def test_only_the_main_process_prints_and_writes(whole):
    folder, printed = whole
    lines = Counter(printed.splitlines())
    assert [n for line, n in lines.items() if line.startswith(("Training on", "epoch "))] == [1, 1, 1]
    assert len(list((folder / "run/tensorboard").glob("events*"))) == 2  # the curves; recipe and examples
    assert load_model(folder / "run/last.safetensors").card.metrics["epoch"] == 2
    assert "2, 1 threads each" in (folder / "run/report.html").read_text()


def test_killed_inside_an_epoch_two_processes_resume_to_the_same_weights(data, whole, killed, tmp_path):
    shutil.copytree(killed, tmp_path / "copy")
    result = torchrun(SCRIPT, data, tmp_path / "copy", "resume", 0)
    assert result.returncode == 0, result.stderr
    assert "Resuming after step 5 of 8" in result.stderr
    for state, expected in zip(load_states(tmp_path / "copy"), load_states(whole[0]), strict=True):
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_a_run_of_two_processes_is_not_resumed_by_one(killed, tmp_path):
    shutil.copytree(killed / "run", tmp_path / "run")
    with pytest.raises(InputError, match="number of processes is 1, but was 2"):
        train(resume=tmp_path / "run", device="cpu")
