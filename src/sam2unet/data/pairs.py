"""Pictures and their masks, matched by name."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError
from .image_file import is_image
from .mask_file import Polygons
from .polygon_file import read_polygons

Source = Path | Polygons


def _words(*words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{'|'.join(words)})(?![a-z])", re.IGNORECASE)


def _edge(words: re.Pattern[str]) -> re.Pattern[str]:
    """The words at the start or the end of a name, with what separates them from it."""
    return re.compile(rf"^{words.pattern}[-_. ]+|[-_. ]+{words.pattern}$", re.IGNORECASE)


IMAGE = _words("images?", "imgs?", "im", "inputs?", "pictures?", "photos?", "originals?", "jpegimages")
MASK = _words(
    "masks?", "gts?[-_. ]object", "gts?", "ground[-_. ]?truths?", "labels?", "ann", "annos?", "annotations?", "segs?",
    "segmentation[-_. ]class", "segmentations?",
)  # fmt: skip
IMAGE_EDGE, MASK_EDGE = _edge(IMAGE), _edge(MASK)
SPLITS = {
    "train": _words("train", "training", "tr$"),
    "val": _words("val", "valid", "validation"),
    "test": _words("test", "testing", "t[es]$"),
}


@dataclass(frozen=True)
class Pair:
    """A picture and its mask; `key` is the picture's name below its folder, "/" between folders, no suffix."""

    key: str
    image: Path
    mask: Source


@dataclass
class Listing:
    """The pairs of a folder and the files without a partner, by split: "train", "val", "test", or "" if unnamed."""

    root: Path
    pairs: dict[str, list[Pair]] = field(default_factory=lambda: defaultdict(list))
    lone_images: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    lone_masks: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))


@dataclass
class _Files:
    """What one split of a folder holds, by key."""

    images: dict[str, Path] = field(default_factory=dict)
    masks: dict[str, Path] = field(default_factory=dict)
    drawn: dict[str, Polygons] = field(default_factory=dict)
    """Polygons by the key of their picture, or by the end of it."""


def find_pairs(root: str | Path, class_names: Sequence[str] = ()) -> Listing:
    """Match the pictures and masks below a folder by name, whatever the layout.

    A folder with a word such as `images`, `Imgs`, `GT`, `masks` or `labels` in its name (`train_masks`,
    `DUTS-TR-Mask`) says what its files are, the innermost such folder first; elsewhere a file's own name does
    (`a_mask.png` beside `a.jpg`), and what says nothing is a picture. Both files of a pair have the same name and
    folders once these words are taken out, or at least a name that occurs once on either side. LabelMe and COCO files
    give masks to the pictures that they name; `class_names`: see `read_polygons`.

    Raises:
        InputError: no such folder, no picture in it, or a name that occurs twice.
    """
    root = Path(root)
    found = pair_up(root, walk(root), class_names)
    if not any((found.pairs, found.lone_images, found.lone_masks)):
        raise InputError(f"{root}: holds no pictures; expected pairs of one name, such as images/a.jpg and masks/a.png")
    return found


def pair_up(
    root: Path, files_below: Iterable[Path], class_names: Sequence[str] = (), words: Sequence[re.Pattern[str]] = ()
) -> Listing:
    """Match some of the files below a folder; see `find_pairs`. `words` in the names of folders say nothing."""
    found = _scan(root, files_below, split=True, class_names=class_names, words=words)
    listing = Listing(root)
    unnamed = found.get("", _Files())
    taken: dict[str, Path] = {}  # by pictures of a split from masks of none, as where GT/ serves images/train and /test
    for split in sorted(found, reverse=True):
        files = found[split]
        masks = {key: mask for key, mask in files.masks.items() if split or key not in taken}
        chosen: dict[str, Source] = {key: masks[mask] for key, mask in match(files.images, masks).items()}
        if split:
            lone = {key: path for key, path in files.images.items() if key not in chosen}
            for key, mask in match(lone, unnamed.masks).items():
                if mask in taken:
                    raise _twice(taken[mask], lone[key])
                taken[mask] = lone[key]
                chosen[key] = unnamed.masks[mask]
        lone = {key: path for key, path in files.images.items() if key not in chosen}
        chosen |= _annotated(lone, files.drawn, unnamed.drawn)
        for key, path in files.images.items():
            if key in chosen:
                listing.pairs[split].append(Pair(key, path, chosen[key]))
        for path in sorted(set(masks.values()) - set(chosen.values())):
            listing.lone_masks[split].append(path)
        lone = {key: path for key, path in lone.items() if key not in chosen}
        for other in found.keys() - {split} if not split else ():
            # images/ with train.json and val.json: the annotations say the split.
            for key, polygons in _annotated(lone, found[other].drawn).items():
                listing.pairs[other].append(Pair(key, lone.pop(key), polygons))
        if lone:
            listing.lone_images[split] = list(lone.values())
    return listing


