"""Images of a training set that also occur in a test set."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ..data import ImageSource, perceptual_hash, read_image, same_looking
from ..errors import InputError
from .found_sets import CatalogueScan

Hashes = Mapping[ImageSource, NDArray[np.uint64]]


def shared_images(
    scan: CatalogueScan, progress: Callable[[int, int], object] = lambda done, total: None
) -> dict[tuple[str, str], list[tuple[ImageSource, ImageSource]]]:
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
                found = same_looking([p.image for p in train_pairs], [p.image for p in test_pairs], hashes)
                if found:
                    shared[train_name, test_name] = found
    return shared


def _hash_images(images: Sequence[ImageSource], progress: Callable[[int, int], object]) -> Hashes:
    hashes = {}
    with ThreadPoolExecutor() as pool:
        found = zip(images, pool.map(_try_perceptual_hash, images), strict=True)
        for done, (image, bits) in enumerate(found, start=1):
            hashes[image] = bits
            progress(done, len(images))
    return hashes


def _try_perceptual_hash(image: ImageSource) -> NDArray[np.uint64]:
    """Return the hash of a flat image for an unreadable one; it looks like no other."""
    try:
        return perceptual_hash(read_image(image))
    except InputError:
        return np.zeros(4, np.uint64)
