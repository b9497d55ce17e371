"""Finding the catalogue's test sets below a folder, in any layout."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..data import Pair, is_image, pair_up, split_of, walk, without_roles, without_split
from ..errors import InputError
from .catalogue import BenchmarkSet, chosen_sets


@dataclass
class FoundSet:
    """A copy of a test set below a folder."""

    folder: Path
    """The innermost folder that contains all of it."""
    test: list[Pair] = field(default_factory=list)
    train: list[Pair] = field(default_factory=list)
    unpaired: int = 0
    """Number of images without mask and of masks without image."""


@dataclass
class CatalogueScan:
    """The test sets found below a folder."""

    root: Path
    sets: list[BenchmarkSet]
    """The sets that were looked for."""
    copies: dict[str, list[FoundSet]] = field(default_factory=dict)
    """By the set's name; the copy that fits the published number of images best comes first."""
    joint_train: list[Pair] = field(default_factory=list)
    """Training pairs that belong to no single set, as in a joint TrainDataset."""
    problems: list[str] = field(default_factory=list)
    """Folders whose files could not be paired, in sentences."""

    def best_copies(self) -> Iterator[tuple[BenchmarkSet, FoundSet]]:
        """Iterate over the sets that were found, each with the first of its copies."""
        return ((dataset, self.copies[dataset.name][0]) for dataset in self.sets if dataset.name in self.copies)

    def remarks(self) -> list[str]:
        """Return what is missing, duplicated, or differs from what is published, in sentences."""
        remarks = list(self.problems)
        for dataset in self.sets:
            copies = self.copies.get(dataset.name, [])
            remarks += [f"{dataset.name}: {remark}" for remark in _describe(dataset, copies)]
        return remarks


def _describe(dataset: BenchmarkSet, copies: Sequence[FoundSet]) -> Iterator[str]:
    if not copies:
        yield "missing"
        return
    first, *others = copies
    if dataset.images is not None and len(first.test) != dataset.images:
        yield f"{len(first.test)} test pairs in {first.folder}, {dataset.images} are published"
    if first.unpaired:
        yield f"{first.unpaired} unpaired files in {first.folder}"
    if others:
        yield f"more than once: {first.folder} is used, not {', '.join(str(copy.folder) for copy in others)}"


def find_sets(root: Path, sets: Sequence[BenchmarkSet]) -> CatalogueScan:
    """Look for test sets by the names of folders, and pair the files in them as `find_pairs` does.

    Raises:
        InputError: no such folder.
    """
    scan = CatalogueScan(root.absolute(), list(sets))
    groups, others = _group_images(scan.root)
    for dataset in sets:
        copies = []
        for paths in (paths for (name, _), paths in groups.items() if name == dataset.name):
            try:
                copies.append(_pair_copy(scan.root, paths, dataset.folder_names))
            except InputError as error:
                scan.problems.append(f"{dataset.name}: {error}")
        copies = [copy for copy in copies if copy.test or copy.train]
        if copies:
            copies.sort(key=lambda copy: (len(copy.test) != dataset.images, -len(copy.test)))
            scan.copies[dataset.name] = copies
    try:
        scan.joint_train = pair_up(scan.root, others).pairs.get("train", [])
    except InputError as error:
        scan.problems.append(f"training images: {error}")
    return scan


_CopyKey = tuple[str, tuple[str, ...]]
"""A set's name, and the words in the names of its folders that distinguish one copy from another."""


def _group_images(root: Path) -> tuple[dict[_CopyKey, list[Path]], list[Path]]:
    """Return the images and masks of each copy of a set, and those of training folders that belong to no set."""
    by_folder: dict[Path, list[Path]] = defaultdict(list)
    for path in filter(is_image, walk(root)):
        by_folder[path.parent].append(path)
    groups: dict[_CopyKey, list[Path]] = defaultdict(list)
    others = []
    for folder, paths in by_folder.items():
        key = _identify_copy(root, folder)
        if key:
            groups[key] += paths
        elif split_of(folder.relative_to(root).parts) == "train":
            others += paths
    return groups, others


def _identify_copy(root: Path, folder: Path) -> _CopyKey | None:
    """Return the copy that a folder belongs to, by the innermost name of a set among its own and its parents' names."""
    parts = (root.name, *folder.relative_to(root).parts)
    everything = chosen_sets()  # also sets that are not wanted, whose folders must not be taken for part of another set
    named = [[dataset for dataset in everything if dataset.folder_names.search(part)] for part in parts]
    place = max((i for i, datasets in enumerate(named) if datasets), default=0)
    datasets = named[place]
    while place and named[place - 1] == datasets:
        place -= 1
    if len(datasets) != 1:  # COD10K_CAMO is a joint set
        return None
    (dataset,) = datasets
    # images/ECSSD and GT/ECSSD are one copy, A/ECSSD and B/ECSSD are two, and so are Kvasir and Kvasir-SEG.
    name = dataset.folder_names.findall(parts[place])[0].lower()
    around = without_roles((*parts[:place], dataset.folder_names.sub("", parts[place])))
    return dataset.name, (without_split(name), *around)


def _pair_copy(root: Path, paths: list[Path], folder_names: re.Pattern[str]) -> FoundSet:
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    listing = pair_up(folder, paths, ignored_words=[folder_names])
    unpaired = sum(len(files) for kind in (listing.unpaired_images, listing.unpaired_masks) for files in kind.values())
    pairs = dict(listing.pairs)
    # Where no folder inside names a split, the nearest folder above that does decides.
    above = split_of(reversed(folder.relative_to(root).parts or (root.name,)))
    pairs.setdefault(above if above == "train" else "test", pairs.pop("", []))
    return FoundSet(folder, pairs.get("test", []), pairs.get("train", []), unpaired)
