"""Predicting files, folders and globs into a folder."""

import errno
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from glob import glob, has_magic
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from ..data import find_images, is_image, open_header, open_image, pixel_count, read_frames, read_image
from ..errors import InputError
from ..files import atomic_path
from ..system import Shard
from .components import MaskArray, check_scipy
from .outputs import FOLDERS, Outputs, save_array, save_picture
from .predictor import PIXELS_AHEAD, Picture, Prediction, Predictor
from .tables import TABLES, Append, ImageRecord, tables

WRITERS = 2
STDIN = Path("-")
MASK_MODES = ("1", "L", "P")
NO_ROOM = {errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)}
fold = str.casefold if sys.platform in ("darwin", "win32") else str  # there a.png and A.png are one file


@dataclass
class FolderResult:
    """How many pictures were predicted or there already, and what failed, in sentences."""

    done: int = 0
    kept: int = 0
    failed: list[InputError] = field(default_factory=list)


@dataclass
class Inputs:
    """The pictures by the name of their output (without suffix), and what can't be predicted, in sentences."""

    pictures: dict[str, Path] = field(default_factory=dict)
    failed: list[InputError] = field(default_factory=list)
    among_outputs: set[Path] = field(default_factory=set)
    """Those, of all shards, that lie where outputs will."""
    like_frames: dict[str, Path] = field(default_factory=dict)
    """Those, of all shards, whose name a frame could have."""


def find_inputs(inputs: Iterable[str | Path], out: Path, shard: Shard = Shard()) -> Inputs:  # noqa: B008, frozen
    """The pictures that files, folders and globs name.

    Of a folder that holds pictures and masks the pictures are taken; its subfolders stay part of the name, but for
    words such as `images`, and so do those that a glob's wildcards stand for. If `out` lies in such a folder, what is
    in it is not taken. Pictures whose outputs would have one name, and folders that can't be read are left out and
    told.

    Args:
        inputs: files, folders, globs; "-" for standard input.
        out: where the outputs will be.
        shard: (k, n) takes the pictures whose names fall to the k-th of n, whatever else is there. What can't be read
            or paired in a folder is told by the first.

    Raises:
        InputError: nothing there, or the outputs would be among the pictures.
    """
    result, clashing = Inputs(), dict[str, list[Path]]()
    taken, outside, below = dict[str, str](), dict[Path, bool](), out.resolve()
    for given in inputs:
        path, problems = Path(given), list[str]()
        if path.is_dir():
            if path.resolve() == below:
                raise InputError(f"{path}: holds the images; choose another folder for the masks", "out")
            pictures = [*find_images(path, problems, without=below).items()]
        elif str(given) == "-":
            pictures = [("stdin", STDIN)]
        elif path.is_file():
            pictures = [(path.stem, path if path != STDIN else path.absolute())]
        else:
            pictures = _matching(str(given), below)
        if not pictures and not problems:
            raise InputError(f"{given}: no picture there")
        result.failed += map(InputError, problems) if shard.index == 1 else []
        for name, picture in pictures:
            if picture.parent not in outside:
                parent = picture.parent.resolve()
                outside[picture.parent] = parent != below and below not in parent.parents
            if not outside[picture.parent]:
                result.among_outputs.add(picture.parent.resolve() / picture.name)
            folder, _, last = name.rpartition("/")
            if folder and last.isdecimal():
                result.like_frames[name] = picture
            folded = fold(name)
            if not shard.holds(folded):
                continue
            first = taken.setdefault(folded, name)
            there = result.pictures.setdefault(first, picture)
            same = there == picture or (STDIN not in (there, picture) and there.resolve() == picture.resolve())
            if first != name or not same:
                clashing.setdefault(first, [there]).append(picture)
    for name, both in clashing.items():
        del result.pictures[name]
        paths = " and ".join(map(str, both))
        result.failed.append(
            InputError(f"{paths} would both be written as {name}.png; rename one, or predict them apart")
        )
    return result


