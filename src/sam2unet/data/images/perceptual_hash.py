"""Images that look the same, by a hash that survives scaling, slight crops and compression."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 16
"""Side of the hash, in comparisons of neighbours."""
MAX_DIFFERENT_BITS = 12
"""Of 256 bits, how many may differ between two copies of one image."""
BITS_OF_BYTE = np.array([value.bit_count() for value in range(256)], np.uint8)

Hash = NDArray[np.uint64]
Key = TypeVar("Key")


def perceptual_hash(image: Image.Image) -> Hash:
    """Return (4,) uint64, 256 bits: whether a cell of a 16 x 16 grid is brighter than its left neighbour.

    Krawetz's dHash, on a finer grid: "Kind of like that", hackerfactor.com, 2013.
    """
    small = image.convert("L").resize((SIDE + 1, SIDE), Image.Resampling.BOX)
    values = np.asarray(small).astype(np.int16)
    return np.packbits(values[:, 1:] > values[:, :-1]).view(np.uint64)


def same_looking(train: Sequence[Key], test: Sequence[Key], hashes: Mapping[Key, Hash]) -> list[tuple[Key, Key]]:
    """Return (training image, test image) whose hashes differ in at most `MAX_DIFFERENT_BITS` bits."""
    # The hash of a flat image has hardly any bit set, so all flat images would look the same.
    candidates = [image for image in test if _count_bits(hashes[image]) > MAX_DIFFERENT_BITS]
    if not candidates:
        return []
    of_candidates = np.stack([hashes[image] for image in candidates])
    found = []
    for image in train:
        different = _count_bits(of_candidates ^ hashes[image])
        found += [(image, candidates[i]) for i in np.flatnonzero(different <= MAX_DIFFERENT_BITS)]
    return found


def _count_bits(hashes: Hash) -> NDArray[np.int64]:
    """Count the set bits along the last axis: (..., 4) -> (...)."""
    count: NDArray[np.int64] = BITS_OF_BYTE[hashes.view(np.uint8)].sum(axis=-1, dtype=np.int64)
    return count
