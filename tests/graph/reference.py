"""What graphs and runtimes are compared with: the network itself in float64."""

import copy

import numpy as np
import torch
from numpy.typing import NDArray

from sam2unet.network import SAM2UNet


def exact_logits(model: SAM2UNet, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The logits in float64 of images (batch, height, width, 3)."""
    mean, std = (np.array(values) for values in (model.card.mean, model.card.std))
    normalised = torch.from_numpy(((images / 255 - mean) / std).transpose(0, 3, 1, 2))
    with torch.inference_mode():
        return copy.deepcopy(model).double()(normalised).numpy()


def randomise_norms(model: SAM2UNet) -> SAM2UNet:
    """Draw norms, biases and position embeddings, whose initial values would hide that one is left out."""
    for name, values in model.state_dict().items():
        if name.endswith("running_var") or (values.ndim == 1 and name.endswith("weight")):
            torch.nn.init.uniform_(values, 0.5, 1.5)
        elif name.endswith(("bias", "running_mean")) or "pos_embed" in name:
            torch.nn.init.normal_(values, std=0.3)
    return model
