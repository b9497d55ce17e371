"""A process of speed/quality.py --peer: the plain U-Net that a user would train instead.

    python peer_unet.py PAIRS MINUTES SEED OUT

MONAI's BasicUNet on random patches of 128 pixels with flips, quarter turns and brightness, Dice and cross-entropy loss,
bf16 where the CPU has it, a learning rate that falls to 0 over the time. Trains on the pairs of the split train in the
CSV file PAIRS, and writes a mask OUT/INDEX.png for each pair of the split test. Prints the steps and the minutes.
"""

import csv
import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from monai.inferers.utils import sliding_window_inference
from monai.losses.dice import DiceCELoss
from monai.networks.nets.basic_unet import BasicUNet
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from sam2unet.data import open_image, read_image
from sam2unet.system import cpu_has_bf16

PATCH, BATCH, LR = 128, 8, 1e-3


def read_rows(pairs: Path, split: str) -> list[tuple[Path, Path]]:
    """Images and masks of a split; the paths are relative to the file."""
    with pairs.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    return [(pairs.parent / row["image"], pairs.parent / row["mask"]) for row in rows]


def read_pair(image: Path, mask: Path) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    return np.asarray(read_image(image)), np.asarray(open_image(mask).convert("L")) > 127


class Patches(IterableDataset[tuple[Tensor, Tensor]]):
    """Random patches without end."""

    def __init__(self, pairs: list[tuple[Path, Path]], seed: int):
        self.data = [read_pair(*pair) for pair in pairs]
        self.seed = seed

    def __iter__(self):  # type: ignore[no-untyped-def]
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        while True:
            image, mask = self.data[rng.integers(len(self.data))]
            rows, columns = (max(0, PATCH - length) for length in mask.shape)
            image = np.pad(image, ((0, rows), (0, columns), (0, 0)))
            mask = np.pad(mask, ((0, rows), (0, columns)))
            top, left = (int(rng.integers(length - PATCH + 1)) for length in mask.shape)
            turns, flip = int(rng.integers(4)), 1 - 2 * int(rng.integers(2))
            patch, truth = (
                np.ascontiguousarray(np.rot90(x[top : top + PATCH, left : left + PATCH], turns)[:, ::flip])
                for x in (image, mask)
            )
            pixels = torch.from_numpy(patch).permute(2, 0, 1) / 255 * float(rng.uniform(0.8, 1.2))
            yield pixels.clamp(0, 1), torch.from_numpy(truth)[None].float()


def main() -> None:
    pairs, out = Path(sys.argv[1]), Path(sys.argv[4])
    minutes, seed = float(sys.argv[2]), int(sys.argv[3])
    torch.manual_seed(seed)
    network, loss = BasicUNet(2, 3, 1), DiceCELoss(sigmoid=True)
    optimizer = torch.optim.AdamW(network.parameters(), LR, weight_decay=1e-5)
    batches = DataLoader(Patches(read_rows(pairs, "train"), seed), BATCH, num_workers=2)
    steps, start = 0, time.monotonic()
    for images, masks in batches:
        done = (time.monotonic() - start) / (60 * minutes)
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = LR * 0.5 * (1 + math.cos(math.pi * done))
        with torch.autocast("cpu", torch.bfloat16, enabled=cpu_has_bf16()):
            logits = network(images - 0.5)
        optimizer.zero_grad()
        loss(logits.float(), masks).backward()
        optimizer.step()
        steps += 1
    minutes = (time.monotonic() - start) / 60
    network.eval()
    out.mkdir(parents=True)
    with torch.inference_mode():
        for index, (image, _) in enumerate(read_rows(pairs, "test")):
            pixels = torch.from_numpy(np.array(read_image(image))).permute(2, 0, 1)[None] / 255 - 0.5
            logits = torch.as_tensor(
                sliding_window_inference(pixels, (PATCH, PATCH), BATCH, network, overlap=0.5, mode="gaussian")
            )
            Image.fromarray(255 * (logits[0, 0] >= 0).numpy().astype(np.uint8)).save(out / f"{index}.png")
    print(json.dumps({"steps": steps, "minutes": minutes}))


if __name__ == "__main__":
    main()
