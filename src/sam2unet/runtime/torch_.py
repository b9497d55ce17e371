"""Torch: networks on any of its devices."""

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..errors import InputError
from ..graph import GraphMetadata
from ..network import SAM2UNet
from ..system import find_device, has_bf16


class TorchRuntime:
    """A copy of a network in torch, with batch norms folded into the convolutions; see `Runtime`."""

    any_size = True

    def __init__(self, model: SAM2UNet, device: str = "auto", precision: str = "auto"):
        """Prepare a copy of a network.

        Args:
            model: unchanged; the copy shares its trunk if that needs no conversion.
            device: see `find_device`.
            precision: "auto" (bf16 if the device has it, else float32), "float32" or "bf16".

        Raises:
            InputError: the device doesn't exist, or has too little memory for the network.
        """
        torch_device = find_device(device)
        self.device = torch_device.type
        self.bf16 = bf16 = has_bf16(torch_device) if precision == "auto" else precision == "bf16"
        self.metadata = GraphMetadata(model.card, uint8_input=True, probability=False)
        try:
            self.mean, self.std = (
                torch.tensor(values, device=torch_device).view(3, 1, 1) for values in (model.card.mean, model.card.std)
            )
            parameters = model.trunk.parameters()
            shared = not bf16 and all(p.device == self.mean.device and p.dtype == torch.float32 for p in parameters)
            network = copy.deepcopy(model, {id(model.trunk): model.trunk} if shared else {}).float()
            for part in (network.receptive_fields, network.decoder):
                fold_batch_norms(part.eval())
            if bf16:  # autocast would convert these at each call; norms and embeddings stay in float32
                for module in network.modules():
                    if isinstance(module, nn.Linear | nn.Conv2d):
                        module.bfloat16()
            self.model = network.to(torch_device)
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"{torch_device}: too little memory for the {model.card.trunk} network; use the cpu", "device"
            ) from error
        self.name = f"torch in {'bf16' if bf16 else 'float32'} on {torch_device}"

    @torch.inference_mode()
    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Runtime`."""
        pixels = torch.from_numpy(images).to(self.mean.device).permute(0, 3, 1, 2) / 255
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
            logits = self.model((pixels - self.mean) / self.std)
        result: NDArray[np.float32] = logits.float().cpu().numpy()
        return result


def fold_batch_norms(model: nn.Module) -> None:
    """Fold each batch norm into the convolution before it in the same `nn.Sequential`."""
    for sequence in list(model.modules()):
        if isinstance(sequence, nn.Sequential):
            for i in range(len(sequence) - 1):
                conv, norm = sequence[i], sequence[i + 1]
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    sequence[i], sequence[i + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()
