"""Predicting many images into a folder."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from ..card import Card
from ..errors import InputError
from ..files import atomic_path
from .components import check_scipy
from .existing import OutputFolder
from .inputs import InputImage, Inputs, split_frames
from .outputs import Outputs
from .predictor import Predictor
from .reading import ImageInput
from .tables import Append, open_tables
from .writing import WRITERS, ImageWriter, WriteQueue, Written


@dataclass
class FolderResult:
    """What became of the images."""

    done: int = 0
    """Number of images that were predicted."""
    kept: int = 0
    """Number of images whose outputs all existed."""
    failed: list[InputError] = field(default_factory=list)
    """Why the others failed."""


def predict_folder(
    predictor: Predictor,
    inputs: Inputs,
    out: Path,
    outputs: Outputs = Outputs(),  # noqa: B008, it is frozen
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], object] = lambda done, total: None,
    on_line: Callable[[dict[str, Any]], object] | None = None,
) -> FolderResult:
    """Write OUT/NAME.png and the other outputs of each image.

    Existing files are kept unless `overwrite`; missing other outputs of such an image are derived from its existing
    mask. An image that can't be read or written does not stop the rest; a full disk does. Frames of an animation and
    pages of a file are written as OUT/NAME/0000.png and so on. If the network has several classes with names,
    OUT/classes.txt lists them, one a line, background first. Memory is bounded by `PIXELS_AHEAD`, however many images
    there are. Tables, written at the end, hold all images of `inputs`, those kept too, unless the disk is full.

    Args:
        predictor: predicts the images.
        inputs: what `find_inputs` found; names of tables contain its shard.
        out: the folder.
        outputs: what is written.
        overwrite: predict again and replace what exists.
        progress: called with (images done, all images).
        on_line: called with a dictionary per image, for machines to read.

    Returns:
        What was done, and the errors of images that failed.

    Raises:
        InputError: masks of one bit for several classes, a table or classes.txt that would replace a file of another
            kind, or `on_line` without scipy.
    """
    card = predictor.card
    if on_line:
        check_scipy("lines of JSON")
    if outputs.mask_bits == 1 and card.classes > 1:
        raise InputError(f"masks of {card.classes} classes do not fit in one bit: use 8", "mask_bits")
    folder = OutputFolder(out, outputs, card.classes, overwrite)
    reporter = _Reporter(folder, card, len(inputs.images), progress, on_line)
    with ThreadPoolExecutor(WRITERS) as executor:
        try:
            if len(card.class_names) == card.classes > 1:
                _write_class_names(card.class_names, out / "classes.txt", overwrite)
            with open_tables(out, outputs.save, card, inputs.shard, overwrite) as reporter.tables:
                writer = ImageWriter(folder, with_records=bool(reporter.tables or on_line))
                queue = WriteQueue(writer, executor, reporter.add)
                _Pipeline(predictor, inputs, folder, queue, reporter).run()
        except BrokenPipeError:  # of `on_line`, which may print
            raise
        except OSError as error:
            reporter.expect_more()
            reporter.fail(InputError(f"{out}: can't be written ({error})"))
    return reporter.result


def _write_class_names(names: list[str], path: Path, overwrite: bool) -> None:
    text = "".join(f"{name}\n" for name in names).encode()
    if path.exists() and not overwrite:
        if path.read_bytes() != text:
            raise InputError(f"{path}: names other classes; choose another folder, or overwrite it", "out", "overwrite")
    else:
        with atomic_path(path) as hidden:
            hidden.write_bytes(text)


class _Reporter:
    """Counts what became of each image, and passes it on to the tables, to `on_line` and to the progress display."""

    def __init__(
        self, folder: OutputFolder, card: Card, total: int, progress: Callable[[int, int], object],
        on_line: Callable[[dict[str, Any]], object] | None,
    ):  # fmt: skip
        self.result = FolderResult()
        self.tables: list[Append] = []
        self._folder, self._card, self._total = folder, card, total
        self._progress, self._on_line = progress, on_line

    def expect_more(self, images: int = 1) -> None:
        """Raise the total by images that were not known at the start, such as further frames."""
        self._total += images

    def add(self, written: Written) -> None:
        if written.error:
            self.fail(written.error)
            return
        if written.kept:
            self.result.kept += 1
        else:
            self.result.done += 1
        if written.record:
            for append in self.tables:
                append(written.record)
            if self._on_line:
                mask = self._folder.mask_file(written.image.name)
                self._on_line(written.record.to_dict(self._card, mask, written.kept))
        self.report_progress()

    def fail(self, error: InputError) -> None:
        self.result.failed.append(error)
        if self._on_line:
            self._on_line({"error": str(error)})
        self.report_progress()

    def report_progress(self) -> None:
        self._progress(self.result.kept + self.result.done + len(self.result.failed), self._total)


class _Pipeline:
    """Passes images to the predictor, and its predictions to the writers."""

    def __init__(
        self, predictor: Predictor, inputs: Inputs, folder: OutputFolder, queue: WriteQueue, reporter: _Reporter
    ):
        self._predictor, self._inputs, self._folder = predictor, inputs, folder
        self._queue, self._reporter = queue, reporter
        self._predicting: deque[InputImage] = deque()  # passed to the predictor, not yet returned

    def run(self) -> None:
        """Predict all images.

        Raises:
            OSError: the disk is full; images that were under way are written as far as possible.
        """
        self._reporter.report_progress()
        for error in self._inputs.failed:
            self._reporter.expect_more()
            self._reporter.fail(error)
        for result in self._predictor.predict_all(self._images_to_predict()):
            image = self._predicting.popleft()
            if isinstance(result, InputError):
                named = str(result).startswith(str(image.path))
                self._reporter.fail(result if named else InputError(f"{image.path}: {result}", *result.parameters))
            else:
                self._queue.write(image, result)
            del result  # a large one makes room before the next is read
        self._queue.finish()
        if self._queue.disk_full:  # tables would lack the rest
            raise OSError("the disk is full; make room and run it again to continue")

    def _images_to_predict(self) -> Iterator[ImageInput]:
        """Yield the images that have to be predicted; the others are passed to the queue on the way."""
        card, max_pixels = self._predictor.card, self._predictor.max_pixels
        for name, path in self._inputs.images.items():
            found = 0
            try:
                for image, read in split_frames(name, path, card.normalise_range, max_pixels):
                    self._reporter.expect_more(int(found > 0))
                    found += 1
                    if self._queue.disk_full:
                        return
                    yield from self._read_if_needed(image, read)
            except InputError as error:
                self._reporter.expect_more(int(found > 0))
                self._reporter.fail(error)
            if self._queue.disk_full:
                return

    def _read_if_needed(self, image: InputImage, read: Callable[[], Image.Image] | None) -> Iterator[ImageInput]:
        """Yield the image, unless its outputs exist or can't be written."""
        try:
            self._folder.check_collisions(image, self._inputs)
            pixels = self._folder.check_existing_mask(image.name)
            if self._folder.files_to_write(image.name):
                content = read() if read else image.path
                self._predicting.append(image)
                yield content
            else:
                self._queue.keep(image, pixels)
        except InputError as error:
            self._reporter.fail(error)
        except OSError as error:
            self._reporter.fail(InputError(f"{image.path}: can't be written ({error})"))
