"""Random maps, masks and class masks, and folders of them."""

import math

import numpy as np
from PIL import Image

from sam2unet.prediction import mask_image


def hills(rng, height, width, cells=6):
    """(H, W) in [0, 1], a smooth landscape."""
    coarse = Image.fromarray(rng.random((cells, cells + 2)).astype(np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)


def write_maps(root, rng, number, height=24, width=30):
    """Write `number` maps to maps/ that find their masks in gt/ roughly."""
    for name in ("maps", "gt"):
        (root / name).mkdir()
    for i in range(number):
        field = hills(rng, height, width)
        Image.fromarray((field > 0.5) * np.uint8(255)).save(root / f"gt/{i:04}.png")
        found = (field + 0.2 * rng.random(field.shape)).clip(0, 1)
        Image.fromarray((found * 255).astype(np.uint8)).save(root / f"maps/{i:04}.png")


def index_maps(rng, height, width, present):
    """A prediction and its truth, of class indices; the truth has ignored pixels."""
    truth = rng.choice([*present, 255], (height, width)).astype(np.uint8)
    found = np.where(rng.random(truth.shape) < 0.6, truth, rng.choice(present, truth.shape)).astype(np.uint8)
    return np.where(found == 255, np.uint8(0), found), truth


def write_classes(root, rng, number, classes=4, present=(0, 1, 3)):
    """Write class masks to out/, as `predict` does, and to gt/; the first of them is all background."""
    for name in ("out", "gt"):
        (root / name).mkdir()
    for i in range(number):
        found, truth = index_maps(rng, 10 + i % 5, 13, present if i else (0,))
        mask_image(found, classes).save(root / f"out/{i:04}.png")
        Image.fromarray(truth).save(root / f"gt/{i:04}.png")


def read_all(folder):
    return [np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))]


def confusion_by_loop(founds, truths, classes):
    """The confusion matrix, one pixel after the other."""
    counts = [[0] * classes for _ in range(classes)]
    for found, truth in zip(founds, truths, strict=True):
        for f, t in zip(found.ravel().tolist(), truth.ravel().tolist(), strict=True):
            if t != 255:
                counts[t][f] += 1
    return counts


def overlaps(counts):
    """Each class's IoU and Dice, from the pixels that are correct, wrongly found and missed."""
    iou, dice = [], []
    for i, row in enumerate(counts):
        correct, missed, wrong = row[i], sum(row) - row[i], sum(other[i] for other in counts) - row[i]
        union = correct + missed + wrong
        iou.append(correct / union if union else math.nan)
        dice.append(2 * correct / (union + correct) if union else math.nan)
    return iou, dice
