"""Maps as the authors save them for their scores."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data import Pair
from ..files import atomic_path
from ..prediction import Predictor
from ..runtime import file_digest


def published_map(probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W) probabilities -> (H, W) uint8: stretched to the picture's own range, times 255, cut down.

    What the authors' test script writes, float32 throughout; a probability is the sigmoid of logits resized bilinearly
    to the picture's size, as `Predictor` gives it.
    """
    low, high = probability.min(), probability.max()
    stretched: NDArray[np.float32] = (probability - low) / (high - low + np.float32(1e-8))
    return (stretched * 255).astype(np.uint8)


def predict_set(
    predictor: Predictor, pairs: Sequence[Pair], out: Path, progress: Callable[[int, int], object]
) -> tuple[dict[str, Path], int]:
    """The map of each pair's picture by the pair's key, and how many are new; those that are there are kept.

    Raises:
        InputError: a picture that can't be read.
    """
    files = {pair.key: out / f"{pair.key}.png" for pair in pairs}
    todo = [pair for pair in pairs if not _is_of(files[pair.key], pair.image)]
    done = len(pairs) - len(todo)
    for pair, prediction in zip(todo, predictor.predict_many(pair.image for pair in todo), strict=True):
        with atomic_path(files[pair.key]) as partial:
            Image.fromarray(published_map(prediction.probability)).save(partial)
        done += 1
        progress(done, len(pairs))
    return files, len(todo)


def _is_of(saved: Path, picture: Path) -> bool:
    """Whether a map was made after its picture."""
    return saved.is_file() and saved.stat().st_mtime_ns >= picture.stat().st_mtime_ns


def model_fingerprint(model: Path, predictor: Predictor) -> str:
    """Of a model file, which names the trunk that it needs, and of what else its maps depend on."""
    facts = (file_digest(model), predictor.card.size, predictor.backend.name)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
