"""A prediction by ours: python our_predict.py BACKEND:PRECISION DEVICE WEIGHTS PICTURE OUT

BACKEND is one of `Predictor`'s, or "traced": OpenVINO with the graph that it makes of the network by tracing it, in
place of ours.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from steps import serve

from sam2unet import Predictor, load_model
from sam2unet.export import GraphMetadata, package


def traced(weights: str, folder: Path) -> Path:
    """OpenVINO's own conversion, as a file that `Predictor` takes."""
    openvino = package("openvino")
    model = load_model(weights)
    size = model.card.size
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = openvino.convert_model(model, example_input=torch.zeros(1, 3, *size))
    network.reshape([-1, 3, *size])
    network.set_rt_info(GraphMetadata(model.card, pictures=False, probability=False).to_json(), ["sam2unet"])
    openvino.save_model(network, folder / "traced.xml", compress_to_fp16=False)
    return folder / "traced.xml"


def main() -> None:
    side, device, weights, picture, out = sys.argv[1:]
    backend, precision = side.split(":")
    with tempfile.TemporaryDirectory() as name:
        if backend == "traced":
            weights, backend = str(traced(weights, Path(name))), "openvino"
        predictor = Predictor(weights, device, backend, precision)  # type: ignore[arg-type]
        np.save(out, predictor.predict(picture).probability)
        serve(
            lambda: float(predictor.predict(picture).probability.mean()), torch.device(device), predictor.backend.name
        )


if __name__ == "__main__":
    main()
