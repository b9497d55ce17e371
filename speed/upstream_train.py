"""A training step of the authors' release, from a checkout of it, in its own interpreter.

    python upstream_train.py TRUNK DEVICE START BATCH

writes the network's first weights to START and takes the pictures and masks in BATCH.
"""

import ast
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from steps import serve

CONFIGS = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}
WIDTHS = {"tiny": 96, "small": 96, "base_plus": 112, "large": 144}


def published_loss():
    """`structure_loss` of train.py, which can't be imported without training."""
    tree = ast.parse(Path("train.py").read_text())
    tree.body = [part for part in tree.body if isinstance(part, ast.FunctionDef) and part.name == "structure_loss"]
    names = {"torch": torch, "F": F}
    exec(compile(tree, "train.py", "exec"), names)
    return names["structure_loss"]


def published_network(trunk: str, device: torch.device) -> torch.nn.Module:
    """Their network; they fix the large trunk and CUDA in its constructor."""
    import SAM2UNet as release

    build = release.build_sam2
    release.build_sam2 = lambda config, *args: build(f"sam2_hiera_{CONFIGS[trunk]}.yaml", *args, device=str(device))
    model = release.SAM2UNet()
    for stage in range(4):
        setattr(model, f"rfb{stage + 1}", release.RFB_modified(WIDTHS[trunk] * 2**stage, 64))
    return model.to(device)


def main() -> None:
    trunk, device, start, batch = sys.argv[1], torch.device(sys.argv[2]), sys.argv[3], sys.argv[4]
    sys.path.insert(0, "")
    torch.manual_seed(0)
    model = published_network(trunk, device).train()
    torch.save(model.state_dict(), start)
    images, masks = (part.to(device) for part in torch.load(batch))
    loss_of = published_loss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=5e-4)

    def step() -> float:
        optimizer.zero_grad()
        loss = sum(loss_of(logits, masks) for logits in model(images))
        loss.backward()
        optimizer.step()
        return loss.item()

    serve(step, device)


if __name__ == "__main__":
    main()
