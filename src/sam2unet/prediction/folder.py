"""Predicting files, folders and globs into a folder."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

from ..data import find_images, is_picture
from ..errors import InputError
from .outputs import mask_picture, overlay, probability_pictures, save_picture
from .predictor import Predictor


@dataclass
class FolderResult:
    """How many pictures were predicted or there already, and what failed, in sentences."""

    done: int = 0
    kept: int = 0
    failed: list[str] = field(default_factory=list)


def find_inputs(inputs: Iterable[str | Path]) -> dict[str, Path]:
    """The pictures that files, folders and globs name, by the name of their output (without suffix).

    Of a folder that holds pictures and masks the pictures are taken; its subfolders stay part of the name, but for
    words such as `images`.

    Raises:
        InputError: nothing there, or two pictures whose outputs would have one name.
    """
    found: dict[str, Path] = {}
    for given in inputs:
        path = Path(given)
        if path.is_dir():
            pictures = list(find_images(path).items())
        elif path.is_file():
            pictures = [(path.stem, path)]
        else:
            named = map(Path, sorted(glob(str(given), recursive=True)))  # noqa: PTH207, Path.glob takes no absolute pattern
            pictures = [(p.stem, p) for p in named if is_picture(p)]
        if not pictures:
            raise InputError(f"{given}: no picture there")
        for name, picture in pictures:
            if name in found and found[name] != picture:
                raise InputError(f"{found[name]} and {picture} would both be written as {name}.png; predict them apart")
            found[name] = picture
    return found


def predict_folder(
    predictor: Predictor,
    pictures: dict[str, Path],
    out: Path,
    *,
    threshold: float = 0.5,
    overlays: bool = False,
    probabilities: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> FolderResult:
    """Write OUT/NAME.png for each picture, and on demand OUT/overlays/NAME.png and OUT/probability/NAME.png.

    What is there already is kept unless `overwrite`. A picture that can't be read doesn't stop the rest.
    `progress` gets how many of how many are through.
    """
    result = FolderResult()
    wanted = {}
    for name, picture in pictures.items():
        if not overwrite and all(file.exists() for file in _outputs(predictor, out, name, overlays, probabilities)):
            result.kept += 1
        else:
            wanted[picture] = name
    progress(result.kept, len(pictures))
    for done, (given, outcome) in enumerate(predictor.try_many(wanted), start=result.kept + 1):
        if isinstance(outcome, InputError):
            result.failed.append(str(outcome))
        else:
            name, classes = wanted[Path(str(given))], predictor.card.classes
            mask = outcome.mask(threshold)
            if overlays:
                save_picture(overlay(outcome.image, mask, classes), out / "overlays" / f"{name}.png")
            if probabilities:
                files = _probability_files(predictor, out, name)
                for plane, file in zip(probability_pictures(outcome), files, strict=True):
                    save_picture(plane, file)
            save_picture(mask_picture(mask, classes), out / f"{name}.png")
            result.done += 1
        progress(done, len(pictures))
    return result


def _outputs(predictor: Predictor, out: Path, name: str, overlays: bool, probabilities: bool) -> list[Path]:
    files = [out / f"{name}.png"]
    if overlays:
        files.append(out / "overlays" / f"{name}.png")
    if probabilities:
        files += _probability_files(predictor, out, name)
    return files


def _probability_files(predictor: Predictor, out: Path, name: str) -> list[Path]:
    """One map, or one per class in a folder of its index."""
    classes, folder = predictor.card.classes, out / "probability"
    return [folder / f"{name}.png"] if classes == 1 else [folder / str(i) / f"{name}.png" for i in range(classes)]