def find_images(root: Path, problems: list[str] | None = None, without: Path | None = None) -> dict[str, Path]:
    """The pictures below a folder by key, its masks left out; where nothing pairs, all of them.

    Args:
        root: the folder.
        problems: gets a sentence for each folder that can't be read and each two pictures of one name, of which
            neither is given then; without it they are raised.
        without: a folder in it that is left out.

    Raises:
        InputError: no such folder.
    """
    below = walk(root, problems, without)
    files = _scan(root, below, split=False, annotations=False, problems=problems).get("", _Files())
    more = set[str]()
    partners = set(match(files.images, files.masks, more).values()) | more
    if not partners:
        return _all(files, problems)
    # A name such as gas_mask.png makes a mask only beside its picture; a folder named masks/ always does.
    extra = {k: p for k, p in files.masks.items() if k not in partners and not _role(p.relative_to(root).parent)}
    return files.images | extra


def find_masks(root: Path) -> dict[str, Source]:
    """The masks below a folder by key; where nothing pairs, every picture in it."""
    files = _scan(root, walk(root), split=False).get("", _Files())
    annotated = _annotated(files.images, files.drawn, {})
    if match(files.images, files.masks) or annotated:
        return {**files.masks, **annotated}
    return dict(_all(files))


def _all(files: _Files, problems: list[str] | None = None) -> dict[str, Path]:
    found = files.images | files.masks
    for key in sorted(files.images.keys() & files.masks.keys()):
        if problems is None:
            raise _twice(files.images[key], files.masks[key])
        problems.append(str(_twice(files.images[key], files.masks[key])))
        del found[key]
    return found


def match(images: Mapping[str, Path], masks: Mapping[str, Source], more: set[str] | None = None) -> dict[str, str]:
    """The mask's key for each picture's key that has one.

    In this order: the same key; the same but for a word such as `_mask`; the same name, whatever the folders, if it
    occurs once on either side.

    Raises:
        InputError: two masks or two pictures come down to the same name, unless `more` takes the masks' keys.
    """
    matched = {key: key for key in images if key in masks}
    short_images = _shortened((key for key in images if key not in matched), IMAGE_EDGE)
    short_masks = _shortened((key for key in masks if key not in matched), MASK_EDGE)
    for short, mask_keys in short_masks.items():
        picture = [short] if short in images else short_images.get(short, [])
        if picture and (short in matched or len(mask_keys) > 1):
            if more is None:
                raise _twice(*[masks[key] for key in (matched.get(short), *mask_keys) if key][:2])
            more.update(mask_keys)
        if len(picture) == 1 and picture[0] not in matched:
            matched[picture[0]] = mask_keys[0]
    own, other = _by_name(images, IMAGE_EDGE), _by_name(masks, MASK_EDGE)
    used = set(matched.values())
    for name in own.keys() & other.keys():
        key, mask = own[name], other[name]
        folders = key.rpartition("/")[0], mask.rpartition("/")[0]
        # GT_Instance/a.png is the mask of images/a.jpg, but b/1.png is not that of a/1.jpg.
        if key not in matched and mask not in used and "" in folders:
            matched[key] = mask
    return matched


def _shortened(keys: Iterable[str], words: re.Pattern[str]) -> dict[str, list[str]]:
    """The keys by themselves without the words at their edges."""
    short: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        folder, _, name = key.rpartition("/")
        short[f"{folder}/{words.sub('', name)}".lstrip("/")].append(key)
    return short


def _by_name(keys: Iterable[str], words: re.Pattern[str]) -> dict[str, str]:
    """The keys by the name alone, without those whose name occurs twice."""
    named: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        named[words.sub("", key.rpartition("/")[2])].append(key)
    return {name: found[0] for name, found in named.items() if len(found) == 1}


def _annotated(images: dict[str, Path], *drawn: dict[str, Polygons]) -> dict[str, Polygons]:
    """The polygons of the pictures that have some: those for the longest end of a picture's key."""
    found: dict[str, Polygons] = {}
    for key in images:
        parts = key.split("/")
        ends = ["/".join(parts[i:]) for i in range(len(parts))]
        polygons = next((entries[end] for end in ends for entries in drawn if end in entries), None)
        if polygons:
            found[key] = polygons
    takers: dict[int, str] = {}
    for key, polygons in found.items():
        if id(polygons) in takers:
            raise InputError(
                f"{polygons}: fits both {images[takers[id(polygons)]]} and {images[key]}; name the folder in it"
            )
        takers[id(polygons)] = key
    return found


