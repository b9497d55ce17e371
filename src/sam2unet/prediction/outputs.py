"""What is written of a prediction: masks, maps, overlays, cut-outs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..card import Card
from ..errors import InputError
from ..files import atomic_path
from .components import MaskArray, check_scipy, remove_small
from .drawing import cutout, mask_image, overlay, soft_edge
from .predictor import Prediction, chosen
from .tables import TABLES

FOLDERS = {
    "overlay": "overlays", "probability": "probability", "probability16": "probability16", "npy": "npy",
    "cutout": "cutouts",
}  # fmt: skip
"""Of what is written for each picture beside its mask; the other kinds are one file of all."""


@dataclass(frozen=True)
class Outputs:
    """What to write of predictions.

    Args:
        save: what beside the masks.
        threshold: the probability from which a pixel counts; without meaning for several classes.
        mask_bits: 8, or 1, which only masks of one class can have.
        min_part: parts of the mask with fewer pixels are taken out.
        min_hole: holes with fewer are filled.

    Raises:
        InputError: out of range.
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

    def files(self, name: str, card: Card) -> dict[str, str]:
        """What is written of a picture, below the folder of outputs: kinds by file, the mask's last."""
        found: dict[str, str] = {}
        for kind, folder in FOLDERS.items():
            if kind in self.save and kind.startswith("probability") and card.classes > 1:
                found |= {f"{folder}/{i}/{name}.png": f"{kind}.{i}" for i in range(card.classes)}
            elif kind in self.save:
                found[f"{folder}/{name}.{'npy' if kind == 'npy' else 'png'}"] = kind
        return found | {f"{name}.png": "mask"}

    def draw(self, prediction: Prediction, card: Card, kept: MaskArray | None = None) -> dict[str, Image.Image]:
        """Pictures by kind, as `files` names them, in one pass over the probabilities; not "npy".

        Args:
            kept: a mask to go by instead of the prediction's own.
        """
        height, width = prediction.image.height, prediction.image.width
        several = card.classes > 1
        mask: MaskArray = np.empty((height, width), np.uint8 if several else np.bool_)
        maps = {
            kind: np.empty((card.classes, height, width), np.uint16 if kind == "probability16" else np.uint8)
            for kind in ("probability", "probability16") if kind in self.save
        }  # fmt: skip
        edge = np.full((height, width), 255, np.uint8) if "cutout" in self.save else None
        for rows, strip in prediction.strips():
            mask[rows] = chosen(strip, self.threshold)
            for values in maps.values():
                values[:, rows] = (strip * np.iinfo(values.dtype).max).round()
            if edge is not None and not several:
                edge[rows] = soft_edge(strip[0], self.threshold)
        found = mask
        if kept is not None:
            mask = kept
        elif self.min_part > 1 or self.min_hole > 1:
            mask = remove_small(mask, self.min_part, self.min_hole)
        if edge is not None and mask is not found:
            edge[found == 0] = 255  # of filled holes
        drawn = {
            f"{kind}.{i}" if several else kind: Image.fromarray(plane)
            for kind, planes in maps.items() for i, plane in enumerate(planes)
        }  # fmt: skip
        if "overlay" in self.save:
            drawn["overlay"] = overlay(prediction.image, mask, card.classes)
        if edge is not None:
            drawn["cutout"] = cutout(prediction.image, mask, edge)
        picture = mask_image(mask, card.classes)
        return drawn | {"mask": picture if self.mask_bits == 8 else Image.fromarray(np.asarray(mask, np.bool_))}


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a picture that appears under its name only when complete."""
    with atomic_path(path) as partial:
        picture.save(partial)


def save_array(prediction: Prediction, path: Path) -> None:
    """Write the probabilities as float32, (H, W) or (classes, H, W), strip by strip."""
    shape = (prediction.logits.shape[1], prediction.image.height, prediction.image.width)
    with atomic_path(path) as partial, partial.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape if shape[0] > 1 else shape[1:]}
        np.lib.format.write_array_header_1_0(file, header)
        begin = file.tell()
        for rows, strip in prediction.strips():
            for index, plane in enumerate(strip):
                file.seek(begin + 4 * shape[2] * (shape[1] * index + rows.start))
                file.write(plane.astype("<f4", copy=False).tobytes())
