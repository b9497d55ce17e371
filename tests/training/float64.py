"""Training in float64, for tests that compare sums taken in different orders; no recipe offers it."""

from typing import Any

import pytest

from sam2unet.training.module import SegmentationModule


def train_in_float64(patch: pytest.MonkeyPatch) -> None:
    """Make `train` compute in float64, whatever the recipe's precision."""
    build_module = SegmentationModule.__init__

    def build_in_float64(self: SegmentationModule, *arguments: Any, **options: Any) -> None:
        build_module(self, *arguments, **options)
        self.double()  # Lightning does it only after it has loaded a checkpoint, which would be rounded

    patch.setattr(SegmentationModule, "__init__", build_in_float64)
    for place in ("build", "run"):
        patch.setattr(f"sam2unet.training.{place}.precision_of", lambda recipe, device: "64-true")
