"""Pictures and their masks, matched by name."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError
from .image_file import is_picture
from .mask_file import Polygons
from .polygon_file import read_polygons


def _words(*words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(words)})(?![a-z0-9])", re.IGNORECASE)


def _edge(words: re.Pattern[str]) -> re.Pattern[str]:
    """The words at the start or the end of a name, with what separates them from it."""
    return re.compile(rf"^{words.pattern}[-_. ]+|[-_. ]+{words.pattern}$", re.IGNORECASE)


IMAGE = _words("images?", "imgs?", "im", "inputs?", "pictures?", "photos?", "originals?", "jpegimages")
MASK = _words(
    "masks?", "gts?", "ground[-_. ]?truths?", "labels?", "annotations?", "segmentations?", "segs?",
    "segmentation(?:class|object)",
)  # fmt: skip
IMAGE_EDGE, MASK_EDGE = _edge(IMAGE), _edge(MASK)
SPLITS = {
    "train": _words("train", "training", "tr"),
    "val": _words("val", "valid", "validation"),
    "test": _words("test", "testing", "te"),
}


@dataclass(frozen=True)
class Pair:
    """A picture and its mask; `key` is the picture's name below its folder, "/" between folders, no suffix."""

    key: str
    image: Path
    mask: Path | Polygons


@dataclass
class Listing:
    """The pairs of a folder and the files without a partner, by split: "train", "val", "test", or "" if unnamed."""

    root: Path
    pairs: dict[str, list[Pair]] = field(default_factory=lambda: defaultdict(list))
    lone_images: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    lone_masks: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))


def find_pairs(root: str | Path, class_names: Sequence[str] = ()) -> Listing:
    """Match the pictures and masks below a folder by name, whatever the layout.

    A folder with a word such as `images`, `Imgs`, `GT`, `masks` or `labels` in its name (`train_masks`,
    `DUTS-TR-Mask`) says what its files are; elsewhere a file's own name does (`a_mask.png` beside `a.jpg`), and what
    says nothing is a picture. Both files of a pair have the same name and folders once these words are taken out.
    LabelMe and COCO files give masks to the pictures that they name; `class_names`: see `read_polygons`.

    Raises:
        InputError: no such folder, no picture in it, or a name that occurs twice.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    images, masks = _scan(root, split=True)
    if not images and not masks:
        raise InputError(f"{root}: holds no pictures; expected pairs of one name, such as images/a.jpg and masks/a.png")
    drawn = _drawn(root, class_names, split=True)
    listing = Listing(root)
    for split in sorted({split for split, _ in (*images, *masks)}):
        own = {key: path for (s, key), path in images.items() if s == split}
        partners: dict[str, Path | Polygons] = {key: path for (s, key), path in masks.items() if s == split}
        matched = match(own, partners)
        for key, path in own.items():
            polygons = drawn.get((split, path.stem), drawn.get(("", path.stem)))
            mask = partners[matched[key]] if key in matched else polygons
            if mask is None:
                listing.lone_images[split].append(path)
            else:
                listing.pairs[split].append(Pair(key, path, mask))
        lone = partners.keys() - matched.values()
        if lone:
            listing.lone_masks[split] = [masks[split, key] for key in sorted(lone)]
    return listing


def find_images(root: Path) -> dict[str, Path]:
    """The pictures below a folder by key, its masks left out."""
    return {key: path for (_, key), path in _scan(root, split=False)[0].items()}


def find_masks(root: Path) -> dict[str, Path | Polygons]:
    """The masks below a folder by key; every picture of a folder that names neither pictures nor masks."""
    images, masks = _scan(root, split=False)
    drawn = _drawn(root, (), split=False)
    found: dict[str, Path | Polygons] = {key: path for (_, key), path in masks.items()}
    found |= {key: drawn["", path.stem] for (_, key), path in images.items() if ("", path.stem) in drawn}
    return found or {key: path for (_, key), path in images.items()}


def match(images: dict[str, Path], masks: dict[str, Path | Polygons]) -> dict[str, str]:
    """The mask's key for each picture's key that has one: the same, or the same but for a word such as `_mask`.

    Raises:
        InputError: two masks or two pictures come down to the same name.
    """
    matched = {key: key for key in images if key in masks}
    short_images = _shortened({k: p for k, p in images.items() if k not in matched}, IMAGE_EDGE)
    short_masks = _shortened({k: p for k, p in masks.items() if k not in matched}, MASK_EDGE)
    for short, key in short_masks.items():
        if short in matched:
            raise _twice(masks[short], masks[key])
        if short in short_images:
            matched[short_images[short]] = key
    return matched


def _shortened(files: dict[str, Path] | dict[str, Path | Polygons], words: re.Pattern[str]) -> dict[str, str]:
    """Each key by itself without the words at its edges."""
    short: dict[str, str] = {}
    for key in files:
        folder, _, name = key.rpartition("/")
        shorter = f"{folder}/{words.sub('', name)}".lstrip("/")
        if shorter in short:
            raise _twice(files[short[shorter]], files[key])
        short[shorter] = key
    return short


def _twice(one: Path | Polygons, other: Path | Polygons) -> InputError:
    return InputError(f"{one} and {other} have the same name; rename or remove one of them")


def _scan(root: Path, split: bool) -> tuple[dict[tuple[str, str], Path], dict[tuple[str, str], Path]]:
    """Pictures and masks by (split, key); without `split`, a folder such as `train` stays part of the key."""
    images: dict[tuple[str, str], Path] = {}
    masks: dict[tuple[str, str], Path] = {}
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if not is_picture(path) or _hidden(inside) or not path.is_file():
            continue
        folders = inside.parent.as_posix() if inside.parent.parts else ""
        is_mask = bool(MASK.search(folders) or (not IMAGE.search(folders) and MASK_EDGE.search(path.stem)))
        key = _split_of(folders) if split else "", _key(folders, path.stem, split)
        files = masks if is_mask else images
        if key in files:
            raise _twice(files[key], path)
        files[key] = path
    return images, masks


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _split_of(folders: str) -> str:
    return next((name for name, words in SPLITS.items() if words.search(folders)), "")


def _key(folders: str, stem: str, split: bool) -> str:
    """The folders without the words that say role and split, and the stem."""
    for words in (MASK, IMAGE, *(SPLITS.values() if split else ())):
        folders = words.sub("", folders)
    kept = [re.sub(r"[-_. ]+", "_", part).strip("_") for part in folders.split("/")]
    return "/".join([*filter(None, kept), stem])


def _drawn(root: Path, class_names: Sequence[str], split: bool) -> dict[tuple[str, str], Polygons]:
    """Polygon masks by (split, stem of their picture)."""
    drawn: dict[tuple[str, str], Polygons] = {}
    for path in sorted(root.rglob("*.json")):
        inside = path.relative_to(root)
        if _hidden(inside):
            continue
        part = _split_of(inside.as_posix()) if split else ""
        for stem, polygons in read_polygons(path, class_names).items():
            if (part, stem) in drawn:
                raise InputError(f"{drawn[part, stem].file} and {path} both annotate {stem}; remove one of them")
            drawn[part, stem] = polygons
    return drawn
