"""A timed process of speed/predict.py: predicts an image with this package.

    python our_predict.py BACKEND:PRECISION DEVICE WEIGHTS IMAGE OUT

BACKEND is one of `Predictor`'s, or "traced": OpenVINO with its own conversion of the network by tracing, in place of
our graph. Writes the probabilities to OUT (.npy).
"""

import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from worker import serve_steps

from sam2unet import Predictor, load_model
from sam2unet.graph import KEY, GraphMetadata
from sam2unet.system import import_backend


def export_traced(weights: str, folder: Path) -> Path:
    """Write OpenVINO's own conversion of the network, in a file that `Predictor` can open."""
    openvino = import_backend("openvino")
    model = load_model(weights)
    size = model.card.size
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = openvino.convert_model(model, example_input=torch.zeros(1, 3, *size))
    network.reshape([-1, 3, *size])
    network.set_rt_info(GraphMetadata(model.card, uint8_input=False, probability=False).to_json(), [KEY])
    openvino.save_model(network, folder / "traced.xml", compress_to_fp16=False)
    return folder / "traced.xml"


def main() -> None:
    variant, device, weights, image, out = sys.argv[1:]
    backend, precision = variant.split(":")
    with tempfile.TemporaryDirectory() as name:
        if backend == "traced":
            weights, backend = str(export_traced(weights, Path(name))), "openvino"
        predictor = Predictor(weights, device, backend, precision)  # type: ignore[arg-type]
        np.save(out, predictor.predict(image).probability)
        serve_steps(
            lambda: float(predictor.predict(image).probability.mean()), torch.device(device), predictor.backend.name
        )


if __name__ == "__main__":
    main()
