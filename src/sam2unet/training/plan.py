"""Plans: values for the keys that a recipe such as `auto` leaves open, chosen from the training data by fixed rules."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..card import IGNORED, Card, nearest_multiple
from ..data import DataCheck, MaskReading, Pair, object_thickness, read_mask
from ..prediction import Views
from .recipe import Recipe, settle

MAX_MASKS = 64
"""Masks whose objects are measured; evenly spread over the training pairs."""
WHOLE_SIZE = 352
"""Size at which whole images are shown, as published."""
THIN = 16.0
"""Thickness of objects in an image shown at `WHOLE_SIZE`, in pixels, below which tiles are trained on: four cells of
the published decoder, which has one logit for 4x4 pixels. Tiles won on nuclei, of 12 pixels; on
objects of 40 pixels and more they were not tried."""
MIN_THICKNESS = 2.0
"""Thickness in pixels below which tiles are shown twice as large. Objects thicker than `THIN` are shown that thick: a
tile holds several of them, with what is around them."""
MIN_ZOOM = 0.1
"""The least `tile_zoom` that a recipe may have."""
TILE_INPUT = 128
"""Side of the network's input that shows a tile, in pixels: small, so that a step is short and shows many images."""
MIN_STEPS, MIN_PASSES = 3000, 20
"""Least optimizer steps, and least passes over the data: a set of 20 images would see 100 steps in 20 passes."""
TILED: dict[str, Any] = {
    "detail": 32, "loss": "dice", "batch_size": 8, "object_share": 0.33, "flip_horizontal": 0.5, "flip_vertical": 0.0,
    "quarter_turns": 0.75, "colour": 0.2,
}  # fmt: skip
"""Thin objects: where the pixels go matters more than anything else, then the loss, then that nothing is shown twice
alike. Such objects have no up and down, so tiles are turned; with one flip all eight ways are equally likely. A
validation predicts every tile of its images; it comes after as many steps as it has batches, and so takes about a
quarter of the time at most, as a batch without backward costs about a third of a step."""
WHOLE: dict[str, Any] = {
    "tile": None, "size": WHOLE_SIZE, "detail": 0, "loss": "structure", "batch_size": 4, "object_share": 0.0,
    "flip_horizontal": 0.5, "flip_vertical": 0.0, "quarter_turns": 0.0, "colour": 0.2,
}  # fmt: skip
PRETRAINED = {"lr": 1e-3, "trunk_lr": 1e-4}
"""Learning rates of trunks with official weights."""
NANO_TILES, NANO_WHOLE = {"lr": 3e-3, "trunk_lr": 1e-3}, {"lr": 1e-3, "trunk_lr": 3e-4}
"""Learning rates of the trunk nano from scratch. For tiles the higher ones raised Dice on retinas, nuclei and lines
alike; for whole images the lower ones did, on polyps and on the sample scenes."""


@dataclass(frozen=True)
class Fingerprint:
    """Facts about the training data that a plan is made from; the word is nnU-Net's."""

    num_pairs: int
    """Training pairs."""
    num_validation: int
    """Validation pairs."""
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


