"""Scores of predicting in tiles on thin structures: the sample scenes of lines, 1024 pixels a side.

    python speed/tiles.py [--steps 480] [--example docs/tiles.png]

A tiny network is trained from scratch on tiles of 128x128, resized to 256x256. Other images are then predicted whole,
which shrinks them to 256x256, and in tiles. Dice and IoU are at threshold 0.5; passes are runs of the network.
The example shows a part of the first image, its mask, and the masks predicted whole and in tiles.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from panels import draw_panels
from results import add_json_option, report

import sam2unet
from sam2unet import Views
from sam2unet.data import write_scenes
from sam2unet.prediction import find_inputs, predict_folder

TILE, SIDE = 128, 1024
VIEWS = {
    "whole image": Views(0),
    "tiles of 128, no overlap": Views(128, 0),
    "tiles of 128, overlap 0.25": Views(128, 0.25),
    "tiles of 128, overlap 0.5": Views(128, 0.5),
    "tiles of 256, overlap 0.25": Views(256, 0.25),
    "tiles of 128, overlap 0.25, flips": Views(128, 0.25, flip=True),
}
IN_EXAMPLE = "whole image", "tiles of 128, overlap 0.25"
HEAD = ["views", "Dice", "IoU", "passes per image"]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=480, help="steps of training")
    parser.add_argument("--train", type=int, default=8, help="images to train on")
    parser.add_argument("--images", type=int, default=8, help="images to predict")
    parser.add_argument("--views", type=int, default=len(VIEWS), help="only the first so many rows")
    parser.add_argument("--example", type=Path, help="write an example to this PNG file")
    add_json_option(parser)
    return parser.parse_args()


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
        write_scenes(root / "scenes", options.train, options.images, SIDE, kind="lines")
        run = sam2unet.train(
            root / "scenes", "general", root / "run", steps=options.steps, trunk="tiny", trunk_weights="none",
            tile=TILE, tile_zoom=2, tile_overlap=0.25,
        )  # fmt: skip
        views = dict([*VIEWS.items()][: options.views])
        rows, figures = score_views(run.best, root / "scenes/test", SIDE, root / "masks", views)
        report(HEAD, rows, {"rows": figures}, options.json)
        if options.example:
            image = min((root / "scenes/test/images").iterdir())
            found = {
                f"found in {view}": root / "masks" / view / f"{image.stem}.png" for view in IN_EXAMPLE if view in views
            }
            draw_panels(image, root / "scenes/test/masks" / f"{image.stem}.png", found, options.example)


if __name__ == "__main__":
    main()
