"""Images and their masks, matched by name."""

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
    """Match the words at the start or end of a name, with the separators between."""
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
    """An image and its mask; `key` is the image's path below its folder, with "/" and without suffix."""

    key: str
    image: Path
    mask: Source


@dataclass
class Listing:
    """The pairs of a folder and the unpaired files, by split: "train", "val", "test", or "" if no folder names one."""

    root: Path
    pairs: dict[str, list[Pair]] = field(default_factory=lambda: defaultdict(list))
    unpaired_images: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    unpaired_masks: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))


@dataclass
class _Files:
    """The files of one split, by key."""

    images: dict[str, Path] = field(default_factory=dict)
    masks: dict[str, Path] = field(default_factory=dict)
    polygons: dict[str, Polygons] = field(default_factory=dict)
    """By the key of their image, or by the end of it."""


def find_pairs(root: str | Path, class_names: Sequence[str] = ()) -> Listing:
    """Match the images and masks below a folder by name, in any layout.

    A folder with a word such as `images`, `Imgs`, `GT`, `masks` or `labels` in its name (`train_masks`,
    `DUTS-TR-Mask`) decides whether its files are images or masks; the innermost such folder wins. Elsewhere a file's
    own name decides (`a_mask.png` beside `a.jpg`); a file whose name says nothing is an image. The files of a pair have
    the same name and the same folders once these words are removed, or at least a name that is unique on both sides.
    LabelMe and COCO files provide masks for the images that they name.

    Args:
        root: the folder.
        class_names: see `read_polygons`.

    Raises:
        InputError: no such folder, no image in it, or an ambiguous name.
    """
    root = Path(root)
    found = pair_up(root, walk(root), class_names)
    if not any((found.pairs, found.unpaired_images, found.unpaired_masks)):
        raise InputError(f"{root}: holds no images: choose a folder with pairs such as images/a.jpg and masks/a.png")
    return found


def pair_up(
    root: Path,
    files_below: Iterable[Path],
    class_names: Sequence[str] = (),
    ignored_words: Sequence[re.Pattern[str]] = (),
) -> Listing:
    """Match some of the files below a folder, as `find_pairs` does.

    Args:
        root: the folder.
        files_below: the files.
        class_names: see `read_polygons`.
        ignored_words: patterns that are removed from the names of folders before matching.

    Raises:
        InputError: an ambiguous name.
    """
    found = _scan(root, files_below, split=True, class_names=class_names, ignored_words=ignored_words)
    listing = Listing(root)
    unnamed = found.get("", _Files())
    taken: dict[str, Path] = {}
    for split in sorted(found, reverse=True):  # "" comes last and keeps the masks that no other split has taken
        files = found[split]
        masks = {key: mask for key, mask in files.masks.items() if split or key not in taken}
        chosen: dict[str, Source] = {key: masks[mask] for key, mask in match(files.images, masks).items()}
        if split:
            chosen |= _take_masks(_unmatched(files.images, chosen), unnamed.masks, taken)
        chosen |= _match_polygons(_unmatched(files.images, chosen), files.polygons, unnamed.polygons)
        unpaired = _unmatched(files.images, chosen)
        pairs = [(split, Pair(key, path, chosen[key])) for key, path in files.images.items() if key in chosen]
        if not split:
            pairs += _take_polygons(unpaired, found)
        for name, pair in pairs:
            listing.pairs[name].append(pair)
        if unpaired:
            listing.unpaired_images[split] = list(unpaired.values())
        if unused := sorted(set(masks.values()) - set(chosen.values())):
            listing.unpaired_masks[split] = unused
    return listing


def _unmatched(images: dict[str, Path], chosen: Mapping[str, Source]) -> dict[str, Path]:
    return {key: path for key, path in images.items() if key not in chosen}


def _take_masks(images: dict[str, Path], masks: dict[str, Path], taken: dict[str, Path]) -> dict[str, Path]:
    """Match a split's images with masks outside any split: GT/ may serve both images/train and images/test.

    Args:
        images: by key.
        masks: by key.
        taken: by a mask's key the image that it belongs to; updated.

    Raises:
        InputError: a mask would serve two images.
    """
    chosen = {}
    for key, mask in match(images, masks).items():
        if mask in taken:
            raise _same_name_error(taken[mask], images[key])
        taken[mask] = images[key]
        chosen[key] = masks[mask]
    return chosen


def _take_polygons(unpaired: dict[str, Path], found: Mapping[str, _Files]) -> list[tuple[str, Pair]]:
    """Pair images outside any split with the annotations of splits, as images/ beside train.json and val.json.

    Paired images are removed from `unpaired`.
    """
    return [
        (split, Pair(key, unpaired.pop(key), polygons))
        for split in sorted(found.keys() - {""})
        for key, polygons in _match_polygons(unpaired, found[split].polygons).items()
    ]