def read_fingerprint(
    check: DataCheck, training: Sequence[Pair], num_validation: int, recipe: Recipe, has_trunk_weights: bool,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Fingerprint:  # fmt: skip
    """Measure the training data.

    Args:
        check: of the whole folder, without errors.
        training: the training pairs.
        num_validation: number of validation pairs.
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
    return Fingerprint(
        len(training),
        num_validation,
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


def make_plan(fingerprint: Fingerprint, recipe: Recipe) -> Plan:
    """Decide every key that a plan can decide.

    The rules rest on single runs of a few minutes; `speed/quality.py` compares recipes at equal time.

    Args:
        fingerprint: of the data.
        recipe: what is given. If that is a tile, or a size of whole images, the rest suits it.
    """
    in_tiles = fingerprint.shown_thickness < THIN if "tile" in recipe.plan else bool(recipe.tile)  # false for nan
    plan = _plan_tiles(fingerprint, recipe) if in_tiles else _plan_whole_images(fingerprint, recipe)
    thickness, shown = fingerprint.thickness, fingerprint.shown_thickness
    described = f"{thickness:.1f} pixels thick, {shown:.1f} in a whole image at {WHOLE_SIZE} pixels"
    plan.reasons.insert(0, "no mask has an object" if np.isnan(thickness) else f"objects are {described}")
    trunk = recipe.trunk if "trunk" not in recipe.plan else "tiny" if fingerprint.has_trunk_weights else "nano"
    if "trunk" in recipe.plan:
        reason = (
            "its official weights are here"
            if fingerprint.has_trunk_weights
            else "nothing but this data is there to train it"
        )
        plan.reasons.append(f"trunk {trunk}, since {reason}")
    from_scratch = trunk == "nano" and not recipe.start_from
    rates = PRETRAINED if not from_scratch else NANO_TILES if in_tiles else NANO_WHOLE
    return Plan(plan.values | {"trunk": trunk} | rates, plan.reasons)


def take_over(recipe: Recipe, card: Card) -> Recipe:
    """Settle the keys that must be as in a model to start from: its weights fit no other network, and its own scale."""
    values = {"trunk": card.trunk, "detail": card.detail}
    values |= {"tile": card.tile, "tile_zoom": card.tile_zoom} if card.tile else {"tile": None, "size": card.size}
    return settle(recipe, values)


def _plan_tiles(fingerprint: Fingerprint, recipe: Recipe) -> Plan:
    thickness = fingerprint.thickness
    wanted = 1.0
    if thickness < MIN_THICKNESS:
        wanted = 2.0
    elif thickness > THIN:
        wanted = max(MIN_ZOOM, THIN / thickness)
    side = recipe.tile or round(TILE_INPUT / wanted)
    zoom = recipe.tile_zoom if "tile_zoom" not in recipe.plan else nearest_multiple(side * wanted) / side
    scale = "at their own scale" if zoom == 1 else f"shown {zoom:.3g} times as large"
    reasons = [f"thin or small, so tiles of {side} pixels, {scale}, decoded to single pixels"]
    if thickness * zoom < 1:
        reasons.append(f"warning: they are thinner than a pixel there: use a tile_zoom of {1 / thickness:.1g} or more")
    if side > max(fingerprint.size):
        reasons.append(f"warning: most images are smaller than a tile: use a tile of {max(fingerprint.size)} or less")
    batch_size = TILED["batch_size"]
    passes = fingerprint.num_validation * len(Views(side, recipe.tile_overlap).grid(*fingerprint.size)) // batch_size
    length = {
        "steps": max(MIN_STEPS, MIN_PASSES * fingerprint.num_pairs // batch_size),
        "epoch_steps": max(100, passes),
    }
    return Plan(TILED | {"tile": side, "tile_zoom": zoom, "size": round(side * zoom)} | length, reasons)


def _plan_whole_images(fingerprint: Fingerprint, recipe: Recipe) -> Plan:
    size = (WHOLE_SIZE, WHOLE_SIZE) if "size" in recipe.plan else recipe.height_width
    reasons = [f"whole images at {size[0]}x{size[1]} pixels"]
    if fingerprint.thickness * min(size[0] / fingerprint.size[0], size[1] / fingerprint.size[1]) < 1:
        reasons.append("warning: objects are thinner than a pixel there: use tiles, or a larger size")
    steps = max(MIN_STEPS, MIN_PASSES * fingerprint.num_pairs // WHOLE["batch_size"])
    return Plan(WHOLE | {"steps": steps, "epoch_steps": 100}, reasons)


def follow(recipe: Recipe, plan: Plan) -> Recipe:
    """Return the recipe with the plan's values for what it leaves open; nothing is open then."""
    return settle(recipe, plan.values).model_copy(update={"plan": []})


def describe_plan(plan: Plan, before: Recipe, after: Recipe) -> str:
    """Return the plan in a few lines: why, and the values of the keys that it decided."""
    values = after.model_dump(mode="json")
    decided = ", ".join(f"{key}={values[key]}" for key in before.plan)
    return "\n- ".join(["Plan:", *plan.reasons, decided])
