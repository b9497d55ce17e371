"""What tiles gain on thin things: cracks of one to three pixels in pictures of 1024.

    python speed/tiles.py [--epochs 6]

A tiny network is trained from scratch on pieces of 128 pixels, shown at 256. Then other whole pictures are predicted at
once, which shrinks them to 256, and in tiles. Prints a table: Dice and IoU at 0.5, and how often the network is run.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter
from sides import table

import sam2unet
from sam2unet import Views
from sam2unet.prediction import find_inputs, predict_folder

PIECE, SIDE = 128, 1024
WAYS = {
    "whole": Views(),
    "tiles of 128, no overlap": Views(128, 0),
    "tiles of 128, a quarter overlaps": Views(128),
    "tiles of 128, half overlaps": Views(128, 0.5),
    "tiles of 256, a quarter overlaps": Views(256),
    "tiles of 128, a quarter, mirrored too": Views(128, flip=True),
}


def draw(side: int, cracks: int, rng: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    """A stained wall with cracks, and their mask."""
    stains = sum(gaussian_filter(rng.standard_normal((side, side)), s) * s * 12 for s in (1, 4, 16))
    tone = 150 + stains[..., None] + rng.uniform(-15, 15, 3)
    mask = Image.new("L", (side, side))
    pen = ImageDraw.Draw(mask)
    for _ in range(cracks):
        steps = np.cumsum(rng.normal(0, 0.25, side // 4)) + rng.uniform(0, 2 * np.pi)
        path = rng.uniform(0, side, 2) + 4 * np.cumsum(np.stack([np.cos(steps), np.sin(steps)], 1), axis=0)
        pen.line([tuple(point) for point in path], fill=255, width=int(rng.integers(1, 4)))
    shade = gaussian_filter(np.asarray(mask) / 255.0, 0.6)[..., None]
    pixels = tone - 45 * shade + rng.normal(0, 6, (side, side, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), mask


def write(folder: Path, number: int, side: int, cracks: int, seed: int) -> None:
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for i in range(number):
        picture, mask = draw(side, cracks, np.random.default_rng([seed, i]))
        picture.save(folder / "images" / f"{i:03d}.png")
        mask.save(folder / "masks" / f"{i:03d}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--pieces", type=int, default=320, help="pictures to train on")
    parser.add_argument("--pictures", type=int, default=8, help="whole pictures to predict")
    parser.add_argument("--ways", type=int, help="only the first so many")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write(root / "pieces/train", options.pieces, PIECE, 2, 0)
        write(root / "whole", options.pictures, SIDE, 24, 1)
        run = sam2unet.train(
            root / "pieces", out=root / "run", epochs=options.epochs, trunk="tiny", trunk_weights="none", size=2 * PIECE
        )
        rows = []
        for way, views in list(WAYS.items())[: options.ways]:
            predictor, out = sam2unet.Predictor(run.best, "cpu", views=views), root / "masks" / way
            predict_folder(predictor, find_inputs([root / "whole"], out), out)
            found = sam2unet.evaluate(out, root / "whole")
            passes = len(views.grid(SIDE, SIDE)) * (2 if views.flip else 1)
            rows.append([way, f"{found['Dice']:.3f}", f"{found['IoU']:.3f}", str(passes)])
        print(table(["the same network, shown", "Dice", "IoU", "passes a picture"], rows))


if __name__ == "__main__":
    main()