def _twice(one: Source, other: Source) -> InputError:
    return InputError(f"{one} and {other} have the same name; rename or remove one of them")


def _scan(
    root: Path,
    files_below: Iterable[Path],
    split: bool,
    annotations: bool = True,
    class_names: Sequence[str] = (),
    words: Sequence[re.Pattern[str]] = (),
    problems: list[str] | None = None,
) -> dict[str, _Files]:
    """What the files are, by split; without `split`, a folder such as `train` stays part of the key."""
    found: dict[str, _Files] = defaultdict(_Files)
    drawings, twice = [], []
    for path in files_below:
        folder = path.relative_to(root).parent
        if is_image(path):
            role = _role(folder) or ("mask" if MASK_EDGE.search(path.stem) else "image")
            part = found[split_of(folder.parts) if split else ""]
            files = part.masks if role == "mask" else part.images
            key = _key(folder, path.stem, split, words)
            if key not in files:
                files[key] = path
            elif problems is None:
                raise _twice(files[key], path)
            else:
                problems.append(str(_twice(files[key], path)))
                twice.append((files, key))
        elif annotations and path.suffix.lower() == ".json":
            drawings.append(path)
    for files, key in twice:
        files.pop(key, None)
    for path in drawings:
        folder = path.relative_to(root).parent
        for name, polygons in read_polygons(path, class_names).items():
            # LabelMe's file lies as its picture does; COCO's names its pictures, and may name its split itself.
            of_one = name == path.stem
            where = folder.parts if of_one else (*folder.parts, path.stem)
            drawn = found[split_of(where) if split else ""].drawn
            key = _key(folder, name, split) if of_one else _key(Path(name).parent, Path(name).name, split)
            if key in drawn:
                raise InputError(f"{drawn[key]} and {path} both annotate {name}; remove one of them")
            drawn[key] = polygons
    return found


def walk(root: Path, problems: list[str] | None = None, without: Path | None = None) -> Iterator[Path]:
    """The files below a folder in order, links followed but no folder entered twice, hidden ones and one left out.

    Raises:
        InputError: no such folder, or one that can't be read, unless `problems` takes the sentence.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")

    def unreadable(error: OSError) -> None:
        sentence = f"{error.filename}: the folder can't be read ({error.strerror})"
        if problems is None:
            raise InputError(sentence) from error
        problems.append(sentence)

    seen = {(state.st_dev, state.st_ino) for state in [without.stat()]} if without and without.is_dir() else set()
    for folder, folders, files in os.walk(root, onerror=unreadable, followlinks=True):
        state = Path(folder).stat()
        if (state.st_dev, state.st_ino) in seen:
            folders.clear()
            continue
        seen.add((state.st_dev, state.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        yield from (Path(folder, name) for name in sorted(files) if not name.startswith("."))


def _parted(name: str) -> str:
    """trainImages -> train_Images"""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)


def _role(folder: Path) -> str:
    """What the innermost folder that says it makes of its files: "mask", "image", or ""."""
    for part in map(_parted, reversed(folder.parts)):
        if MASK.search(part):
            return "mask"
        if IMAGE.search(part):
            return "image"
    return ""


def split_of(parts: Iterable[str]) -> str:
    """The split that the outermost folder that names one names."""
    plain = [_without(part, MASK, IMAGE) for part in parts]
    return next((name for part in plain for name, words in SPLITS.items() if words.search(part)), "")


def _without(part: str, *words: re.Pattern[str]) -> str:
    """A folder's name without some words, "_" between those that stay."""
    part = _parted(part)
    for pattern in words:
        part = re.sub(r"[-_. ]+", "_", pattern.sub("", part)).strip("_")
    return part


def without_split(part: str) -> str:
    """A folder's name without the words that say the split."""
    return _without(part, *SPLITS.values())


def without_roles(parts: Iterable[str]) -> tuple[str, ...]:
    """The names of folders without the words that say role and split; those that are nothing else left out."""
    return tuple(filter(None, (_without(part, MASK, IMAGE, *SPLITS.values()) for part in parts)))


def _key(folder: Path, stem: str, split: bool, more: Sequence[re.Pattern[str]] = ()) -> str:
    """The folders without the words that say role and split, or `more`, and the stem."""
    words = (MASK, IMAGE, *(SPLITS.values() if split else ()), *more)
    return "/".join([*filter(None, (_without(part, *words) for part in folder.parts)), stem])
