"""Images in reports: small copies inside the page, and masks drawn over them."""

import base64
import html
import io
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data import ImageSource, class_colours, read_image

Item = TypeVar("Item")
THUMBNAIL = 300
"""Longest side of an image in a page, in pixels."""
FOUND, MISSED, WRONG = (0, 158, 115), (230, 159, 0), (213, 44, 90)
OUTCOMES = (("found", FOUND), ("missed", MISSED), ("wrongly found", WRONG))
"""Legend of `outcome_image`: true positives, false negatives, false positives."""
UNLABELLED = (200, 200, 200)
"""Colour of ignored pixels in `classes_image`."""
NO_IMAGE = (40, 40, 40)
NUM_WORST, NUM_BEST = 12, 8
"""Images that a report shows at most."""


def figure(images: Sequence[Image.Image], name: str, score: str) -> str:
    """Return one to three images side by side over their name and score, for a `<div class="grid">`.

    Args:
        images: RGB or grey.
        name: plain text.
        score: plain text, at the right.
    """
    shown = "".join(f'<img alt="" src="{thumbnail(image)}">' for image in images)
    columns = {2: "two", 3: "three"}.get(len(images), "")
    return (
        f'<figure><div class="{columns}">{shown}</div>'
        f"<figcaption><b>{html.escape(score)}</b>{html.escape(name)}</figcaption></figure>"
    )


def thumbnail(image: Image.Image) -> str:
    """Return a small JPEG copy of an RGB or grey image as a data URI."""
    small = image.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def load_or_blank(image: ImageSource | None, size: tuple[int, int]) -> Image.Image:
    """Return the image in RGB, resized to (width, height); a dark plane if there is none."""
    return Image.new("RGB", size, NO_IMAGE) if image is None else read_image(image).resize(size)


def outcome_image(image: Image.Image, found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Image.Image:
    """Return the image in grey, tinted where pixels are found, missed or wrongly found (`OUTCOMES`).

    Args:
        image: of any mode.
        found: (H, W), the prediction, at the image's size.
        truth: (H, W), the ground truth.
    """
    outcome = np.where(found, np.where(truth, 1, 3), np.where(truth, 2, 0))
    return _tinted(image, outcome, np.array([(0, 0, 0), FOUND, MISSED, WRONG]))


def classes_image(image: Image.Image, indices: NDArray[np.uint8]) -> Image.Image:
    """Return the image in grey, tinted by class index (H, W); 0 is not tinted, 255 (ignored) is light grey."""
    return _tinted(image, indices, np.vstack([class_colours(255), UNLABELLED]))


def _tinted(image: Image.Image, indices: NDArray[np.integer], colours: NDArray[np.integer]) -> Image.Image:
    shown = np.asarray(image.convert("L").convert("RGB")).astype(np.float32)  # grey, so that the colours stand out
    where = indices > 0
    shown[where] = 0.4 * shown[where] + 0.6 * colours[indices[where]].astype(np.float32)
    return Image.fromarray(shown.round().astype(np.uint8))


def worst_and_best(items: Iterable[Item], value: Callable[[Item], float]) -> tuple[list[Item], list[Item]]:
    """Return up to `NUM_WORST` items from the lowest value on, and up to `NUM_BEST` from the highest on.

    No item is in both lists: of few items, the lower half counts as worst.
    """
    ordered = sorted(items, key=value)
    return ordered[: min(NUM_WORST, (len(ordered) + 1) // 2)], ordered[::-1][: min(NUM_BEST, len(ordered) // 2)]