def _matching(pattern: str, out: Path) -> list[tuple[str, Path]]:
    """The pictures that a glob names, but for those in a folder of outputs, by their paths below its first wildcard."""
    fixed = next((i for i, part in enumerate(Path(pattern).parts) if has_magic(part)), len(Path(pattern).parts))
    root = Path(*Path(pattern).parts[:fixed])
    found = [Path(name) for name in sorted(glob(pattern, recursive=True))]  # noqa: PTH207, Path.glob takes no absolute pattern
    own = out if root.resolve() in out.parents else None
    named = []
    for picture in found:
        if is_image(picture) and picture.is_file() and (own is None or own not in picture.resolve().parents):
            below = picture.relative_to(root)
            named.append(((Path(picture.name) if ".." in below.parts else below).with_suffix("").as_posix(), picture))
    return named


def predict_folder(
    predictor: Predictor,
    inputs: Inputs,
    out: Path,
    outputs: Outputs = Outputs(),  # noqa: B008, it is frozen
    *,
    shard: Shard = Shard(),  # noqa: B008, frozen
    overwrite: bool = False,
    progress: Callable[[int, int], object] = lambda done, total: None,
    on_line: Callable[[dict[str, Any]], object] | None = None,
) -> FolderResult:
    """Write OUT/NAME.png for each picture, and what else is wanted.

    What is there already is kept unless `overwrite`; what else is wanted of such a picture is made of the mask that is
    there. What can't be read or written doesn't stop the rest, unless there is no room left. The frames of an
    animation and the pages of a file are written as OUT/NAME/0000.png and so on. Of several classes that have names
    OUT/classes.txt says these, one a line, background first. However many pictures there are, those read ahead have
    no more than `PIXELS_AHEAD` pixels together, or are one, but for a frame; and so have those that are being written.

    Args:
        predictor: it predicts.
        inputs: what `find_inputs` found.
        out: the folder.
        outputs: what is written.
        shard: which part of the pictures that is, for the names of tables.
        overwrite: predict what is there again.
        progress: gets how many of how many are through.
        on_line: called with a dictionary per image, for machines to read.

    Raises:
        InputError: one bit for several classes, a file of another kind where a table would be, or `on_line` without scipy.
    """
    card = predictor.card
    if on_line:
        check_scipy("lines of JSON")
    if outputs.mask_bits == 1 and card.classes > 1:
        raise InputError(f"masks of {card.classes} classes do not fit in one bit: use 8", "mask_bits")
    with ThreadPoolExecutor(WRITERS) as pool:
        run = _Run(predictor, inputs, out, outputs, overwrite, progress, on_line, pool)
        try:
            if len(card.class_names) == card.classes > 1:
                _write_classes(card.class_names, out / "classes.txt", overwrite)
            with tables(out, outputs.save, card, shard, overwrite) as adders:
                run.all(adders)
        except BrokenPipeError:
            raise
        except OSError as error:
            run.fail(InputError(f"{out}: can't be written ({error})"), beside=True)
    return run.result


def _write_classes(names: list[str], path: Path, overwrite: bool) -> None:
    text = "".join(f"{name}\n" for name in names).encode()
    if path.exists() and not overwrite:
        if path.read_bytes() != text:
            raise InputError(f"{path}: names other classes; choose another folder, or overwrite it", "out", "overwrite")
    else:
        with atomic_path(path) as hidden:
            hidden.write_bytes(text)


def predict_to(predictor: Predictor, inputs: Inputs, outputs: Outputs, stream: BinaryIO) -> None:
    """Write the mask of one picture, or the one thing that `outputs` saves, as PNG (or .npy).

    Raises:
        InputError: several pictures or outputs, or the picture can't be predicted.
    """
    kinds: list[str] = sorted(outputs.save) or ["mask"]
    if len(inputs.pictures) + len(inputs.failed) != 1 or len(kinds) > 1 or kinds[0] in TABLES:
        raise InputError("standard output takes one image's mask, or one other output that is no table", "save")
    if inputs.failed:
        raise inputs.failed[0]
    (path,) = inputs.pictures.values()
    source = _source(path)
    if any(True for _ in read_frames(source, predictor.card.normalise_range, predictor.max_pixels)):
        raise InputError(f"{path}: holds several images; name a folder", "out")
    prediction = predictor.predict(read_image(source, predictor.card.normalise_range, predictor.max_pixels))
    if kinds == ["npy"]:
        np.save(stream, prediction.probability)
    else:
        drawn = outputs.draw(prediction, predictor.card)
        if kinds[0] not in drawn:
            raise InputError(f"{kinds[0]} is an image per class: name a folder", "out")
        drawn[kinds[0]].save(stream, "PNG")


