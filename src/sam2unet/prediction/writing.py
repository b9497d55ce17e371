"""Writing outputs on threads, in bounded memory."""

import errno
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import InputError
from ..files import atomic_path
from .components import MaskArray
from .existing import OutputFolder, mask_array
from .inputs import InputImage
from .predictor import Prediction
from .reading import PIXELS_AHEAD
from .tables import ImageRecord

WRITERS = 2
DISK_FULL = {errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)}


@dataclass(frozen=True)
class Written:
    """What became of an image's outputs."""

    image: InputImage
    kept: bool = False
    """True if all of them existed."""
    record: ImageRecord | None = None
    error: InputError | None = None


class ImageWriter:
    """Writes the outputs of single images; several threads may use it.

    Args:
        folder: where to.
        with_records: return what tables need.
    """

    def __init__(self, folder: OutputFolder, with_records: bool):
        self.folder, self.with_records = folder, with_records

    def write(self, image: InputImage, prediction: Prediction) -> ImageRecord | None:
        """Write the outputs that are missing or to be overwritten; if the mask exists, the others are drawn from it.

        Raises:
            InputError: the existing mask can't be used.
            OSError: a file can't be written.
        """
        folder, existing = self.folder, None
        if not folder.overwrite and folder.mask_file(image.name).exists():
            existing = folder.read_mask(image, (prediction.image.height, prediction.image.width))
        drawn = folder.outputs.draw(prediction, existing)
        for file in folder.stale_maps(image.name):
            file.unlink(missing_ok=True)
        for file, kind in folder.files_to_write(image.name).items():
            if kind == "npy":
                save_array(prediction, file)
            else:
                save_image(drawn[kind], file)
        return self._record(image, mask_array(drawn["mask"], folder.classes)) if self.with_records else None

    def read(self, image: InputImage) -> ImageRecord:
        """Return what tables need of an existing mask.

        Raises:
            InputError: the mask can't be used.
        """
        return self._record(image, self.folder.read_mask(image))

    def _record(self, image: InputImage, mask: MaskArray) -> ImageRecord:
        return ImageRecord.from_mask(image.name, image.path, mask, self.folder.outputs.save)


@dataclass(frozen=True)
class _Task:
    image: InputImage
    pixels: int
    kept: bool
    record: Future[ImageRecord | None]


class WriteQueue:
    """The images that threads write; adding one waits while too many, or too many pixels, are in the queue.

    Args:
        writer: writes them.
        executor: its threads.
        on_written: called in the caller's thread for each image, in the order of the queue.
    """

    def __init__(self, writer: ImageWriter, executor: Executor, on_written: Callable[[Written], None]):
        self._writer, self._executor, self._on_written = writer, executor, on_written
        self._tasks: deque[_Task] = deque()
        self.disk_full = False
        """True once there was no room for a file."""

    def write(self, image: InputImage, prediction: Prediction) -> None:
        """Add an image that was predicted."""
        pixels = prediction.image.width * prediction.image.height
        self._tasks.append(_Task(image, pixels, False, self._executor.submit(self._writer.write, image, prediction)))
        self._wait(2 * WRITERS)

    def keep(self, image: InputImage, pixels: int) -> None:
        """Add an image whose outputs exist; its mask of that many pixels is read if tables need it."""
        if self._writer.with_records:
            self._tasks.append(_Task(image, pixels, True, self._executor.submit(self._writer.read, image)))
            self._wait(2 * WRITERS)
        else:
            self._on_written(Written(image, kept=True))

    def finish(self) -> None:
        """Wait until all images are written."""
        self._wait(0)

    def _wait(self, most: int) -> None:
        """Wait until at most that many images, and not too many pixels, are in the queue."""
        while len(self._tasks) > most or sum(task.pixels for task in self._tasks) > PIXELS_AHEAD:
            task = self._tasks.popleft()
            try:
                written = Written(task.image, task.kept, task.record.result())
            except InputError as error:
                written = Written(task.image, error=error)
            except (OSError, MemoryError) as error:
                self.disk_full |= isinstance(error, OSError) and error.errno in DISK_FULL
                message = f"{task.image.path}: can't be written ({error or 'not enough memory'})"
                written = Written(task.image, error=InputError(message))
            self._on_written(written)


def save_image(image: Image.Image, file: Path) -> None:
    """Write an image file that appears under its name only when complete."""
    with atomic_path(file) as partial:
        image.save(partial)


def save_array(prediction: Prediction, file: Path) -> None:
    """Write the probabilities as an .npy file, float32 (H, W) or (classes, H, W), strip by strip."""
    height, width = prediction.image.height, prediction.image.width
    shape = (height, width) if prediction.classes == 1 else (prediction.classes, height, width)
    with atomic_path(file) as partial, partial.open("wb") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)  # type: ignore[no-untyped-call]
        start = stream.tell()
        for rows, strip in prediction.strips():
            for index, plane in enumerate(strip):
                stream.seek(start + 4 * width * (height * index + rows.start))
                stream.write(plane.astype("<f4", copy=False).tobytes())
