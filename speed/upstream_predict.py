"""A prediction by the authors' release, from a checkout of it, in its own interpreter.

    python upstream_predict.py TRUNK DEVICE WEIGHTS PICTURE OUT

writes the probabilities to OUT.
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from steps import serve
from upstream_train import published_network

MEAN, STD = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


def main() -> None:
    trunk, device, weights, picture, out = sys.argv[1], torch.device(sys.argv[2]), *sys.argv[3:]
    sys.path.insert(0, "")
    model = published_network(trunk, device)
    model.load_state_dict(torch.load(weights, map_location=device))
    model.eval()

    @torch.no_grad()
    def step() -> float:
        image = Image.open(picture).convert("RGB")
        pixels = np.asarray(image.resize((352, 352), Image.Resampling.BILINEAR), np.float32) / 255
        batch = ((torch.from_numpy(pixels).permute(2, 0, 1) - MEAN) / STD)[None].to(device)
        logits = F.interpolate(model(batch)[0], size=image.size[::-1], mode="bilinear", align_corners=False)
        probability = logits.sigmoid().cpu().numpy().squeeze()
        step.found = probability
        return float(probability.mean())

    step()
    np.save(out, step.found)
    serve(step, device)


if __name__ == "__main__":
    main()
