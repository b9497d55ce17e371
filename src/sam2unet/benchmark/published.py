"""Maps as the authors save them to compute their scores."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data import ImageSource, Pair, files_of
from ..files import atomic_path
from ..prediction import Predictor
from ..runtime import file_digest


def published_map(probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Normalise probabilities to the image's own range, multiply by 255 and truncate, as the authors' test script does.

    Args:
        probability: (H, W) float32, the sigmoid of logits resized bilinearly to the image's size, as `Predictor`
            returns it. All arithmetic is float32.

    Returns:
        (H, W) uint8.
    """
    low, high = probability.min(), probability.max()
    normalised: NDArray[np.float32] = (probability - low) / (high - low + np.float32(1e-8))
    return (normalised * 255).astype(np.uint8)


def predict_set(
    predictor: Predictor, pairs: Sequence[Pair], out: Path, progress: Callable[[int, int], object]
) -> tuple[dict[str, Path], int]:
    """Write a map for the image of each pair; existing maps are kept unless their image is newer.

    Returns:
        The files by the pair's key, and the number of new ones.

    Raises:
        InputError: an unreadable image.
    """
    files = {pair.key: out / f"{pair.key}.png" for pair in pairs}
    todo = [pair for pair in pairs if not _is_current(files[pair.key], pair.image)]
    done = len(pairs) - len(todo)
    for pair, prediction in zip(todo, predictor.predict_many(pair.image for pair in todo), strict=True):
        with atomic_path(files[pair.key]) as partial:
            Image.fromarray(published_map(prediction.probability)).save(partial)
        done += 1
        progress(done, len(pairs))
    return files, len(todo)


def _is_current(saved: Path, image: ImageSource) -> bool:
    """True if a map was written after its image."""
    return saved.is_file() and saved.stat().st_mtime_ns >= files_of(image)[0].stat().st_mtime_ns


def model_fingerprint(model: Path, predictor: Predictor) -> str:
    """Return a digest of all that a model's maps depend on: its file, which names its trunk, input size and runtime."""
    facts = (file_digest(model), predictor.card.size, predictor.backend.name)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