def _source(path: Path) -> Path | BytesIO:
    return BytesIO(sys.stdin.buffer.read()) if path == STDIN else path


class _Written(NamedTuple):
    """A picture that a thread writes, or of whose mask one reads what tables want."""

    name: str
    picture: Path
    pixels: int
    kept: bool
    record: Future[ImageRecord | None]


class _Run:
    def __init__(
        self, predictor: Predictor, inputs: Inputs, out: Path, outputs: Outputs, overwrite: bool,
        progress: Callable[[int, int], object], on_line: Callable[[dict[str, Any]], object] | None,
        pool: ThreadPoolExecutor,
    ):  # fmt: skip
        self.predictor, self.inputs, self.out, self.outputs = predictor, inputs, out, outputs
        self.overwrite, self.progress, self.on_line, self.pool = overwrite, progress, on_line, pool
        self.card, self.total = predictor.card, len(inputs.pictures)
        self.result = FolderResult()
        self.full = self.recorded = False
        self.adders: list[Append] = []
        self.asked: deque[tuple[str, Path]] = deque()  # for what no prediction has come yet
        self.written: deque[_Written] = deque()

    def all(self, adders: list[Append]) -> None:
        self.adders, self.recorded = adders, bool(adders or self.on_line)
        self.tell()
        for error in self.inputs.failed:
            self.fail(error, beside=True)
        for _, outcome in self.predictor.try_many(self.wanted()):
            name, picture = self.asked.popleft()
            if isinstance(outcome, InputError):
                named = str(outcome).startswith(str(picture))
                self.fail(outcome if named else InputError(f"{picture}: {outcome}", *outcome.parameters))
            else:
                pixels = outcome.image.width * outcome.image.height
                self.submit(name, picture, pixels, False, self.pool.submit(self.write, name, picture, outcome))
            del outcome  # a large one makes room before the next is read
        self.finish(0)
        if self.full:  # tables would be of a part only
            raise OSError("no room is left there; the same command goes on once there is")

    def wanted(self) -> Iterator[Picture]:
        """What is to be predicted; what is there is counted on the way."""
        for name, path in self.inputs.pictures.items():
            several = False
            try:
                source = _source(path)
                for number, read in read_frames(source, self.card.normalise_range, self.predictor.max_pixels):
                    self.total += several
                    several = True
                    if self.full:
                        return
                    yield from self.asking(f"{name}/{number:04d}", path, read)
                if not several:
                    whole = partial(read_image, source, self.card.normalise_range, self.predictor.max_pixels)
                    yield from self.asking(name, path, whole if path == STDIN else None)
            except InputError as error:
                self.total += several
                self.fail(error)
            if self.full:
                return

    def asking(self, name: str, path: Path, read: Callable[[], Image.Image] | None) -> Iterator[Picture]:
        """The picture, read by `read` if it has to be, unless it is there or can't be written."""
        try:
            self.check(name, path)
            if not self.keep(name, path):
                picture = read() if read else path
                self.asked.append((name, path))
                yield picture
        except InputError as error:
            self.fail(error)
        except OSError as error:
            self.fail(InputError(f"{path}: can't be written ({error})"))

    def check(self, name: str, picture: Path) -> None:
        """Refuse what would be written over a picture or another's output."""
        folder, slash, _ = name.partition("/")
        if slash and folder in FOLDERS.values():
            raise InputError(
                f"{picture}: its mask would lie in {self.out / folder}, where other outputs do; predict it apart"
            )
        other = self.inputs.like_frames.get(name, picture)
        if other != picture and self.inputs.pictures.get(name) != picture:
            raise InputError(f"{picture} and {other} would both be written as {name}.png; predict them apart")
        if self.inputs.among_outputs:
            for file in self.files(name) | self.stale(name):
                replaced = self.out.resolve() / file
                if replaced in self.inputs.among_outputs:
                    what = "it" if replaced == picture.parent.resolve() / picture.name else str(replaced)
                    raise InputError(f"{picture}: its mask would replace {what}; choose another folder", "out")

    def files(self, name: str) -> dict[str, str]:
        return self.outputs.files(name, self.card)

    def stale(self, name: str) -> dict[str, str]:
        """Maps of an earlier run, which `evaluate` would prefer to a new mask."""
        maps = Outputs(frozenset({"probability"})).files(name, self.card)
        return {file: kind for file, kind in maps.items() if file not in self.files(name)} if self.overwrite else {}

    def keep(self, name: str, picture: Path) -> bool:
        """Whether all is there and to be kept.

        Raises:
            InputError: what is there is no mask.
        """
        mask = self.out / f"{name}.png"
        pixels = self.guarded(mask) if mask.exists() else 0
        if self.overwrite or not all((self.out / file).exists() for file in self.files(name)):
            return False
        if self.recorded:
            self.submit(name, picture, pixels, True, self.pool.submit(self.read, name, picture))
        else:
            self.result.kept += 1
            self.tell()
        return True

    def guarded(self, mask: Path) -> int:
        """How many pixels a mask that is there has."""
        try:
            with open_header(mask) as found:
                if found.mode in MASK_MODES:
                    return found.width * found.height
        except InputError as error:
            if self.overwrite:
                return 0
            raise InputError(f"{error}; overwrite it to predict it again", "overwrite") from error
        raise InputError(f"{mask}: exists and is not a mask; choose another folder", "out")

    def submit(self, *written: Any) -> None:
        self.written.append(_Written(*written))
        self.finish(2 * WRITERS)

    def finish(self, at_most: int) -> None:
        """Wait until so few pictures, and not too many pixels, are still to be written."""
        while len(self.written) > at_most or sum(item.pixels for item in self.written) > PIXELS_AHEAD:
            item = self.written.popleft()
            try:
                record = item.record.result()
            except InputError as error:  # the mask that is there
                self.fail(InputError(f"{error}; overwrite it to predict it again", "overwrite"))
                continue
            except (OSError, MemoryError) as error:
                self.full |= isinstance(error, OSError) and error.errno in NO_ROOM
                self.fail(InputError(f"{item.picture}: can't be written ({error or 'not enough memory'})"))
                continue
            if item.kept:
                self.result.kept += 1
            else:
                self.result.done += 1
            if record:
                for add in self.adders:
                    add(record)
                if self.on_line:
                    self.on_line(record.line(self.card, self.out / f"{item.name}.png", item.kept))
            self.tell()

    def fail(self, error: InputError, beside: bool = False) -> None:
        """Count a failure; one beside the pictures that were known makes the total larger."""
        self.total += beside
        self.result.failed.append(error)
        if self.on_line:
            self.on_line({"error": str(error)})
        self.tell()

    def tell(self) -> None:
        result = self.result
        self.progress(result.kept + result.done + len(result.failed), self.total)

    def write(self, name: str, picture: Path, prediction: Prediction) -> ImageRecord | None:
        kept = None
        if not self.overwrite and (self.out / f"{name}.png").exists():
            kept = self.mask(name)
            if kept.shape != (prediction.image.height, prediction.image.width):
                raise InputError(f"{self.out / name}.png: not of the picture's size")
        drawn = self.outputs.draw(prediction, self.card, kept)
        for file in self.stale(name):
            (self.out / file).unlink(missing_ok=True)
        for file, kind in self.files(name).items():
            if self.overwrite or not (self.out / file).exists():
                if kind == "npy":
                    save_array(prediction, self.out / file)
                else:
                    save_picture(drawn[kind], self.out / file)
        return self.record(name, picture, self.as_mask(drawn["mask"])) if self.recorded else None

    def read(self, name: str, picture: Path) -> ImageRecord:
        mask = self.mask(name)
        pixels = pixel_count(picture) if self.inputs.pictures.get(name) == picture else 0
        if pixels and mask.size != pixels:  # of a frame the file doesn't say
            raise InputError(f"{self.out / name}.png: not of the picture's size")
        return self.record(name, picture, mask)

    def mask(self, name: str) -> MaskArray:
        """The mask that is there.

        Raises:
            InputError: it is broken, or of more classes.
        """
        path = self.out / f"{name}.png"
        found = self.as_mask(open_image(path))
        if self.card.classes > 1 and found.max() >= self.card.classes:
            raise InputError(f"{path}: holds class {found.max()}, but the network has {self.card.classes} classes")
        return found

    def as_mask(self, picture: Image.Image) -> MaskArray:
        values = np.asarray(picture)
        return values if self.card.classes > 1 else values > 0

    def record(self, name: str, picture: Path, mask: MaskArray) -> ImageRecord:
        return ImageRecord.from_mask(name, picture, mask, self.outputs.save)
