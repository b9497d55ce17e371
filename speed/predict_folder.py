"""What is left of the network's own speed from file to file: a folder predicted beside the network alone.

    python speed/predict_folder.py MODEL [FOLDER]

Both take their turns in one process. The folder's pictures are read, predicted and written as masks; the network gets
the same number of pictures of its size that are in memory already.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from predict import write_pictures

from sam2unet import Predictor
from sam2unet.prediction import find_inputs, predict_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a model file")
    parser.add_argument("folder", type=Path, nargs="?", help="pictures; default: 64 of 640x480, JPEG")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    predictor = Predictor(options.model, options.device, options.backend, options.precision)
    batch = np.random.default_rng(0).integers(
        0, 256, (predictor.batch_size, *predictor.card.size, 3), dtype=np.uint8
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder, out = options.folder or Path(name) / "in", Path(name) / "out"
        if not options.folder:
            write_pictures(folder, 64)
        inputs = find_inputs([folder], out)
        pictures = inputs.pictures
        whole: list[float] = []
        alone: list[float] = []
        for turn in range(options.rounds + 1):
            started = time.perf_counter()
            predict_folder(predictor, inputs, out, overwrite=True)
            between = time.perf_counter()
            for _ in range(-(-len(pictures) // len(batch))):
                predictor.backend.logits(batch)
            if turn:  # the first warms up
                whole.append(len(pictures) / (between - started))
                alone.append(len(pictures) / (time.perf_counter() - between))
    shares = [w / a for w, a in zip(whole, alone, strict=True)]
    print(
        f"{predictor.backend.name}, {predictor.card.trunk}: {len(pictures)} pictures, file to file "
        f"{statistics.median(whole):.2f} a second, the network alone {statistics.median(alone):.2f}: "
        f"{statistics.median(shares):.3f} ({min(shares):.3f} to {max(shares):.3f}) of it"
    )


if __name__ == "__main__":
    main()
