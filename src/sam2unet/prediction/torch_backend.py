"""The network run by torch itself."""

import copy
import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..device import find_device, has_bf16
from ..errors import InputError
from ..export import Exported
from ..network import SAM2UNet


class Torch:
    """The network on any of torch's devices, batch norm folded into the convolutions; see `export.Runtime`."""

    def __init__(self, model: SAM2UNet, device: str = "auto", precision: str = "auto"):
        """
        Args:
            model: stays as it is; where nothing has to be converted its trunk is shared.
            device: see `find_device`.
            precision: "auto" (bf16 where the device has it), "float32" or "bf16".

        Raises:
            InputError: no such device.
        """
        place = find_device(device)
        self.device = place.type
        bf16 = has_bf16(place) if precision == "auto" else precision == "bf16"
        self.dtype = torch.bfloat16 if bf16 else torch.float32
        self.exported = Exported(model.card, pictures=True, probability=False)
        trunk = {id(model.trunk): model.trunk}
        self.model = folded(copy.deepcopy(model, {} if bf16 else trunk)).to(place, self.dtype).eval()
        statistics = (torch.tensor(v, device=place).view(3, 1, 1) for v in (model.card.mean, model.card.std))
        self.mean, self.std = statistics
        self.most: int | None = None
        """Pictures at once that its memory is known to have room for; None if all so far."""
        self.name = f"torch in {'bf16' if bf16 else 'float32'} on {place}"

    def logits(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `export.Runtime`. Where a GPU's memory is too small, batches are halved from then on, which is said.

        Raises:
            InputError: it is too small for one picture.
        """
        results: list[NDArray[np.float32]] = []
        done = 0
        while done < len(pictures):
            part = pictures[done : done + (self.most or len(pictures))]
            try:
                results.append(self._run(part))
                done += len(part)
            except torch.OutOfMemoryError as error:
                if len(part) == 1:
                    raise InputError(f"{self.device}: out of memory with one picture; use --device cpu") from error
                self.most = len(part) // 2
                logging.getLogger("sam2unet").warning(
                    "%s: out of memory with %d pictures at once, going on with %d", self.device, len(part), self.most
                )
                torch.cuda.empty_cache()
        return np.concatenate(results)

    @torch.inference_mode()
    def _run(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        images = torch.from_numpy(pictures).to(self.mean.device).permute(0, 3, 1, 2) / 255
        found: NDArray[np.float32] = self.model(((images - self.mean) / self.std).to(self.dtype)).float().cpu().numpy()
        return found


def folded(model: Any) -> Any:
    """Each batch norm that follows a convolution in a sequence made part of it, in place."""
    for sequence in list(model.modules()):
        if isinstance(sequence, nn.Sequential):
            for i in range(len(sequence) - 1):
                conv, norm = sequence[i], sequence[i + 1]
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    sequence[i], sequence[i + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()
    return model
