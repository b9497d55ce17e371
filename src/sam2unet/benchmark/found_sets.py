"""Finding the catalogue's sets below a folder, in whatever layout."""

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..data import Pair, is_image, pair_up, split_of, walk, without_roles, without_split
from ..errors import InputError
from .catalogue import BenchmarkSet, catalogue


@dataclass
class FoundSet:
    """A set as it lies under a folder."""

    folder: Path
    """The innermost that holds all of it."""
    test: list[Pair] = field(default_factory=list)
    train: list[Pair] = field(default_factory=list)
    lone: int = 0
    """Pictures without mask and masks without picture."""


@dataclass
class CatalogueScan:
    """What lies under a folder."""

    root: Path
    sets: list[BenchmarkSet]
    copies: dict[str, list[FoundSet]]
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


def find_sets(root: Path, sets: Sequence[BenchmarkSet]) -> CatalogueScan:
    """Look for the sets by the names of folders, and for pairs in them as `find_pairs` does.

    Raises:
        InputError: no such folder.
    """
    root = root.absolute()
    everything = [one for task in catalogue().values() for one in task.sets]  # so that none is taken for another's part
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in filter(is_image, walk(root)):
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
    result = CatalogueScan(root, list(sets), {}, [], [])
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


def _copy(root: Path, paths: list[Path], names: re.Pattern[str]) -> FoundSet:
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    listing = pair_up(folder, paths, words=[names])
    lone = sum(len(files) for kind in (listing.lone_images, listing.lone_masks) for files in kind.values())
    pairs = dict(listing.pairs)
    above = split_of(reversed(folder.relative_to(root).parts or (root.name,)))  # the nearest folder that says
    pairs.setdefault(above if above == "train" else "test", pairs.pop("", []))
    return FoundSet(folder, pairs.get("test", []), pairs.get("train", []), lone)
