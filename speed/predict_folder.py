"""Speed of predicting a folder, from file to file, beside the network's own.

    python speed/predict_folder.py MODEL [FOLDER]

Both take turns in one process. The folder's images are read, predicted and written as masks; the network alone runs on
as many images, which are in memory already at its own size.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from predict import write_images
from results import add_json_option, report

from sam2unet import Predictor
from sam2unet.prediction import find_inputs, predict_folder

HEAD = ["runtime", "trunk", "images", "file to file, images/s", "network alone, images/s", "ratio: median (range)"]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="model file")
    parser.add_argument("folder", type=Path, nargs="?", help="folder of images (default: 64 of 640x480, JPEG)")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds")
    parser.add_argument("--backend", default="auto", help="as in `sam2unet predict`")
    parser.add_argument("--precision", default="auto", help="as in `sam2unet predict`")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    add_json_option(parser)
    return parser.parse_args()


def measure(predictor: Predictor, folder: Path, out: Path, rounds: int) -> tuple[int, list[float], list[float]]:
    """Number of images, and seconds of each round: file to file, and by the network alone."""
    batch = np.random.default_rng(0).integers(
        0, 256, (predictor.batch_size, *predictor.card.size, 3), dtype=np.uint8
    )  # fmt: skip
    inputs = find_inputs([folder], out)
    file_to_file, alone = [], []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        images = predict_folder(predictor, inputs, out, overwrite=True).done
        between = time.perf_counter()
        for _ in range(-(-images // len(batch))):
            predictor.backend.logits(batch)
        file_to_file.append(between - started)
        alone.append(time.perf_counter() - between)
    return images, file_to_file[1:], alone[1:]  # the first round warms up


def summarise(images: int, file_to_file: list[float], alone: list[float]) -> list[str]:
    """Cells of the table: images, images per second file to file and alone, and the ratio of these two speeds."""
    ratios = [b / a for a, b in zip(file_to_file, alone, strict=True)]
    speeds = [f"{statistics.median(images / s for s in seconds):.2f}" for seconds in (file_to_file, alone)]
    return [str(images), *speeds, f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"]


def main() -> None:
    options = parse_arguments()
    predictor = Predictor(options.model, options.device, options.backend, options.precision)
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name) / "in"
        if not options.folder:
            write_images(folder, 64)
        images, file_to_file, alone = measure(predictor, folder, Path(name) / "out", options.rounds)
    row = [predictor.backend.name, predictor.card.trunk, *summarise(images, file_to_file, alone)]
    figures = {"images": images, "file_to_file_seconds": file_to_file, "network_seconds": alone}
    report(HEAD, [row], figures, options.json)


if __name__ == "__main__":
    main()
