"""What the recipe `auto` leaves open, decided from a look at the data by rules that are written down here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..card import IGNORED, Card, nearest_multiple
from ..data import DataCheck, MaskReading, Pair, object_thickness, read_mask
from .recipe import Recipe

MAX_MASKS = 64
"""Masks whose objects are measured; evenly spread over the training pairs."""
WHOLE_SIZE = 352
"""Size at which whole images are shown, as published."""
THIN = 16.0
"""Thickness of objects in an image shown at `WHOLE_SIZE`, in pixels, below which tiles are trained on: four cells of the
published decoder, which has one logit for 4x4 pixels. Tiles won on nuclei, of 12 pixels; on polyps, of 50, nothing is
gained by them that the lost surroundings would not cost."""
MIN_THICKNESS = 2.0
"""Thickness in pixels below which tiles are shown twice as large."""
TILE_INPUT = 128
"""Side of the network's input that shows a tile, in pixels: small, so that a step is short and shows many images."""
MIN_STEPS, MIN_PASSES = 2000, 20
"""Least optimizer steps, and least passes over the data, of a run on whole images."""
TILED: dict[str, Any] = {
    "detail": 16, "loss": "dice", "batch_size": 8, "steps": 3000, "object_share": 0.33, "flip_horizontal": 0.5,
    "flip_vertical": 0.5, "quarter_turns": 0.75, "colour": 0.2, "lr": 1e-3, "trunk_lr": 1e-4,
}  # fmt: skip
"""Thin objects: where the pixels go matters more than anything else, then the loss, then that nothing is shown twice
alike. Such objects have no up and down, so tiles are turned."""
WHOLE: dict[str, Any] = {
    "tile": None, "size": WHOLE_SIZE, "detail": 0, "loss": "structure", "batch_size": 4, "object_share": 0.0,
    "flip_horizontal": 0.5, "flip_vertical": 0.0, "quarter_turns": 0.0, "colour": 0.2, "lr": 1e-3, "trunk_lr": 1e-4,
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """What a plan follows from."""

    num_pairs: int
    """Training pairs."""
    size: tuple[int, int]
    """Median height and width of the images."""
    thickness: float
    """Median over the masks of their objects' thickness, of the thinnest class, in pixels; nan without objects."""
    has_trunk_weights: bool

    @property
    def shown_thickness(self) -> float:
        """Thickness in whole images shown at `WHOLE_SIZE`, in pixels."""
        return self.thickness * WHOLE_SIZE / max(self.size)


@dataclass
class Plan:
    """Values for the keys of a recipe that it leaves to a plan, and why."""

    values: dict[str, Any] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    """Sentences."""


def look_at(
    check: DataCheck, training: Sequence[Pair], recipe: Recipe, has_trunk_weights: bool,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Look:  # fmt: skip
    """Look at the training data.

    Args:
        check: of the whole folder, without errors.
        training: the training pairs.
        recipe: for the classes and how masks are read.
        has_trunk_weights: the trunk starts from weights of a file.
        progress: gets the number of masks measured and their total.
    """
    assert check.reading
    chosen = training[:: -(-len(training) // MAX_MASKS)]
    thickness = []
    for done, pair in enumerate(chosen, start=1):
        thickness.append(_thinnest_class(pair, check.reading, recipe))
        progress(done, len(chosen))
    found = [value for value in thickness if not np.isnan(value)]
    return Look(
        len(training),
        median_size(check, training),
        float(np.median(found)) if found else float("nan"),
        has_trunk_weights,
    )


def median_size(check: DataCheck, pairs: Sequence[Pair]) -> tuple[int, int]:
    """Return the median height and the median width of the images of some pairs."""
    known = set(pairs)
    width, height = np.median([found.size for found in check.pairs if found.pair in known], axis=0)
    return int(height), int(width)


def _thinnest_class(pair: Pair, reading: MaskReading, recipe: Recipe) -> float:
    labels = read_mask(pair.mask, reading, recipe.classes, recipe.ignore_exif).labels
    present = np.setdiff1d(np.unique(labels), (0, IGNORED))
    return min((object_thickness(labels == label) for label in present), default=float("nan"))


def make_plan(look: Look, recipe: Recipe, start: Card | None = None) -> Plan:
    """Decide every key that a plan can decide.

    The evidence for the rules, equal time against each other and against a plain U-Net, is in docs/speed.md.

    Args:
        look: at the data.
        recipe: what is given; if that is a tile, or a size of whole images, the rest suits it.
        start: card of the model that training starts from; None: it starts from the trunk or from scratch.
    """
    in_tiles = look.shown_thickness < THIN if "tile" in recipe.plan else bool(recipe.tile)  # false for nan
    described = f"{look.thickness:.1f} pixels thick, {look.shown_thickness:.1f} in a whole image at {WHOLE_SIZE} pixels"
    plan = _plan_tiles(look, recipe) if in_tiles else _plan_whole_images(look, recipe)
    plan.reasons.insert(0, f"objects are {described}" if look.thickness == look.thickness else "no mask has an object")
    if start:
        plan.values |= {"trunk": start.trunk, "detail": start.detail, "tile": start.tile, "tile_zoom": start.tile_zoom}
        plan.values |= {} if start.tile else {"size": start.size}
        plan.reasons.append("network and scale are those of the model to start from")
    elif look.has_trunk_weights:
        plan.values |= {"trunk": "tiny"}
        plan.reasons.append("trunk tiny, as its official weights are here")
    else:
        plan.values |= {"trunk": "nano", "lr": 3e-3, "trunk_lr": 1e-3}
        plan.reasons.append("trunk nano, since nothing but this data is there to train it")
    return plan


def _plan_tiles(look: Look, recipe: Recipe) -> Plan:
    wanted = 2.0 if look.thickness < MIN_THICKNESS else 1.0
    side = recipe.tile or round(TILE_INPUT / wanted)
    zoom = recipe.tile_zoom if "tile_zoom" not in recipe.plan else nearest_multiple(side * wanted) / side
    reasons = [f"thin, so tiles of {side} pixels, shown {zoom:.3g} times as large and decoded to single pixels"]
    if look.thickness * zoom < 1:
        reasons.append(
            f"warning: they are thinner than a pixel there: use a tile_zoom of {1 / look.thickness:.1g} or more"
        )
    if side > max(look.size):
        reasons.append(f"warning: most images are smaller than a tile: use a tile of {max(look.size)} or less")
    return Plan(TILED | {"tile": side, "tile_zoom": zoom}, reasons)


def _plan_whole_images(look: Look, recipe: Recipe) -> Plan:
    size = (WHOLE_SIZE, WHOLE_SIZE) if "size" in recipe.plan else recipe.height_width
    reasons = [f"whole images at {size[0]}x{size[1]} pixels"]
    if look.thickness * min(size[0] / look.size[0], size[1] / look.size[1]) < 1:
        reasons.append("warning: objects are thinner than a pixel there: use tiles, or a larger size")
    steps = max(MIN_STEPS, MIN_PASSES * look.num_pairs // WHOLE["batch_size"])
    return Plan(WHOLE | {"steps": steps}, reasons)


def describe_plan(plan: Plan, before: Recipe, after: Recipe) -> str:
    """Return the plan in a few lines: why, and the values of the keys that it decided."""
    decided = ", ".join(f"{key}={getattr(after, key)}" for key in before.plan)
    return f"Plan: {'; '.join(plan.reasons)}.\n      {decided}"
