"""Which annotations belong to which images."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ...errors import InputError
from ..annotations import Annotation, AnnotationFile, number_labels, read_annotation_file
from ..annotations.read import decode
from ..images.image_file import image_size
from ..images.image_formats import is_image, stem_of
from ..options import DataOptions
from ..sources import MaskSource
from .items import Item, Match, Matching
from .names import Kind, fold, place_of
from .sorting import Sorter

ANNOTATION = Kind("annotation", 2)
"""Of files that lie beside their image, or in a folder that mirrors the image's."""
ANNOTATIONS = Kind("annotations", 2)
"""Of files that name their images."""
KEYPOINTS = Kind("keypoints", 1)
"""Of those among them that repeat some annotations to add keypoints."""
UPLOAD = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of an uploaded image."""


@dataclass
class Annotations:
    """What the annotation files of a folder hold."""

    files: list[AnnotationFile] = field(default_factory=list)
    unread: list[Path] = field(default_factory=list)
    """Files that are no annotations."""
    lists: list[Path] = field(default_factory=list)
    """Files that list the names of images."""
    without_outline: list[Path] = field(default_factory=list)
    """Files that outline no object, such as those of boxes only."""
    items: list[Item] = field(default_factory=list)
    """Files of one image each, to be matched by name; those without annotation leave their image out."""

    @property
    def skipped(self) -> dict[str, int]:
        """Number of things that are not drawn, by reason."""
        total: dict[str, int] = defaultdict(int)
        for file in self.files:
            for reason, count in file.skipped.items():
                total[reason] += count
        return dict(total)

    def check(self) -> None:
        """Raise an InputError if there are annotations, but none that can be drawn."""
        empty = next((file for file in self.files if file.skipped), None)
        if empty and not any(file.annotations for file in self.files):
            reasons = ", ".join(f"{reason} ({count})" for reason, count in self.skipped.items())
            parameters = [name for name in ("boxes", "line_width") if name in reasons]
            remedy = "" if parameters else ": export masks, or annotations with outlines"
            raise InputError(
                f"{empty.file}: outlines no object; in all, annotations hold {reasons}{remedy}", *parameters
            )


def read_annotations(paths: Iterable[Path], sorter: Sorter, images: Iterable[Item]) -> Annotations:
    """Read annotation files.

    Args:
        paths: the files.
        sorter: that of the folder.
        images: the images in it.

    Raises:
        InputError: see `read_annotation_file`; numbers in a text file that isn't named after an image mean nothing.
    """
    result, names = Annotations(), {fold(name) for image in images for name in (image.stem, image.path.name)}
    for path in paths:
        is_text = path.suffix.lower() == ".txt"
        try:
            file = read_annotation_file(path, sorter.options)
        except InputError:
            if not is_text or fold(path.stem) in names:
                raise
            file = None
        if file is None:
            (result.lists if is_text and _lists_images(path, names) else result.unread).append(path)
            continue
        result.files.append(file)
        if not (file.annotations or file.skipped_images):
            result.without_outline.append(path)
        if file.of_one_image:
            place = sorter.place(path, annotations=True)
            for name in (*file.annotations, *file.skipped_images):
                stem = stem_of(Path(name)) if is_image(Path(name)) else name
                result.items.append(Item(path, stem, place, ANNOTATION, file.annotations.get(name)))
    return result


def _lists_images(path: Path, names: set[str]) -> bool:
    """True if most lines of a text start with the name of an image, such as images/a.jpg, or a."""
    words = [line.split()[0] for line in decode(path.read_bytes()).splitlines() if line.strip()]
    last = [PurePosixPath(word.split(",")[0].replace("\\", "/")).name for word in words]
    return 2 * sum(bool({fold(name), fold(stem_of(Path(name)))} & names) for name in last) > len(last)


@dataclass
class _Index:
    """Images by their names with and without suffix."""

    root: Path
    by_name: dict[str, list[Item]] = field(default_factory=lambda: defaultdict(list))
    by_stem: dict[str, list[Item]] = field(default_factory=lambda: defaultdict(list))

    def add(self, image: Item) -> None:
        self.by_name[fold(image.path.name)].append(image)
        self.by_stem[fold(image.stem)].append(image)

    def find(self, name: str, file: Path, split: str) -> list[Item]:
        """Return the images that a name in an annotation file may mean."""
        given = PurePosixPath(name)
        names = given.name, UPLOAD.sub("", given.name)
        tables = [
            (table, fold(name))
            for name in names
            for table, name in ((self.by_name, name), (self.by_stem, stem_of(Path(name))))
        ]
        found = next((table[name] for table, name in tables if name in table), [])
        if len(found) > 1:
            ends = [_common_folders(given, image.path) for image in found]
            found = [image for image, end in zip(found, ends, strict=True) if end == max(ends)]
        if len(found) > 1:
            found = [image for image in found if image.path.name == given.name] or found
        if len(found) > 1 and split:
            found = [image for image in found if image.place.split == split] or found
        folders = [folder for folder in file.parents if folder == self.root or self.root in folder.parents]
        for folder in folders if len(found) > 1 else ():
            if below := [image for image in found if folder in image.path.parents]:
                return below
        return found


def _common_folders(name: PurePosixPath, path: Path) -> int:
    """Return how many of the innermost folders two paths have in common."""
    pairs = zip(reversed(name.parts[:-1]), reversed(path.parts[:-1]), strict=False)
    return next((i for i, (one, other) in enumerate(pairs) if fold(one) != fold(other)), len(name.parts) - 1)


def match_named(
    files: Sequence[AnnotationFile], images: Sequence[Item], sorter: Sorter, result: Matching
) -> tuple[set[Item], list[str]]:
    """Match the annotations of files that name their images.

    Args:
        files: the files.
        images: the images.
        sorter: that of the folder.
        result: receives the matches.

    Returns:
        The images that are left out, and remarks on names of no image.

    Raises:
        InputError: a name fits two images, or two names the same.
    """
    index, left_out, remarks = _Index(sorter.root), set[Item](), list[str]()
    for image in images:
        index.add(image)
    for file in files:
        place = place_of((*sorter.place(file.file).parts, stem_of(file.file)), sorter.split)
        absent, owners = [], dict[Item, str]()
        for name in (*file.annotations, *file.skipped_images):
            found = index.find(name, file.file, place.split)
            if not found:
                absent.append(name)
                continue
            image = _only(file, name, found, owners)
            if name in file.annotations:
                kind = KEYPOINTS if "keypoints" in file.file.stem.lower() else ANNOTATIONS
                item = Item(file.file, stem_of(file.file), place, kind, file.annotations[name])
                result.matches[image].append(Match(item))
            else:
                left_out.add(image)
        if absent:
            names = ", ".join(absent[:3]) + (", …" if len(absent) > 3 else "")
            number = "an image that is" if len(absent) == 1 else f"{len(absent)} images that are"
            remarks.append(f"{file.file}: annotates {number} not in the folder: {names}")
    return left_out, remarks


def _only(file: AnnotationFile, name: str, found: list[Item], owners: dict[Item, str]) -> Item:
    if len(found) > 1:
        raise InputError(
            f"{file.file}: {name} fits both {found[0].path} and {found[1].path}: name the image's folder in it"
        )
    if found[0] in owners:
        raise InputError(
            f"{file.file}: {owners[found[0]]} and {name} both fit {found[0].path}: put the other image into the "
            "folder, or remove its annotation"
        )
    owners[found[0]] = name
    return found[0]


class Numbering:
    """Completes annotations: their labels' class indices, and the size where the file doesn't say it."""

    def __init__(self, files: Sequence[AnnotationFile], options: DataOptions):
        self._indices = number_labels(files, options) if files else {}
        self._options = options

    def complete(self, mask: MaskSource, image: Path) -> MaskSource:
        """Return the mask of an image, if it is an annotation ready to be drawn.

        Raises:
            InputError: the image's size is needed and can't be read, or the annotation doesn't fit it.
        """
        if not isinstance(mask, Annotation):
            return mask
        if mask.size is None:
            mask = mask.with_size(image_size(image, ignore_exif=self._options.ignore_exif))
        return mask.with_indices(self._indices)