def find_images(root: Path, problems: list[str] | None = None, without: Path | None = None) -> dict[str, Path]:
    """Find the images below a folder, by key; masks are left out unless nothing pairs.

    Args:
        root: the folder.
        problems: receives a sentence for each unreadable folder and for each two images of the same name, both of which
            are then left out; without it, the first raises InputError.
        without: a folder in it to skip.

    Raises:
        InputError: no such folder.
    """
    below = walk(root, problems, without)
    files = _scan(root, below, split=False, annotations=False, problems=problems).get("", _Files())
    ambiguous = set[str]()
    partners = set(match(files.images, files.masks, ambiguous).values()) | ambiguous
    if not partners:
        return _images_and_masks(files, problems)
    # A name such as gas_mask.png makes a mask only beside its image; a folder named masks/ always does.
    extra = {k: p for k, p in files.masks.items() if k not in partners and not _role(p.relative_to(root).parent)}
    return files.images | extra


def find_masks(root: Path) -> dict[str, Source]:
    """Find the masks below a folder, by key; where nothing pairs, every image is one."""
    files = _scan(root, walk(root), split=False).get("", _Files())
    annotated = _match_polygons(files.images, files.polygons)
    if match(files.images, files.masks) or annotated:
        return {**files.masks, **annotated}
    return dict(_images_and_masks(files))


def _images_and_masks(files: _Files, problems: list[str] | None = None) -> dict[str, Path]:
    found = files.images | files.masks
    for key in sorted(files.images.keys() & files.masks.keys()):
        error = _same_name_error(files.images[key], files.masks[key])
        if problems is None:
            raise error
        problems.append(str(error))
        del found[key]
    return found


def match(images: Mapping[str, Path], masks: Mapping[str, Source], ambiguous: set[str] | None = None) -> dict[str, str]:
    """Return the mask's key for each image's key that has one.

    In this order: the same key; the same but for a word such as `_mask`; the same name in any folder, if it is unique
    on both sides.

    Args:
        images: by key.
        masks: by key.
        ambiguous: receives the keys of masks with the same name; without it, the first raises InputError.

    Raises:
        InputError: two masks or two images have the same name once words such as `_mask` are removed.
    """
    matched = {key: key for key in images if key in masks}
    short_images = _by_short_key((key for key in images if key not in matched), IMAGE_EDGE)
    short_masks = _by_short_key((key for key in masks if key not in matched), MASK_EDGE)
    for short, mask_keys in short_masks.items():
        image_keys = [short] if short in images else short_images.get(short, [])
        if image_keys and (short in matched or len(mask_keys) > 1):
            if ambiguous is None:
                raise _same_name_error(*[masks[key] for key in (matched.get(short), *mask_keys) if key][:2])
            ambiguous.update(mask_keys)
        if len(image_keys) == 1 and image_keys[0] not in matched:
            matched[image_keys[0]] = mask_keys[0]
    image_names, mask_names = _by_unique_name(images, IMAGE_EDGE), _by_unique_name(masks, MASK_EDGE)
    used = set(matched.values())
    for name in image_names.keys() & mask_names.keys():
        key, mask = image_names[name], mask_names[name]
        folders = key.rpartition("/")[0], mask.rpartition("/")[0]
        # GT_Instance/a.png is the mask of images/a.jpg, but b/1.png is not that of a/1.jpg.
        if key not in matched and mask not in used and "" in folders:
            matched[key] = mask
    return matched


def _by_short_key(keys: Iterable[str], words: re.Pattern[str]) -> dict[str, list[str]]:
    """Group keys by what remains when the words at the edges of the name are removed."""
    short: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        folder, _, name = key.rpartition("/")
        short[f"{folder}/{words.sub('', name)}".lstrip("/")].append(key)
    return short


def _by_unique_name(keys: Iterable[str], words: re.Pattern[str]) -> dict[str, str]:
    """Map names without folders and words to keys; names that occur twice are left out."""
    named: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        named[words.sub("", key.rpartition("/")[2])].append(key)
    return {name: found[0] for name, found in named.items() if len(found) == 1}


def _match_polygons(images: Mapping[str, Path], *annotations: Mapping[str, Polygons]) -> dict[str, Polygons]:
    """Return the polygons of the images that have some, by key; those for the longest end of the image's key win.

    Raises:
        InputError: polygons that fit two images.
    """
    found: dict[str, Polygons] = {}
    for key in images:
        parts = key.split("/")
        ends = ["/".join(parts[i:]) for i in range(len(parts))]
        polygons = next((entries[end] for end in ends for entries in annotations if end in entries), None)
        if polygons:
            found[key] = polygons
    owners: dict[int, str] = {}
    for key, polygons in found.items():
        owner = owners.setdefault(id(polygons), key)
        if owner != key:
            raise InputError(f"{polygons}: fits both {images[owner]} and {images[key]}: name the image's folder in it")
    return found


