"""The time and memory of a run, estimated from a few steps."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError
from ..network import SAM2UNet
from ..prediction import Views
from ..system import is_out_of_memory, peak_memory
from .build import precision_of
from .loading import RunLength
from .module import SegmentationModule
from .recipe import Recipe

STEPS = 3
"""Timed steps, after one that is not."""


@dataclass(frozen=True)
class Estimate:
    """Time and memory that a run needs on this machine."""

    seconds: float
    """Training and validation; reading images is taken to keep up."""
    bytes: int
    """Peak memory: of the GPU, else of the training process."""


def estimate_run(
    model: SAM2UNet, recipe: Recipe, length: RunLength, validation: int, size: tuple[int, int], device: torch.device
) -> Estimate:
    """Run a few steps on noise.

    Args:
        model: the network; its weights change.
        recipe: of the run.
        length: of the run.
        validation: number of validation images.
        size: their median height and width.
        device: where to run.

    Raises:
        InputError: the memory does not suffice.
    """
    is_bf16 = precision_of(recipe, device) == "bf16-mixed"
    module = SegmentationModule(model.to(device).train(), recipe, [], validation, length)
    module.prepare(device, is_bf16)
    optimizer = module.configure_optimizers()["optimizer"]
    images = torch.randn(recipe.batch_size, 3, *recipe.height_width, device=device)
    target = torch.zeros(recipe.batch_size, *recipe.height_width, device=device)
    target = target.long() if recipe.classes > 1 else target[:, None]

    def forward() -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=is_bf16):
            outputs = model(images, deep_supervision=True)
        return module.total_loss(outputs, target)

    def step() -> None:
        for _ in range(recipe.accumulate):
            forward().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()

    with out_of_memory_is_input_error(recipe):
        step_seconds = _mean_seconds(step, device)
        with torch.inference_mode():
            forward_seconds = _mean_seconds(forward, device)
    tiles = len(Views(recipe.tile or 0, recipe.tile_overlap).grid(*size))
    passes = validation * tiles / recipe.batch_size
    seconds = length.steps * step_seconds + length.epochs * passes * forward_seconds
    return Estimate(seconds, peak_memory(device))


def _mean_seconds(step: Callable[[], object], device: torch.device) -> float:
    start = 0.0
    for number in range(STEPS + 1):
        if number == 1:
            start = time.monotonic()
        step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.monotonic() - start) / STEPS


@contextmanager
def out_of_memory_is_input_error(recipe: Recipe) -> Iterator[None]:
    """Turn an exhausted memory inside the block into a sentence.

    Raises:
        InputError: the memory does not suffice.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not is_out_of_memory(error):
            raise
        height, width = recipe.height_width
        raise InputError(
            f"out of memory with batch_size {recipe.batch_size} at {height}x{width}: use a smaller batch_size with a "
            "larger accumulate, a smaller size or tile, or activation_checkpointing 1"
        ) from error
