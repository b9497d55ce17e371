"""A timed process of speed/predict.py: predicts an image with a checkout of the authors' release, in their Python.

    python upstream_predict.py TRUNK DEVICE WEIGHTS IMAGE OUT

Writes the probabilities to OUT (.npy).
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from upstream_train import published_network
from worker import serve_steps

MEAN, STD = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


@torch.no_grad()
def predict(model: torch.nn.Module, path: str, device: torch.device) -> NDArray[np.float32]:
    """Probabilities (H, W) of an image file at its own size, as in the authors' test script."""
    image = Image.open(path).convert("RGB")
    pixels = np.asarray(image.resize((352, 352), Image.Resampling.BILINEAR), np.float32) / 255
    batch = ((torch.from_numpy(pixels).permute(2, 0, 1) - MEAN) / STD)[None].to(device)
    logits = F.interpolate(model(batch)[0], size=image.size[::-1], mode="bilinear", align_corners=False)
    probability: NDArray[np.float32] = logits.sigmoid().cpu().numpy().squeeze()
    return probability


def main() -> None:
    trunk, device, weights, image, out = sys.argv[1], torch.device(sys.argv[2]), *sys.argv[3:]
    sys.path.insert(0, "")
    model = published_network(trunk, device)
    model.load_state_dict(torch.load(weights, map_location=device))
    model.eval()
    np.save(out, predict(model, image, device))
    serve_steps(lambda: float(predict(model, image, device).mean()), device)


if __name__ == "__main__":
    main()