def _same_name_error(one: Source, other: Source) -> InputError:
    return InputError(f"{one} and {other} have the same name: rename or remove one of them")


def _scan(
    root: Path,
    files_below: Iterable[Path],
    split: bool,
    annotations: bool = True,
    class_names: Sequence[str] = (),
    ignored_words: Sequence[re.Pattern[str]] = (),
    problems: list[str] | None = None,
) -> dict[str, _Files]:
    """Sort files into images, masks and polygons by split; without `split`, a folder `train` stays part of the key."""
    found: dict[str, _Files] = defaultdict(_Files)
    json_files, ambiguous = [], []
    for path in files_below:
        folder = path.relative_to(root).parent
        if is_image(path):
            role = _role(folder) or ("mask" if MASK_EDGE.search(path.stem) else "image")
            of_split = found[split_of(folder.parts) if split else ""]
            files = of_split.masks if role == "mask" else of_split.images
            key = _key(folder, path.stem, split, ignored_words)
            if key not in files:
                files[key] = path
            elif problems is None:
                raise _same_name_error(files[key], path)
            else:
                problems.append(str(_same_name_error(files[key], path)))
                ambiguous.append((files, key))
        elif annotations and path.suffix.lower() == ".json":
            json_files.append(path)
    for files, key in ambiguous:
        files.pop(key, None)
    for path in json_files:
        _add_polygons(found, path, path.relative_to(root).parent, split, class_names)
    return found


def _add_polygons(found: dict[str, _Files], path: Path, folder: Path, split: bool, class_names: Sequence[str]) -> None:
    """Add the polygons of a JSON file to those of their splits.

    Raises:
        InputError: another file annotates the same image.
    """
    for name, polygons in read_polygons(path, class_names).items():
        # LabelMe's file lies beside its image; COCO's names its images, and its own name may name the split.
        of_one_image = name == path.stem
        place = folder.parts if of_one_image else (*folder.parts, path.stem)
        entries = found[split_of(place) if split else ""].polygons
        key = _key(folder, name, split) if of_one_image else _key(Path(name).parent, Path(name).name, split)
        if key in entries:
            raise InputError(f"{entries[key]} and {path} both annotate {name}: remove one of them")
        entries[key] = polygons


def walk(root: Path, problems: list[str] | None = None, without: Path | None = None) -> Iterator[Path]:
    """Iterate over the files below a folder in order, hidden ones left out; links are followed, but no folder twice.

    Args:
        root: the folder.
        problems: receives a sentence for each unreadable folder; without it, the first raises InputError.
        without: a folder in it to skip.

    Raises:
        InputError: no such folder, or an unreadable one.
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


def _split_camel_case(name: str) -> str:
    """trainImages -> train_Images"""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)


def _role(folder: Path) -> str:
    """Return "mask" or "image" by the innermost folder whose name decides it, or ""."""
    for part in map(_split_camel_case, reversed(folder.parts)):
        if MASK.search(part):
            return "mask"
        if IMAGE.search(part):
            return "image"
    return ""


def split_of(parts: Iterable[str]) -> str:
    """Return the split that the first of some folders' names contains: "train", "val", "test", or ""."""
    plain = [_remove(part, MASK, IMAGE) for part in parts]
    return next((name for part in plain for name, words in SPLITS.items() if words.search(part)), "")


def _remove(part: str, *words: re.Pattern[str]) -> str:
    """Remove words from a folder's name, with "_" between the others."""
    part = _split_camel_case(part)
    for pattern in words:
        part = re.sub(r"[-_. ]+", "_", pattern.sub("", part)).strip("_")
    return part


def without_split(part: str) -> str:
    """Remove the words for a split from a folder's name."""
    return _remove(part, *SPLITS.values())


def without_roles(parts: Iterable[str]) -> tuple[str, ...]:
    """Remove the words for image, mask and split from folders' names; drop the folders of which nothing remains."""
    return tuple(filter(None, (_remove(part, MASK, IMAGE, *SPLITS.values()) for part in parts)))


def _key(folder: Path, stem: str, split: bool, ignored_words: Sequence[re.Pattern[str]] = ()) -> str:
    """Join folders and stem, without the words for image and mask, for the split if `split`, and `ignored_words`."""
    words = (MASK, IMAGE, *(SPLITS.values() if split else ()), *ignored_words)
    return "/".join([*filter(None, (_remove(part, *words) for part in folder.parts)), stem])
