"""The data sets of speed/quality.py --peer, each as a CSV file of pairs with a fixed split."""

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

from sam2unet.data import write_scenes

Row = tuple[Path, Path, str]
"""Image, mask, and "train" or "test"."""


def by_stem(folder: Path, split: str) -> list[Row]:
    """The pairs of a folder with images/ and masks/."""
    masks = {mask.stem: mask for mask in (folder / "masks").iterdir()}
    return [(image, masks[image.stem], split) for image in sorted((folder / "images").iterdir())]


def drive(root: Path, out: Path) -> Iterable[Row]:
    for folder, split in ((root / "drive/training", "train"), (root / "drive/test", "test")):
        for image in sorted((folder / "images").iterdir()):
            yield image, folder / "1st_manual" / f"{image.name[:2]}_manual1.gif", split


def nuclei(root: Path, out: Path) -> Iterable[Row]:
    return [row for split in ("train", "test") for row in by_stem(root / "dsb2018_nuclei" / split, split)]


def polyps(root: Path, out: Path) -> Iterable[Row]:
    """By video: no video's frames are on both sides."""
    folder = root / "cvc_clinicdb"
    with (folder / "videos.csv").open(newline="") as file:
        splits = {row["frame"]: row["split"] for row in csv.DictReader(file)}
    rows = [*by_stem(folder / "train", ""), *by_stem(folder / "test", "")]
    return [(image, mask, splits[image.stem]) for image, mask, _ in rows]


def objects(root: Path, out: Path) -> Iterable[Row]:
    """CAMO and salient objects; every fifth pair is for testing."""
    rows = [*by_stem(root / "camo/train", ""), *by_stem(root / "sod/train", "")]
    return [(image, mask, "train" if index % 5 else "test") for index, (image, mask, _) in enumerate(rows)]


def lines(root: Path, out: Path) -> Iterable[Row]:
    """The sample scenes of lines."""
    folder = out / "lines"
    if not folder.exists():
        write_scenes(folder, 40, 20, 512, kind="lines")
    return [row for split in ("train", "test") for row in by_stem(folder / split, split)]


SETS: dict[str, Callable[[Path, Path], Iterable[Row]]] = {
    "drive": drive, "nuclei": nuclei, "polyps": polyps, "objects": objects, "lines": lines,
}  # fmt: skip


def write_list(name: str, root: Path, out: Path) -> Path:
    """Write OUT/NAME.csv.

    Args:
        name: of the set.
        root: folder of the data sets.
        out: an existing folder, in which the lines are drawn too.
    """
    path = out / f"{name}.csv"
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "mask", "split"])
        table.writerows((image.resolve(), mask.resolve(), split) for image, mask, split in SETS[name](root, out))
    return path
