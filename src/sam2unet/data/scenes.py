"""Synthetic sample scenes: textured objects in textured surroundings, from plain to camouflaged; or thin lines."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from ..errors import InputError
from ..files import atomic_path

EMPTY_FRACTION = 0.1
"""Fraction of the scenes without an object."""
Array = NDArray[np.float64]
Kind = Literal["objects", "lines"]


def write_scenes(  # noqa: PLR0913 (all but the folder have defaults)
    folder: str | Path, train: int = 320, test: int = 40, side: int = 256, seed: int = 0, kinds: int = 1,
    progress: Callable[[int, int], object] = lambda done, total: None, kind: Kind = "objects",
) -> None:  # fmt: skip
    """Write `folder`/train and `folder`/test, each with images/ (PNG) and masks/ (PNG, 0/255).

    The same arguments write the same images. About one scene in ten contains no object; all contain lines.

    Args:
        folder: a new or empty folder.
        train: number of scenes in train/.
        test: number of scenes in test/.
        side: height and width in pixels.
        seed: random seed.
        kinds: kinds of objects; with 2, masks are class indices: 1 for striped objects, 2 for dotted ones.
        progress: is called with the number of scenes drawn and their total.
        kind: "objects", or "lines": stained walls with cracks of one to three pixels.

    Raises:
        InputError: the folder is not empty, `kinds` is neither 1 nor 2, or lines are to have several kinds.
    """
    folder = Path(folder)
    if kind == "lines" and kinds != 1:
        raise InputError(f"kinds is {kinds}: lines are of one kind")
    if kinds not in (1, 2):
        raise InputError(f"kinds is {kinds}: scenes have objects of 1 or 2 kinds")
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: exists and is not empty: choose another folder")
    with atomic_path(folder) as partial:
        for part, (split, count) in enumerate((("train", train), ("test", test))):
            for part_of_pair in ("images", "masks"):
                (partial / split / part_of_pair).mkdir(parents=True)
            for index in range(count):
                rng = np.random.default_rng((seed, part, index))
                image, mask = draw_lines(rng, side) if kind == "lines" else draw_scene(rng, side, kinds)
                Image.fromarray(image).save(partial / split / "images" / f"scene_{index:04}.png")
                Image.fromarray(mask).save(partial / split / "masks" / f"scene_{index:04}.png")
                progress(part * train + index + 1, train + test)


def draw_scene(rng: np.random.Generator, side: int, kinds: int = 1) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a scene, (side, side, 3) uint8, and its mask, (side, side) uint8: 0 or 255; with two kinds 0, 1 or 2."""
    camouflage = rng.random()
    surroundings = _Surface.draw(rng)
    # Camouflage reduces the difference in colour; the direction of the texture still distinguishes the object.
    surface = _Surface.draw(rng, turned_from=surroundings.angle)
    while np.abs(surface.colour - surroundings.colour).max() < 0.35:
        surface.colour = rng.uniform(0.2, 0.8, 3)
    surface.colour = surroundings.colour + (1 - 0.85 * camouflage) * (surface.colour - surroundings.colour)
    background, object_ = surroundings.paint(rng, side), surface.paint(rng, side)
    inside, dotted = np.zeros((side, side), bool), np.zeros((side, side), bool)
    if rng.random() >= EMPTY_FRACTION:
        for _ in range(rng.integers(1, 3)):
            blob = _blob(rng, side)
            inside |= blob
            if kinds == 2 and rng.random() < 0.5:
                dotted |= blob
            else:
                dotted &= ~blob
    if kinds == 2:
        object_ = np.where(dotted[..., None], surface.paint(rng, side, dotted=True), object_)
    alpha = np.asarray(Image.fromarray(inside).convert("L").filter(ImageFilter.GaussianBlur(0.8)), dtype=np.float64)
    image = background + (object_ - background) * (alpha / 255)[..., None]
    light = _smooth(rng, side, side // 3)[..., None]
    image = image * (1 + 0.12 * light) + rng.normal(0, 0.02, image.shape)
    mask = np.where(dotted, 2, inside) if kinds == 2 else 255 * inside
    return (image.clip(0, 1) * 255).round().astype(np.uint8), mask.astype(np.uint8)


def draw_lines(rng: np.random.Generator, side: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a stained wall with cracks, (side, side, 3) uint8, and the mask of the cracks, (side, side) uint8: 0 or 255.

    The stains are as dark as the cracks, which only their shape tells apart.
    """
    mask = Image.new("L", (side, side))
    pen = ImageDraw.Draw(mask)
    for _ in range(max(2, side // 48)):
        angles = np.cumsum(rng.normal(0, 0.25, side // 4)) + rng.uniform(0, 2 * np.pi)
        steps = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        path = rng.uniform(0, side, 2) + 4 * np.cumsum(steps, axis=0)
        pen.line([(x, y) for x, y in path], fill=255, width=int(rng.integers(1, 4)))
    stains = sum(_smooth(rng, side, scale) for scale in (3, 10, 40))
    colour = rng.uniform(0.45, 0.7) + rng.uniform(-0.06, 0.06, 3)
    crack = np.asarray(mask.filter(ImageFilter.GaussianBlur(0.6)), dtype=np.float64) / 255
    image = (
        colour + (0.06 * stains - rng.uniform(0.12, 0.22) * crack)[..., None] + rng.normal(0, 0.025, (side, side, 3))
    )
    return (image.clip(0, 1) * 255).round().astype(np.uint8), np.asarray(mask)


class _Surface:
    """Colour and texture of a surface; `period` is a fraction of the image's side."""

    def __init__(self, colour: Array, angle: float, period: float, contrast: float):
        self.colour, self.angle, self.period, self.contrast = colour, angle, period, contrast

    @classmethod
    def draw(cls, rng: np.random.Generator, turned_from: float | None = None) -> "_Surface":
        angle = rng.uniform(0, np.pi)
        if turned_from is not None:
            angle = turned_from + rng.uniform(np.pi / 4, 3 * np.pi / 4)
        return cls(rng.uniform(0.2, 0.8, 3), angle, rng.uniform(0.05, 0.1), rng.uniform(0.08, 0.16))

    def paint(self, rng: np.random.Generator, side: int, dotted: bool = False) -> Array:
        """Draw wavering stripes, or dots, over soft spots: (side, side, 3)."""
        y, x = np.mgrid[:side, :side]
        along = x * np.cos(self.angle) + y * np.sin(self.angle) + side / 64 * _smooth(rng, side, side // 8)
        stripes = np.sin(2 * np.pi * along / (side * self.period) + rng.uniform(0, 2 * np.pi))
        if dotted:
            across = y * np.cos(self.angle) - x * np.sin(self.angle)
            stripes = 2.5 * (stripes * np.sin(2 * np.pi * across / (side * self.period)) > 0.3)
        texture = self.contrast * (stripes + 0.6 * _smooth(rng, side, max(2, side // 40)))
        colours: Array = self.colour + texture[..., None] * rng.uniform(0.7, 1.3, 3)
        return colours


def _smooth(rng: np.random.Generator, side: int, scale: int) -> Array:
    """Draw (side, side) noise of about unit standard deviation whose spots are `scale` pixels wide."""
    cells = max(2, side // scale) + 1
    coarse = Image.fromarray(rng.normal(size=(cells, cells)).astype(np.float32))
    noise: Array = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float64)
    return noise


def _blob(rng: np.random.Generator, side: int) -> NDArray[np.bool_]:
    """Draw a round shape whose radius varies with the angle: (side, side)."""
    y, x = np.mgrid[:side, :side] / side
    angle = np.arctan2(y - (cy := rng.uniform(0.25, 0.75)), x - (cx := rng.uniform(0.25, 0.75)))
    radius = np.full((side, side), rng.uniform(0.12, 0.25))
    for wave in (2, 3, 5):
        radius *= 1 + rng.uniform(0, 0.5 / wave) * np.cos(wave * angle + rng.uniform(0, 2 * np.pi))
    inside: NDArray[np.bool_] = np.hypot(y - cy, x - cx) < radius
    return inside
