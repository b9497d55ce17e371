"""Images of a training set that also occur in a test set."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data import Pair, read_image
from ..errors import InputError
from .found_sets import CatalogueScan

SIDE = 16
"""Side of an image's perceptual hash, in comparisons of neighbours."""
MAX_DIFFERENT_BITS = 12
"""Of 256 bits, how many may differ between two copies of one image."""

Hashes = Mapping[Path, NDArray[np.uint64]]


def shared_images(
    scan: CatalogueScan, progress: Callable[[int, int], object] = lambda done, total: None
) -> dict[tuple[str, str], list[tuple[Path, Path]]]:
    """Find training images that look the same as a test image of the same task.

    Copies that were scaled, slightly cropped or compressed again are found; so are neighbouring frames of a video.

    Args:
        scan: what `find_sets` returned.
        progress: is called with the number of images read and their total.

    Returns:
        (training image, test image) pairs by the names of the training set and the test set; a training set of no
        single test set is called "training images".
    """
    copies = list(scan.best_copies())
    test = {(dataset.name, dataset.task): copy.test for dataset, copy in copies}
    train = {(dataset.name, dataset.task): copy.train for dataset, copy in copies}
    train["training images", ""] = scan.joint_train
    images = [pair.image for pairs in (*test.values(), *train.values()) for pair in pairs]
    hashes = _hash_images(images, progress)
    shared = {}
    for (train_name, train_task), train_pairs in train.items():
        for (test_name, test_task), test_pairs in test.items():
            if train_task in ("", test_task):
                found = _same_looking(train_pairs, test_pairs, hashes)
                if found:
                    shared[train_name, test_name] = found
    return shared


def _hash_images(images: Sequence[Path], progress: Callable[[int, int], object]) -> Hashes:
    hashes = {}
    with ThreadPoolExecutor() as pool:
        found = zip(images, pool.map(_try_perceptual_hash, images), strict=True)
        for done, (image, bits) in enumerate(found, start=1):
            hashes[image] = bits
            progress(done, len(images))
    return hashes


def _try_perceptual_hash(image: Path) -> NDArray[np.uint64]:
    """Return the hash of a flat image for an unreadable one; it looks like no other."""
    try:
        return perceptual_hash(image)
    except InputError:
        return np.zeros(4, np.uint64)


def perceptual_hash(image: Path) -> NDArray[np.uint64]:
    """Return (4,) uint64, 256 bits: whether a cell of a 16 x 16 grid is brighter than its left neighbour.

    Krawetz's dHash, on a finer grid: "Kind of like that", hackerfactor.com, 2013.
    """
    small = read_image(image).convert("L").resize((SIDE + 1, SIDE), Image.Resampling.BOX)
    values = np.asarray(small).astype(np.int16)
    return np.packbits(values[:, 1:] > values[:, :-1]).view(np.uint64)


def _same_looking(train: Iterable[Pair], test: Iterable[Pair], hashes: Hashes) -> list[tuple[Path, Path]]:
    """Return (training image, test image) whose hashes differ in at most `MAX_DIFFERENT_BITS` bits."""
    # The hash of a flat image has hardly any bit set, so all flat images would look the same.
    candidates = [pair.image for pair in test if _count_bits(hashes[pair.image]) > MAX_DIFFERENT_BITS]
    if not candidates:
        return []
    of_candidates = np.stack([hashes[image] for image in candidates])
    found = []
    for pair in train:
        different = _count_bits(of_candidates ^ hashes[pair.image])
        found += [(pair.image, candidates[i]) for i in np.flatnonzero(different <= MAX_DIFFERENT_BITS)]
    return found


BITS_OF_BYTE = np.array([value.bit_count() for value in range(256)], np.uint8)


def _count_bits(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Count the set bits along the last axis: (..., 4) -> (...)."""
    count: NDArray[np.int64] = BITS_OF_BYTE[hashes.view(np.uint8)].sum(axis=-1, dtype=np.int64)
    return count
