"""The eighteen test sets of the paper: what they are, and finding them under a folder in whatever layout."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from ..errors import InputError
from .image_file import is_picture, read_image
from .pairs import Pair, pair_up, split_of, walk, without_roles, without_split

SIDE = 16
"""Of a picture's fingerprint, in comparisons of neighbours."""
ALIKE = 12
"""Of its 256 bits, how many may differ between two copies of one picture."""


@dataclass(frozen=True)
class BenchmarkSet:
    """A test set of the catalogue; None is what no source confirms."""

    name: str
    task: str
    names: re.Pattern[str]
    """What its folders are called."""
    images: int | None
    """In the published test split."""
    train_images: int | None
    """In its own published training split."""
    home: str | None
    licence: str | None
    reference: str | None
    layouts: tuple[str, ...]
    """Folders of pictures and masks as it is handed out."""
    reported: dict[str, float]
    """What the paper reports, by the names of `evaluate`."""


@dataclass(frozen=True)
class Task:
    """A benchmark of the paper: its sets in the paper's order, and the metrics of its table by the names of
    `evaluate`."""

    name: str
    metrics: tuple[str, ...]
    sets: tuple[BenchmarkSet, ...]


@cache
def catalogue() -> dict[str, Task]:
    """The five tasks by name."""
    text = resources.files(__package__).joinpath("catalogue.yaml").read_text(encoding="utf-8")
    tasks = {}
    for task, content in yaml.safe_load(text).items():
        sets = tuple(_set(name, task, entry) for name, entry in content["sets"].items())
        tasks[task] = Task(task, tuple(content["metrics"]), sets)
    return tasks


def _set(name: str, task: str, entry: dict[str, Any]) -> BenchmarkSet:
    return BenchmarkSet(
        name, task, re.compile(rf"(?<![a-z0-9])(?:{entry['names']})(?![a-z0-9])", re.IGNORECASE), entry["images"],
        entry["train_images"], entry["home"], entry["licence"], entry["reference"], tuple(entry["layouts"]),
        entry["reported"],
    )  # fmt: skip


def task_named(name: str) -> Task:
    """A task of the catalogue.

    Raises:
        InputError: no such task.
    """
    if name not in catalogue():
        raise InputError(f"no task {name}: choose from {', '.join(catalogue())}")
    return catalogue()[name]


def chosen_sets(tasks: Iterable[str] = ()) -> list[BenchmarkSet]:
    """The sets of some tasks, or of all if none is named or "all" is; raises as `task_named` does."""
    names = list(tasks) or ["all"]
    wanted = catalogue().values() if "all" in names else map(task_named, names)
    return [one for task in wanted for one in task.sets]


@dataclass
class Copy:
    """A set as it lies under a folder."""

    folder: Path
    """The innermost that holds all of it."""
    test: list[Pair] = field(default_factory=list)
    train: list[Pair] = field(default_factory=list)
    lone: int = 0
    """Pictures without mask and masks without picture."""


@dataclass
class Finding:
    """What lies under a folder."""

    root: Path
    sets: list[BenchmarkSet]
    copies: dict[str, list[Copy]]
    """By the set's name; the one that fits the published count best comes first."""
    unnamed_train: list[Pair]
    """Training pairs of no single set, as in a joint TrainDataset."""
    problems: list[str]
    """Folders that could not be read as pairs."""

    def remarks(self) -> list[str]:
        """What is missing, doubled, or differs from what is published, in sentences."""
        found = list(self.problems)
        for one in self.sets:
            copies = self.copies.get(one.name, [])
            if not copies:
                found.append(f"{one.name}: missing")
                continue
            first = copies[0]
            if one.images is not None and len(first.test) != one.images:
                found.append(f"{one.name}: {len(first.test)} test pairs in {first.folder}, {one.images} are published")
            if first.lone:
                found.append(f"{one.name}: {first.lone} files without a partner in {first.folder}")
            if len(copies) > 1:
                others = ", ".join(str(copy.folder) for copy in copies[1:])
                found.append(f"{one.name}: more than once: {first.folder} is taken, not {others}")
        return found


