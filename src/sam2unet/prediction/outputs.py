"""What is written of a prediction: masks, maps, overlays, cut-outs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import InputError
from .components import MaskArray, check_scipy, remove_small
from .drawing import cutout, edge_alpha, mask_image, overlay
from .tables import TABLES

if TYPE_CHECKING:
    from .predictor import Prediction

FOLDERS = {
    "overlay": "overlays", "probability": "probability", "probability16": "probability16", "npy": "npy",
    "cutout": "cutouts",
}  # fmt: skip
"""Kinds of output that are written per image beside its mask -> their folders; the other kinds are tables."""
MAP_TYPES = {"probability": np.uint8, "probability16": np.uint16}
"""Kinds of map -> their integer types, whose maximum stands for probability 1."""


@dataclass(frozen=True)
class Outputs:
    """Which outputs to write, and how masks are made.

    Args:
        save: outputs besides the masks: "overlay", "probability", "probability16", "npy", "cutout", "table", "rle",
            "polygons".
        threshold: lowest probability of foreground, 0 to 1; ignored for several classes.
        mask_bits: bits per pixel of masks: 8, or 1 for one class only.
        min_part: remove connected components of fewer pixels.
        min_hole: fill holes of fewer pixels.

    Raises:
        InputError: a value is out of range or unknown, or scipy is needed and not installed.
    """

    save: frozenset[str] = frozenset()
    threshold: float = 0.5
    mask_bits: int = 8
    min_part: int = 0
    min_hole: int = 0

    def __post_init__(self) -> None:
        for kind in self.save - FOLDERS.keys() - TABLES.keys():
            raise InputError(f"unknown output {kind!r}: choose from {', '.join([*FOLDERS, *TABLES])}")
        if self.mask_bits not in (1, 8):
            raise InputError(f"mask_bits is {self.mask_bits}: it must be 1 or 8")
        for kind in sorted(self.save - {"probability", "probability16", "npy", "cutout"}):
            check_scipy(f"output {kind!r}")
        if self.min_part or self.min_hole:
            check_scipy("removing small components and holes")
        if not 0 <= self.threshold <= 1:
            raise InputError(f"threshold is {self.threshold:g}: it must lie from 0 to 1")
        if self.min_part < 0 or self.min_hole < 0:
            raise InputError("min_part and min_hole count pixels: they must be 0 or more")

    def files(self, name: str, classes: int) -> dict[str, str]:
        """List the files of an image.

        Args:
            name: of the image, without suffix.
            classes: of the network.

        Returns:
            File below the output folder -> kind, as `draw` names them; the mask is last.
        """
        files: dict[str, str] = {}
        for kind, folder in FOLDERS.items():
            if kind in self.save and kind in MAP_TYPES and classes > 1:
                files |= {f"{folder}/{i}/{name}.png": f"{kind}.{i}" for i in range(classes)}
            elif kind in self.save:
                files[f"{folder}/{name}.{'npy' if kind == 'npy' else 'png'}"] = kind
        return files | {f"{name}.png": "mask"}

    def draw(self, prediction: "Prediction", existing: MaskArray | None = None) -> dict[str, Image.Image]:
        """Draw a prediction's outputs in one pass over its probabilities; all but "npy" and tables.

        Args:
            prediction: of one image.
            existing: a mask (H, W) to use instead of the prediction's own.

        Returns:
            Kind -> image; "mask" is always there, maps of several classes are "probability.0" and so on.
        """
        classes, source = prediction.classes, prediction.image
        rasters = Rasters.of(prediction, self.threshold, self.save)
        mask, alpha = rasters.mask, rasters.alpha
        if existing is not None:
            mask = existing
        elif self.min_part > 1 or self.min_hole > 1:
            mask = remove_small(mask, self.min_part, self.min_hole)
        if alpha is not None and mask is not rasters.mask:
            alpha[rasters.mask == 0] = 255  # filled holes are opaque
        images = {
            f"{kind}.{i}" if classes > 1 else kind: Image.fromarray(plane)
            for kind, planes in rasters.maps.items() for i, plane in enumerate(planes)
        }  # fmt: skip
        if "overlay" in self.save:
            images["overlay"] = overlay(source, mask, classes)
        if alpha is not None:
            images["cutout"] = cutout(source, mask, alpha)
        drawn = mask_image(mask, classes)
        return images | {"mask": drawn if self.mask_bits == 8 else Image.fromarray(np.asarray(mask, np.bool_))}


@dataclass(frozen=True)
class Rasters:
    """Arrays of an image's size that are made of its probabilities."""

    mask: MaskArray
    """(H, W)."""
    maps: dict[str, NDArray[Any]]
    """Kind of map -> integers (classes, H, W)."""
    alpha: NDArray[np.uint8] | None
    """(H, W) opacity of a cut-out inside the mask; None unless one is wanted."""

    @classmethod
    def of(cls, prediction: "Prediction", threshold: float, kinds: frozenset[str] = frozenset()) -> "Rasters":
        """Fill the arrays strip by strip, so that the probabilities are never in memory as a whole.

        Args:
            prediction: of one image.
            threshold: lowest probability of foreground; with several classes the likeliest class is taken.
            kinds: outputs that are wanted besides the mask.
        """
        classes, several = prediction.classes, prediction.classes > 1
        shape = prediction.image.height, prediction.image.width
        mask: MaskArray = np.empty(shape, np.uint8 if several else np.bool_)
        maps: dict[str, NDArray[Any]] = {
            kind: np.empty((classes, *shape), dtype) for kind, dtype in MAP_TYPES.items() if kind in kinds
        }
        alpha = np.full(shape, 255, np.uint8) if "cutout" in kinds else None
        for rows, strip in prediction.strips():
            mask[rows] = strip.argmax(axis=0) if several else strip[0] >= threshold
            for values in maps.values():
                values[:, rows] = (strip * np.iinfo(values.dtype).max).round()
            if alpha is not None and not several:
                alpha[rows] = edge_alpha(strip[0], threshold)
        return cls(mask, maps, alpha)
