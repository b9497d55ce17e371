"""Reading a stream of images ahead of the network, in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data import Page, image_size, pixel_count
from ..errors import InputError

ImageInput = str | Path | Page | Image.Image | NDArray[np.uint8]
"""A path, a PIL image, or an RGB array (H, W, 3)."""
PIXELS_AHEAD = 1 << 25
"""Images read ahead have at most this many pixels together, and so have those waiting to be written; larger images go
one by one."""
READERS = 2
END = object()
T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Prepares the images of a stream on threads, in order, before they are needed.

    The images that are prepared and those in use have at most `PIXELS_AHEAD` pixels together, or are a single one.

    Args:
        images: the stream; it is advanced in the caller's thread.
        prepare: reads an image; may raise InputError.
        executor: its threads.
    """

    def __init__(self, images: Iterable[ImageInput], prepare: Callable[[ImageInput], T], executor: Executor):
        self._images, self._prepare, self._executor = iter(images), prepare, executor
        self._next: Any = next(self._images, END)
        self._waiting: deque[tuple[Future[T | InputError], int]] = deque()

    def take(self, batch_size: int) -> list[T | InputError]:
        """Return up to `batch_size` prepared images, or the errors instead, and go on reading; empty at the end."""
        taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), batch_size))]
        batch = [future.result() for future, _ in taken]
        self.fill(batch_size, sum(pixels for _, pixels in taken))
        return batch

    def fill(self, batch_size: int, pixels_in_use: int = 0) -> None:
        """Read until a batch and one image more are waiting, or too many pixels.

        Args:
            batch_size: of the next `take`.
            pixels_in_use: pixels of the images that were taken and are still in memory.
        """
        pixels = pixels_in_use + sum(pixels for _, pixels in self._waiting)
        while self._next is not END and len(self._waiting) <= batch_size:
            own = _pixel_count(self._next)
            if pixels and pixels + own > PIXELS_AHEAD:
                break
            pixels += own
            self._waiting.append((self._executor.submit(self._try_prepare, self._next), own))
            self._next = next(self._images, END)

    def _try_prepare(self, image: ImageInput) -> T | InputError:
        try:
            return self._prepare(image)
        except InputError as error:
            return error
        except MemoryError:
            name = f"{image}: " if isinstance(image, str | Path) else ""
            return InputError(f"{name}not enough memory to read it")


def _pixel_count(image: ImageInput) -> int:
    if isinstance(image, str | Path):
        return pixel_count(image)
    if isinstance(image, Page):
        width, height = image_size(image)
        return width * height
    if isinstance(image, Image.Image):
        return image.width * image.height
    return image.size // 3 if isinstance(image, np.ndarray) else 0