def find_sets(root: Path, sets: Sequence[BenchmarkSet]) -> Finding:
    """Look for the sets by the names of folders, and for pairs in them as `find_pairs` does.

    Raises:
        InputError: no such folder.
    """
    root = root.absolute()
    everything = [one for task in catalogue().values() for one in task.sets]  # so that none is taken for another's part
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in filter(is_picture, walk(root)):
        folders[path.parent].append(path)
    groups: dict[tuple[str, tuple[str, ...]], list[Path]] = defaultdict(list)
    rest = []
    for folder, pictures in folders.items():
        parts = (root.name, *folder.relative_to(root).parts)
        called = [[one for one in everything if one.names.search(part)] for part in parts]
        place = max((i for i, those in enumerate(called) if those), default=0)
        own = called[place]
        while place and called[place - 1] == own:
            place -= 1
        if len(own) == 1:  # COD10K_CAMO is a joint set
            # images/ECSSD and GT/ECSSD are one set, A/ECSSD and B/ECSSD are two.
            name = own[0].names.findall(parts[place])[0].lower()  # Kvasir and Kvasir-SEG are two as well
            around = without_roles((*parts[:place], own[0].names.sub("", parts[place])))
            groups[own[0].name, (without_split(name), *around)] += pictures
        elif split_of(parts[1:]) == "train":
            rest += pictures
    result = Finding(root, list(sets), {}, [], [])
    for one in sets:
        copies = []
        for paths in (paths for (name, _), paths in groups.items() if name == one.name):
            try:
                copies.append(_copy(root, paths, one.names))
            except InputError as error:
                result.problems.append(f"{one.name}: {error}")
        copies = [copy for copy in copies if copy.test or copy.train]
        if copies:
            fits = one.images
            result.copies[one.name] = sorted(copies, key=lambda copy: (len(copy.test) != fits, -len(copy.test)))
    try:
        result.unnamed_train = pair_up(root, rest).pairs.get("train", [])
    except InputError as error:
        result.problems.append(f"training pictures: {error}")
    return result


def _copy(root: Path, paths: list[Path], names: re.Pattern[str]) -> Copy:
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    listing = pair_up(folder, paths, words=[names])
    lone = sum(len(files) for kind in (listing.lone_images, listing.lone_masks) for files in kind.values())
    pairs = dict(listing.pairs)
    above = split_of(reversed(folder.relative_to(root).parts or (root.name,)))  # the nearest folder that says
    pairs.setdefault(above if above == "train" else "test", pairs.pop("", []))
    return Copy(folder, pairs.get("test", []), pairs.get("train", []), lone)


def shared_pictures(
    finding: Finding, progress: Callable[[int, int], object] = lambda done, total: None
) -> dict[tuple[str, str], list[tuple[Path, Path]]]:
    """Pictures of a training set that look the same as one of a test set of the same task, by the names of both.

    Copies that were scaled, cropped by a hair or compressed anew are found; so are neighbours in a video.
    """
    first = [(one, finding.copies[one.name][0]) for one in finding.sets if one.name in finding.copies]
    test = {(one.name, one.task): copy.test for one, copy in first}
    train = {(one.name, one.task): copy.train for one, copy in first}
    train["training pictures", ""] = finding.unnamed_train
    pictures = [pair.image for pairs in (*test.values(), *train.values()) for pair in pairs]
    prints: dict[Path, NDArray[np.uint64]] = {}
    with ThreadPoolExecutor() as pool:
        for number, (picture, bits) in enumerate(zip(pictures, pool.map(_try_fingerprint, pictures), strict=True), 1):
            prints[picture] = bits
            progress(number, len(pictures))
    shared = {}
    for (trained, task), train_pairs in train.items():
        for (tested, other_task), test_pairs in test.items():
            if task in ("", other_task) and train_pairs and test_pairs:
                a, b = ([prints[pair.image] for pair in pairs] for pairs in (train_pairs, test_pairs))
                alike = [(train_pairs[i].image, test_pairs[j].image) for i, j in _alike(np.array(a), np.array(b))]
                if alike:
                    shared[trained, tested] = alike
    return shared


def _try_fingerprint(picture: Path) -> NDArray[np.uint64]:
    """That of a broken picture is as that of a flat one: like no other."""
    try:
        return fingerprint(picture)
    except InputError:
        return np.zeros(4, np.uint64)


def fingerprint(picture: Path) -> NDArray[np.uint64]:
    """(4,) uint64: 256 bits, whether a cell of a 16 x 16 grid is brighter than its left neighbour.

    Krawetz's dHash, on a finer grid: "Kind of like that", hackerfactor.com, 2013.
    """
    small = read_image(picture).convert("L").resize((SIDE + 1, SIDE), Image.Resampling.BOX)
    values = np.asarray(small).astype(np.int16)
    return np.packbits(values[:, 1:] > values[:, :-1]).view(np.uint64)


def _alike(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> list[tuple[int, int]]:
    """Which of (N, 4) and (M, 4) differ in at most `ALIKE` bits."""
    ones = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)
    found = []
    told = ones[b.view(np.uint8)].sum(axis=1, dtype=np.int64) > ALIKE  # a flat picture's has hardly a bit
    for i, bits in enumerate(a):
        apart = ones[(b ^ bits).view(np.uint8)].sum(axis=1, dtype=np.int64)
        found += [(i, int(j)) for j in np.flatnonzero(told & (apart <= ALIKE))]
    return found
