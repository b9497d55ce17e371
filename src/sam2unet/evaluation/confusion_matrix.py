"""The confusion matrix of any number of images; integers, so that their order doesn't matter."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .multiclass_metrics import Counts, summarise_classes


@dataclass
class ConfusionMatrix:
    """Pixels of each true class (row) by predicted class (column), over any number of images of several classes.

    Without `classes`, the matrix grows to the highest class index found.
    """

    classes: int | None = None
    class_names: list[str] = field(default_factory=list)
    """As many as `classes`, or none."""
    images: int = 0
    counts: Counts = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    ignored_pixels: int = 0

    def __post_init__(self) -> None:
        self._grow(self.classes or 0)

    def empty(self) -> "ConfusionMatrix":
        """Return the matrix of no images, with the same classes."""
        return ConfusionMatrix(self.classes, self.class_names)

    @property
    def names(self) -> list[str]:
        """The classes' names, or their indices if they have no names."""
        return self.class_names or [str(index) for index in range(len(self.counts))]

    def add(self, counts: Counts, ignored_pixels: int) -> None:
        """Add an image's confusion matrix and its ignored pixels."""
        self.merge(ConfusionMatrix(None, [], 1, counts, ignored_pixels))

    def merge(self, other: "ConfusionMatrix") -> None:
        """Add the matrix of other images."""
        size = len(other.counts)
        self._grow(size)
        self.counts[:size, :size] += other.counts
        self.images += other.images
        self.ignored_pixels += other.ignored_pixels

    def _grow(self, size: int) -> None:
        added = max(0, size - len(self.counts))
        self.counts = np.pad(self.counts, (0, added))  # always a copy, so that merging changes no caller's array

    def metrics(self) -> dict[str, float]:
        """Return the metrics; see `summarise_classes`."""
        return summarise_classes(self.counts, self.names, self.images)

    def details(self) -> dict[str, Any]:
        """Return the matrix and the classes' names, for the JSON file."""
        return {"confusion": self.counts.tolist(), "class_names": self.names}

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values, for `from_json`."""
        return vars(self) | {"counts": self.counts.tolist()}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "ConfusionMatrix":
        """Restore what `as_json` returned."""
        size = len(stored["counts"])
        stored = {key: value for key, value in stored.items() if key != "binary_masks"}  # of 0.1
        return cls(**stored | {"counts": np.array(stored["counts"], np.int64).reshape(size, size)})
