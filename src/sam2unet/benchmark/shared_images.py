"""Images of a training set that also occur in a test set."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data import read_image
from ..errors import InputError
from .found_sets import CatalogueScan

SIDE = 16
"""Side of an image's perceptual hash, in comparisons of neighbours."""
MAX_DIFFERENT_BITS = 12
"""Of 256 bits, how many may differ between two copies of one image."""


def shared_images(
    finding: CatalogueScan, progress: Callable[[int, int], object] = lambda done, total: None
) -> dict[tuple[str, str], list[tuple[Path, Path]]]:
    """Pictures of a training set that look the same as one of a test set of the same task, by the names of both.

    Copies that were scaled, cropped by a hair or compressed anew are found; so are neighbours in a video.
    """
    first = [(one, finding.copies[one.name][0]) for one in finding.sets if one.name in finding.copies]
    test = {(one.name, one.task): copy.test for one, copy in first}
    train = {(one.name, one.task): copy.train for one, copy in first}
    train["training pictures", ""] = finding.unnamed_train
    pictures = [pair.image for pairs in (*test.values(), *train.values()) for pair in pairs]
    prints: dict[Path, NDArray[np.uint64]] = {}
    with ThreadPoolExecutor() as pool:
        for number, (picture, bits) in enumerate(
            zip(pictures, pool.map(_try_perceptual_hash, pictures), strict=True), 1
        ):
            prints[picture] = bits
            progress(number, len(pictures))
    shared = {}
    for (trained, task), train_pairs in train.items():
        for (tested, other_task), test_pairs in test.items():
            if task in ("", other_task) and train_pairs and test_pairs:
                a, b = ([prints[pair.image] for pair in pairs] for pairs in (train_pairs, test_pairs))
                alike = [(train_pairs[i].image, test_pairs[j].image) for i, j in _alike(np.array(a), np.array(b))]
                if alike:
                    shared[trained, tested] = alike
    return shared


def _try_perceptual_hash(picture: Path) -> NDArray[np.uint64]:
    """That of a broken picture is as that of a flat one: like no other."""
    try:
        return perceptual_hash(picture)
    except InputError:
        return np.zeros(4, np.uint64)


def perceptual_hash(picture: Path) -> NDArray[np.uint64]:
    """(4,) uint64: 256 bits, whether a cell of a 16 x 16 grid is brighter than its left neighbour.

    Krawetz's dHash, on a finer grid: "Kind of like that", hackerfactor.com, 2013.
    """
    small = read_image(picture).convert("L").resize((SIDE + 1, SIDE), Image.Resampling.BOX)
    values = np.asarray(small).astype(np.int16)
    return np.packbits(values[:, 1:] > values[:, :-1]).view(np.uint64)


def _alike(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> list[tuple[int, int]]:
    """Which of (N, 4) and (M, 4) differ in at most `MAX_DIFFERENT_BITS` bits."""
    ones = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)
    found = []
    told = ones[b.view(np.uint8)].sum(axis=1, dtype=np.int64) > MAX_DIFFERENT_BITS  # a flat picture's has hardly a bit
    for i, bits in enumerate(a):
        apart = ones[(b ^ bits).view(np.uint8)].sum(axis=1, dtype=np.int64)
        found += [(i, int(j)) for j in np.flatnonzero(told & (apart <= MAX_DIFFERENT_BITS))]
    return found
