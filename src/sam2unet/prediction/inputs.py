"""Inputs of a prediction: files, folders, glob patterns and standard input."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from glob import glob, has_magic
from io import BytesIO
from pathlib import Path

from PIL import Image

from ..data import find_images, is_image, read_frames, read_image
from ..errors import InputError
from ..system import Shard

STDIN = Path("-")
fold = str.casefold if sys.platform in ("darwin", "win32") else str  # there a.png and A.png are one file


@dataclass
class Inputs:
    """The images to predict."""

    images: dict[str, Path] = field(default_factory=dict)
    """Name of the outputs, without suffix -> file; `STDIN` for standard input."""
    failed: list[InputError] = field(default_factory=list)
    """Why other images are left out."""
    shard: Shard = field(default_factory=Shard)
    """The part of all inputs that `images` holds."""
    in_output_folder: set[Path] = field(default_factory=set)
    """Images of all shards that lie in the output folder; no output may replace them."""
    named_like_frames: dict[str, Path] = field(default_factory=dict)
    """Images of all shards whose names could be those of a frame, such as film/0001."""


@dataclass(frozen=True)
class InputImage:
    """One image to predict: a file, or a frame or page of it."""

    name: str
    """Name of its outputs, without suffix."""
    path: Path
    is_frame: bool = False


def find_inputs(inputs: Iterable[str | Path], out: Path, shard: Shard = Shard()) -> Inputs:  # noqa: B008, frozen
    """Find the images that files, folders and glob patterns name.

    Of a folder with images and masks the images are taken. Subfolders are part of the name, and so are those that a
    glob pattern's wildcards stand for; a folder `images` is not, and where masks lie beside images, in `p1_images` and
    `p1_masks`, no such word is. If `out` lies in such a folder, its files are
    not taken. Images whose outputs would have the same name, and folders that can't be read, are left out and listed
    in `Inputs.failed`.

    Args:
        inputs: files, folders, glob patterns; "-" for standard input.
        out: the output folder.
        shard: takes the images whose names belong to it; other images change nothing. Folders and pairs that can't be
            read are listed by the first shard only.

    Raises:
        InputError: nothing is found, or the outputs would lie among the images.
    """
    collector = _Collector(out.resolve(), shard)
    for given in inputs:
        problems: list[str] = []
        images = _list_images(given, collector.out, problems)
        if not images and not problems:
            raise InputError(f"{given}: no image found; name images, folders or glob patterns")
        if shard.index == 1:
            collector.inputs.failed += map(InputError, problems)
        for name, path in images:
            collector.add(name, path)
    return collector.finish()


def _list_images(given: str | Path, out: Path, problems: list[str]) -> list[tuple[str, Path]]:
    """List (name, file) of one input."""
    path = Path(given)
    if path.is_dir():
        if path.resolve() == out:
            raise InputError(f"{path}: holds the images; choose another folder for the masks", "out")
        return [*find_images(path, problems, without=out).items()]
    if str(given) == "-":
        return [("stdin", STDIN)]
    if path.is_file():
        return [(path.stem, path if path != STDIN else path.absolute())]
    return _match_glob(str(given), out)


def _match_glob(pattern: str, out: Path) -> list[tuple[str, Path]]:
    """List the images that a pattern matches by their paths below its first wildcard, without those of `out` in it."""
    parts = Path(pattern).parts
    root = Path(*parts[: next((i for i, part in enumerate(parts) if has_magic(part)), len(parts))])
    matches = [Path(name) for name in sorted(glob(pattern, recursive=True))]  # noqa: PTH207, Path.glob takes no absolute pattern
    left_out = out if root.resolve() in out.parents else None
    images = []
    for path in matches:
        if is_image(path) and path.is_file() and (left_out is None or left_out not in path.resolve().parents):
            below = path.relative_to(root)
            name = Path(path.name) if ".." in below.parts else below
            images.append((name.with_suffix("").as_posix(), path))
    return images


class _Collector:
    """Collects the images of all inputs and notes whose names collide."""

    def __init__(self, out: Path, shard: Shard):
        self.out, self.inputs = out, Inputs(shard=shard)
        self._in_out: dict[Path, bool] = {}  # folder -> whether it lies in the output folder
        self._names: dict[str, str] = {}  # name as the file system compares it -> the first image's
        self._collisions: dict[str, list[Path]] = {}

    def add(self, name: str, path: Path) -> None:
        folder = path.parent
        if folder not in self._in_out:
            resolved = folder.resolve()
            self._in_out[folder] = resolved == self.out or self.out in resolved.parents
        if self._in_out[folder]:
            self.inputs.in_output_folder.add(folder.resolve() / path.name)
        parent, _, last = name.rpartition("/")
        if parent and last.isdecimal():
            self.inputs.named_like_frames[name] = path
        folded = fold(name)
        if self.inputs.shard.holds(folded):
            first = self._names.setdefault(folded, name)
            earlier = self.inputs.images.setdefault(first, path)
            if first != name or not _is_same_file(earlier, path):
                self._collisions.setdefault(first, [earlier]).append(path)

    def finish(self) -> Inputs:
        for name, paths in self._collisions.items():
            del self.inputs.images[name]
            files = " and ".join(map(str, paths))
            self.inputs.failed.append(
                InputError(f"{files} would both be written as {name}.png; rename one, or predict them separately")
            )
        return self.inputs


def _is_same_file(one: Path, other: Path) -> bool:
    return one == other or (STDIN not in (one, other) and one.resolve() == other.resolve())


def open_input(path: Path) -> Path | BytesIO:
    """Return a file's path, or the content of standard input."""
    return BytesIO(sys.stdin.buffer.read()) if path == STDIN else path


def split_frames(
    name: str, path: Path, normalise_range: bool, max_pixels: int
) -> Iterator[tuple[InputImage, Callable[[], Image.Image] | None]]:
    """Yield the images of a file: each frame or page as NAME/0000 and so on, or the file itself if it has one.

    Args:
        name: of the file's outputs.
        path: the file, or `STDIN`.
        normalise_range: see `Card`.
        max_pixels: see `Predictor`.

    Yields:
        The image and the function that reads it, to be called before the next is taken, if at all; None for a file,
        which the predictor reads itself.

    Raises:
        InputError: the file can't be read.
    """
    source, has_frames = open_input(path), False
    for number, read in read_frames(source, normalise_range, max_pixels):
        has_frames = True
        yield InputImage(f"{name}/{number:04d}", path, is_frame=True), read
    if not has_frames:
        read_whole = partial(read_image, source, normalise_range, max_pixels)
        yield InputImage(name, path), read_whole if path == STDIN else None
