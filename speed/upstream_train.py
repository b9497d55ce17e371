"""A timed process of speed/train.py: a training step of a checkout of the authors' release, in their Python.

    python upstream_train.py TRUNK DEVICE START BATCH

Writes the network's initial weights to START; reads images and masks from BATCH.
"""

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from worker import serve_steps

CONFIGS = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}
WIDTHS = {"tiny": 96, "small": 96, "base_plus": 112, "large": 144}


def published_loss() -> Callable[[Tensor, Tensor], Tensor]:
    """`structure_loss` of their train.py, which trains when it is imported."""
    tree = ast.parse(Path("train.py").read_text())
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "structure_loss"]
    names: dict[str, Any] = {"torch": torch, "F": F}
    exec(compile(tree, "train.py", "exec"), names)
    loss: Callable[[Tensor, Tensor], Tensor] = names["structure_loss"]
    return loss


def published_network(trunk: str, device: torch.device) -> torch.nn.Module:
    """Their network with any trunk, on any device; its constructor has the large trunk and CUDA built in."""
    release: Any = import_module("SAM2UNet")
    build = release.build_sam2
    release.build_sam2 = lambda config, *args: build(f"sam2_hiera_{CONFIGS[trunk]}.yaml", *args, device=str(device))
    model: torch.nn.Module = release.SAM2UNet()
    for stage in range(4):
        setattr(model, f"rfb{stage + 1}", release.RFB_modified(WIDTHS[trunk] * 2**stage, 64))
    return model.to(device)


def main() -> None:
    trunk, device, start, batch = sys.argv[1], torch.device(sys.argv[2]), sys.argv[3], sys.argv[4]
    sys.path.insert(0, "")
    torch.manual_seed(0)
    model = published_network(trunk, device).train()
    torch.save(model.state_dict(), start)
    images, masks = (tensor.to(device) for tensor in torch.load(batch))
    structure_loss = published_loss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=5e-4)

    def step() -> float:
        optimizer.zero_grad()
        main, side1, side2 = (structure_loss(logits, masks) for logits in model(images))
        loss = main + side1 + side2
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    serve_steps(step, device)


if __name__ == "__main__":
    main()
