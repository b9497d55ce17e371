"""Sums over images of one class, exact in any order, so that processes and shards change no digit."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .metrics import Scores

Array = NDArray[np.float64]
ONE = 2**40
"""Values are summed as integers in units of 1 / ONE: exact in any order, and 2^22 images fit into 64 bits."""


@dataclass
class Totals:
    """Sums of the scores of any number of images of one class."""

    images: int = 0
    sums: dict[str, int] = field(default_factory=dict)
    """Sum of each value over the images that have it."""
    measured: dict[str, int] = field(default_factory=dict)
    """Number of images that have the value: it is not nan."""
    curves: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    """Sum of each curve over all images."""
    brightest: int = 0
    """Highest value in any map, 0 to 255."""

    def empty(self) -> "Totals":
        """Return totals of no images."""
        return Totals()

    def add(self, scores: Scores, brightest: int) -> None:
        """Add an image's scores, and the highest value in its map."""
        self.images += 1
        self.brightest = max(self.brightest, brightest)
        for name, value in scores.values.items():
            known = not math.isnan(value)
            self.sums[name] = self.sums.get(name, 0) + (round(value * ONE) if known else 0)
            self.measured[name] = self.measured.get(name, 0) + known
        for name, curve in scores.curves.items():
            self.curves[name] = self.curves.get(name, 0) + np.rint(curve * ONE).astype(np.int64)

    def merge(self, other: "Totals") -> None:
        """Add the totals of other images."""
        self.images += other.images
        self.brightest = max(self.brightest, other.brightest)
        for name, total in other.sums.items():
            self.sums[name] = self.sums.get(name, 0) + total
            self.measured[name] = self.measured.get(name, 0) + other.measured[name]
        for name, curve in other.curves.items():
            self.curves[name] = self.curves.get(name, 0) + curve

    def curve(self, name: str) -> Array:
        """Return the mean of a curve over the images: 256 values, from the highest threshold to the lowest."""
        return self.curves[name] / ONE / self.images

    def metrics(self) -> dict[str, float]:
        """Return the mean of each value over the images that have it, and the number of images.

        E_max and F_max are the maxima of the mean curves, as in PySODMetrics.
        """
        result = {}
        for name, total in self.sums.items():
            result[name] = total / ONE / n if (n := self.measured[name]) else math.nan
            if name in ("E_mean", "F_mean"):
                result[f"{name[0]}_max"] = float(self.curve(name[0]).max())
        return result | {"images": self.images}

    def check(self, predictions: Path) -> None:
        """Raise InputError if the maps of all images are masks of 0 and 1 (one alone may be a faint probability)."""
        if self.brightest == 1:
            raise InputError(
                f"{predictions}: holds masks of 0 and 1; store maps or masks of 0 and 255, or evaluate class indices "
                "with classes 2",
                "classes",
            )

    def details(self) -> dict[str, Any]:
        """Return the mean curves, for the JSON file."""
        return {"curves": {name: self.curve(name).round(9).tolist() for name in self.curves}}

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values, for `from_json`."""
        curves = {name: curve.tolist() for name, curve in self.curves.items()}
        return {"images": self.images, "sums": self.sums, "measured": self.measured, "curves": curves,
                "brightest": self.brightest}  # fmt: skip

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Totals":
        """Restore what `as_json` returned."""
        curves = {name: np.array(curve, np.int64) for name, curve in stored["curves"].items()}
        return cls(stored["images"], stored["sums"], stored["measured"], curves, stored["brightest"])
