"""Scores of predicting in tiles on thin structures: cracks of one to three pixels in images of 1024x1024.

    python speed/tiles.py [--epochs 6]

A tiny network is trained from scratch on crops of 128x128, resized to 256x256. Other images are then predicted whole,
which shrinks them to 256x256, and in tiles. Dice and IoU are at threshold 0.5; passes are runs of the network.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from results import add_json_option, report
from scipy.ndimage import gaussian_filter

import sam2unet
from sam2unet import Views
from sam2unet.prediction import find_inputs, predict_folder

CROP, SIDE = 128, 1024
VIEWS = {
    "whole image": Views(),
    "tiles of 128, no overlap": Views(128, 0),
    "tiles of 128, overlap 0.25": Views(128),
    "tiles of 128, overlap 0.5": Views(128, 0.5),
    "tiles of 256, overlap 0.25": Views(256),
    "tiles of 128, overlap 0.25, flips": Views(128, flip=True),
}
HEAD = ["views", "Dice", "IoU", "passes per image"]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=6, help="epochs of training")
    parser.add_argument("--crops", type=int, default=320, help="crops to train on")
    parser.add_argument("--images", type=int, default=8, help="images to predict")
    parser.add_argument("--views", type=int, default=len(VIEWS), help="only the first so many rows")
    add_json_option(parser)
    return parser.parse_args()


def draw_wall(side: int, cracks: int, rng: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    """Draw a stained wall with cracks, side x side, and the mask of the cracks."""
    stains: NDArray[np.float64] = np.zeros((side, side))
    for sigma in (1, 4, 16):
        stains += gaussian_filter(rng.standard_normal((side, side)), sigma) * sigma * 12
    tone = 150 + stains[..., None] + rng.uniform(-15, 15, 3)
    mask = Image.new("L", (side, side))
    pen = ImageDraw.Draw(mask)
    for _ in range(cracks):
        angles = np.cumsum(rng.normal(0, 0.25, side // 4)) + rng.uniform(0, 2 * np.pi)
        path = rng.uniform(0, side, 2) + 4 * np.cumsum(np.stack([np.cos(angles), np.sin(angles)], 1), axis=0)
        pen.line([(x, y) for x, y in path], fill=255, width=int(rng.integers(1, 4)))
    shade = gaussian_filter(np.asarray(mask) / 255.0, 0.6)[..., None]
    pixels = tone - 45 * shade + rng.normal(0, 6, (side, side, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), mask


def write_walls(folder: Path, number: int, side: int, cracks: int, seed: int) -> None:
    """Write images/ and masks/."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for i in range(number):
        image, mask = draw_wall(side, cracks, np.random.default_rng([seed, i]))
        image.save(folder / "images" / f"{i:03d}.png")
        mask.save(folder / "masks" / f"{i:03d}.png")


def score_views(
    model: Path, data: Path, side: int, out: Path, views: dict[str, Views]
) -> tuple[list[list[str]], list[dict[str, Any]]]:
    """Rows of the table and raw figures of a model on images of side x side; masks go to OUT/NAME."""
    rows, figures = [], []
    for name, view in views.items():
        predictor = sam2unet.Predictor(model, "cpu", views=view)
        predict_folder(predictor, find_inputs([data], out / name), out / name)
        metrics = sam2unet.evaluate(out / name, data)
        passes = len(view.grid(side, side)) * (2 if view.flip else 1)
        rows.append([name, f"{metrics['Dice']:.3f}", f"{metrics['IoU']:.3f}", str(passes)])
        figures.append({"views": name, "passes": passes, "metrics": metrics})
    return rows, figures


def main() -> None:
    options = parse_arguments()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_walls(root / "crops/train", options.crops, CROP, 2, 0)
        write_walls(root / "test", options.images, SIDE, 24, 1)
        run = sam2unet.train(
            root / "crops", out=root / "run", epochs=options.epochs, trunk="tiny", trunk_weights="none", size=2 * CROP
        )
        views = dict([*VIEWS.items()][: options.views])
        rows, figures = score_views(run.best, root / "test", SIDE, root / "masks", views)
    report(HEAD, rows, {"rows": figures}, options.json)


if __name__ == "__main__":
    main()
