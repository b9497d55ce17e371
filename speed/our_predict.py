"""A prediction by ours: python our_predict.py BACKEND:PRECISION DEVICE WEIGHTS PICTURE OUT"""

import sys

import numpy as np
import torch
from steps import serve

from sam2unet import Predictor


def main() -> None:
    side, device, weights, picture, out = sys.argv[1:]
    backend, precision = side.split(":")
    predictor = Predictor(weights, device, backend, precision)  # type: ignore[arg-type]
    np.save(out, predictor.predict(picture).probability)
    serve(lambda: float(predictor.predict(picture).probability.mean()), torch.device(device), predictor.backend.name)


if __name__ == "__main__":
    main()
