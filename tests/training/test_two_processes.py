"""Two gloo processes against one that runs both halves and averages the gradients."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sam2unet.data import EpochOrder, Flips, PairDataset, Preparation, find_pairs
from sam2unet.network import SAM2UNet, deep_supervision_loss
from sam2unet.training import load_recipe
from sam2unet.training.module import batch_dice

from .two_processes import RECIPE


def reference(data: Path) -> tuple[SAM2UNet, dict[str, torch.Tensor]]:
    """The network after training, and the running statistics as the first half alone left them."""
    recipe = load_recipe("general", RECIPE)
    torch.manual_seed(0)
    model = SAM2UNet("nano").double().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs, eta_min=1e-7)
    preparation = Preparation((64, 64), model.card.mean, model.card.std)
    dataset = PairDataset(find_pairs(data).pairs["train"], preparation, recipe.seed, Flips(0.5, 0.5))
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    for epoch in range(recipe.epochs):
        orders = [EpochOrder(len(dataset), 2, recipe.seed, rank, 2) for rank in (0, 1)]
        for order in orders:
            order.set_epoch(epoch)
        for start in range(0, len(orders[0]), 2):
            optimizer.zero_grad()
            for half in (1, 0):
                for name, buffer in model.named_buffers():
                    buffer.copy_(buffers[name])  # the first half's statistics start every step
                batch = [dataset[at] for at in list(orders[half])[start : start + 2]]
                images, target = (torch.stack(items).double() for items in zip(*batch, strict=True))
                (deep_supervision_loss(model(images, deep_supervision=True), target) / 2).backward()
            buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
            optimizer.step()
        schedule.step()
    return model, buffers


def test_two_processes_equal_the_average_of_two_halves(scenes, tmp_path):
    script = Path(__file__).with_name("two_processes.py")
    command = [sys.executable, str(script), str(scenes), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    expected, buffers = reference(scenes)
    for name, parameter in expected.named_parameters():
        assert (first[name] - parameter).abs().max() < 1e-6, name
    for name, buffer in buffers.items():
        assert (first[name] - buffer).abs().max() < 1e-6, name
    # Three pictures on two processes: the mean is over the pictures, not over the processes.
    expected.load_state_dict({name: first[name] for name in expected.state_dict()})
    preparation = Preparation((64, 64), expected.card.mean, expected.card.std)
    images, targets = zip(
        *[PairDataset(find_pairs(scenes).pairs["test"], preparation)[0, i] for i in range(3)], strict=True
    )
    with torch.inference_mode():
        dice = batch_dice(expected.eval()(torch.stack(images).double()), torch.stack(targets))
    assert first["val_dice"].item() == pytest.approx(dice.mean().item(), abs=1e-6)
