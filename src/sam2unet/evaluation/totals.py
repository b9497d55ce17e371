"""Sums over pictures that don't depend on their order: any number of processes or machines gives the same figures."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .metrics import Scores

Array = NDArray[np.float64]
ONE = 2**40
"""Sums are of whole numbers, of which so many make 1: they are exact, and 2^22 pictures fit into 64 bits."""


@dataclass
class Totals:
    """What is kept of any number of pictures."""

    images: int = 0
    sums: dict[str, int] = field(default_factory=dict)
    """Of each value."""
    measured: dict[str, int] = field(default_factory=dict)
    """Pictures in which a value is a number."""
    curves: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    def add(self, scores: Scores) -> None:
        """Count a picture."""
        self.images += 1
        for name, value in scores.values.items():
            known = not math.isnan(value)
            self.sums[name] = self.sums.get(name, 0) + (round(value * ONE) if known else 0)
            self.measured[name] = self.measured.get(name, 0) + known
        for name, curve in scores.curves.items():
            self.curves[name] = self.curves.get(name, 0) + np.rint(curve * ONE).astype(np.int64)

    def merge(self, other: "Totals") -> None:
        """Count what `other` counted."""
        self.images += other.images
        for name, total in other.sums.items():
            self.sums[name] = self.sums.get(name, 0) + total
            self.measured[name] = self.measured.get(name, 0) + other.measured[name]
        for name, curve in other.curves.items():
            self.curves[name] = self.curves.get(name, 0) + curve

    def curve(self, name: str) -> Array:
        """The mean of a curve over the pictures, 256 values from the highest threshold to the lowest."""
        return self.curves[name] / ONE / self.images

    def metrics(self) -> dict[str, float]:
        """The means over the pictures that have a value; "max" of E and F is of the mean curve, as the field
        has it."""
        result = {}
        for name, total in self.sums.items():
            result[name] = total / ONE / n if (n := self.measured[name]) else math.nan
            if name in ("E_mean", "F_mean"):
                result[f"{name[0]}_max"] = float(self.curve(name[0]).max())
        return result | {"images": self.images}

    def as_json(self) -> dict[str, Any]:
        """See `from_json`."""
        curves = {name: curve.tolist() for name, curve in self.curves.items()}
        return {"images": self.images, "sums": self.sums, "measured": self.measured, "curves": curves}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Totals":
        """What `as_json` gave."""
        curves = {name: np.array(curve, np.int64) for name, curve in stored["curves"].items()}
        return cls(stored["images"], stored["sums"], stored["measured"], curves)
