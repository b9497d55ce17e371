"""Pictures and their masks, matched by name."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError
from .image_file import is_picture
from .mask_file import Polygons
from .polygon_file import read_polygons

Source = Path | Polygons


def _words(*words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(words)})(?:(?=tr|ts|val)|(?![a-z0-9]))", re.IGNORECASE)


def _edge(words: re.Pattern[str]) -> re.Pattern[str]:
    """The words at the start or the end of a name, with what separates them from it."""
    return re.compile(rf"^{words.pattern}[-_. ]+|[-_. ]+{words.pattern}$", re.IGNORECASE)


IMAGE = _words("images?", "imgs?", "im", "inputs?", "pictures?", "photos?", "originals?", "jpegimages")
MASK = _words(
    "masks?", "gts?", "ground[-_. ]?truths?", "labels?", "ann", "annos?", "annotations?", "segs?", "segmentations?",
    "segmentation(?:class|object)",
)  # fmt: skip
IMAGE_EDGE, MASK_EDGE = _edge(IMAGE), _edge(MASK)
SPLITS = {
    "train": _words("train", "training", "tr"),
    "val": _words("val", "valid", "validation"),
    "test": _words("test", "testing", "te", "ts"),
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
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    found = _scan(root, split=True, class_names=class_names)
    if not any(files.images or files.masks for files in found.values()):
        raise InputError(f"{root}: holds no pictures; expected pairs of one name, such as images/a.jpg and masks/a.png")
    listing = Listing(root)
    unnamed = found.get("", _Files())
    shared: set[str] = set()  # masks of no split that pictures of one took, as where GT/ serves images/train and /test
    for split in sorted(found, reverse=True):
        files = found[split]
        masks = {key: mask for key, mask in files.masks.items() if split or key not in shared}
        chosen: dict[str, Source] = {key: masks[mask] for key, mask in match(files.images, masks).items()}
        lone = {key: path for key, path in files.images.items() if key not in chosen}
        taken = match(lone, unnamed.masks) if split else {}
        shared |= set(taken.values())
        chosen |= {key: unnamed.masks[mask] for key, mask in taken.items()}
        chosen |= _annotated({key: path for key, path in lone.items() if key not in taken}, files.drawn, unnamed.drawn)
        for key, path in files.images.items():
            if key in chosen:
                listing.pairs[split].append(Pair(key, path, chosen[key]))
            else:
                listing.lone_images[split].append(path)
        for path in set(masks.values()) - set(chosen.values()):
            listing.lone_masks[split].append(path)
    return listing


def find_images(root: Path) -> dict[str, Path]:
    """The pictures below a folder by key, its masks left out; where nothing pairs, all of them."""
    files = _scan(root, split=False).get("", _Files())
    partners = set(match(files.images, files.masks).values())
    if not partners:
        return _all(files)
    # A name such as gas_mask.png makes a mask only beside its picture; a folder named masks/ always does.
    extra = {k: p for k, p in files.masks.items() if k not in partners and not _role(p.relative_to(root).parent)}
    return files.images | extra


def find_masks(root: Path) -> dict[str, Source]:
    """The masks below a folder by key; where nothing pairs, every picture in it."""
    files = _scan(root, split=False).get("", _Files())
    annotated = _annotated(files.images, files.drawn, {})
    if match(files.images, files.masks) or annotated:
        return {**files.masks, **annotated}
    return dict(_all(files))


def _all(files: _Files) -> dict[str, Path]:
    for key in files.images.keys() & files.masks.keys():
        raise _twice(files.images[key], files.masks[key])
    return files.images | files.masks


def match(images: Mapping[str, Path], masks: Mapping[str, Source]) -> dict[str, str]:
    """The mask's key for each picture's key that has one.

    In this order: the same key; the same but for a word such as `_mask`; the same name, whatever the folders, if it
    occurs once on either side.

    Raises:
        InputError: two masks or two pictures come down to the same name.
    """
    matched = {key: key for key in images if key in masks}
    short_images = _shortened({k: p for k, p in images.items() if k not in matched}, IMAGE_EDGE)
    short_masks = _shortened({k: p for k, p in masks.items() if k not in matched}, MASK_EDGE)
    for short in short_masks.keys() & matched.keys():
        raise _twice(masks[short], masks[short_masks[short]])
    for short in short_masks.keys() & short_images.keys():
        matched[short_images.pop(short)] = short_masks.pop(short)
    own, other = _by_name(short_images), _by_name(short_masks)
    return matched | {own[name]: other[name] for name in own.keys() & other.keys()}


def _shortened(files: Mapping[str, Source], words: re.Pattern[str]) -> dict[str, str]:
    """Each key by itself without the words at its edges."""
    short: dict[str, str] = {}
    for key in files:
        folder, _, name = key.rpartition("/")
        shorter = f"{folder}/{words.sub('', name)}".lstrip("/")
        if shorter in short:
            raise _twice(files[short[shorter]], files[key])
        short[shorter] = key
    return short


def _by_name(short: dict[str, str]) -> dict[str, str]:
    """The keys by the name alone, without those whose name occurs twice."""
    names = Counter(key.rpartition("/")[2] for key in short)
    return {name: key for shorter, key in short.items() if names[name := shorter.rpartition("/")[2]] == 1}


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


def _scan(root: Path, split: bool, class_names: Sequence[str] = ()) -> dict[str, _Files]:
    """What is below a folder, by split; without `split`, a folder such as `train` stays part of the key."""
    found: dict[str, _Files] = defaultdict(_Files)
    annotations = []
    for path in _walk(root):
        folder = path.relative_to(root).parent
        if is_picture(path):
            role = _role(folder) or ("mask" if MASK_EDGE.search(path.stem) else "image")
            part = found[_split_of(folder.parts) if split else ""]
            files = part.masks if role == "mask" else part.images
            key = _key(folder, path.stem, split)
            if key in files:
                raise _twice(files[key], path)
            files[key] = path
        elif path.suffix.lower() == ".json":
            annotations.append(path)
    for path in annotations:
        folder = path.relative_to(root).parent
        for name, polygons in read_polygons(path, class_names).items():
            # LabelMe's file lies as its picture does; COCO's names its pictures, and may name its split itself.
            of_one = name == path.stem
            where = folder.parts if of_one else (*folder.parts, path.stem)
            drawn = found[_split_of(where) if split else ""].drawn
            key = _key(folder, name, split) if of_one else name
            if key in drawn:
                raise InputError(f"{drawn[key]} and {path} both annotate {name}; remove one of them")
            drawn[key] = polygons
    return found


def _walk(root: Path) -> Iterable[Path]:
    """The files below a folder in order, links followed, hidden ones left out."""
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        yield from (Path(folder, name) for name in sorted(files) if not name.startswith("."))


def _role(folder: Path) -> str:
    """What the innermost folder that says it makes of its files: "mask", "image", or ""."""
    for part in reversed(folder.parts):
        if MASK.search(part):
            return "mask"
        if IMAGE.search(part):
            return "image"
    return ""


def _split_of(parts: Iterable[str]) -> str:
    """The split that the outermost folder that names one names."""
    return next((name for part in parts for name, words in SPLITS.items() if words.search(part)), "")


def _key(folder: Path, stem: str, split: bool) -> str:
    """The folders without the words that say role and split, and the stem."""
    kept = []
    for part in folder.parts:
        for words in (MASK, IMAGE, *(SPLITS.values() if split else ())):
            part = words.sub("", part)
        kept.append(re.sub(r"[-_. ]+", "_", part).strip("_"))
    return "/".join([*filter(None, kept), stem])
