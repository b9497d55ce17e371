"""Predicting files, folders and globs into a folder."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

from PIL import Image

from ..data import find_images, is_picture
from ..errors import InputError
from ..files import appearing
from .outputs import mask_picture, overlay, probability_pictures, save_picture
from .predictor import Prediction, Predictor

WRITERS = 2


@dataclass
class FolderResult:
    """How many pictures were predicted or there already, and what failed, in sentences."""

    done: int = 0
    kept: int = 0
    failed: list[str] = field(default_factory=list)


def find_inputs(inputs: Iterable[str | Path], out: Path) -> dict[str, Path]:
    """The pictures that files, folders and globs name, by the name of their output in `out` (without suffix).

    Of a folder that holds pictures and masks the pictures are taken; its subfolders stay part of the name, but for
    words such as `images`. If `out` lies in such a folder, what is in it is not taken.

    Raises:
        InputError: nothing there, two pictures whose outputs would have one name, or one that its output would replace.
    """
    found: dict[str, Path] = {}
    for given in inputs:
        path = Path(given)
        if path.is_dir():
            own = out.resolve() if path.resolve() in out.resolve().parents else None
            pictures = [(n, p) for n, p in find_images(path).items() if own is None or own not in p.resolve().parents]
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
            if picture.resolve() == (out / f"{name}.png").resolve():
                raise InputError(f"{picture}: its mask would replace it; name another folder with --out")
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

    Of several classes that have names OUT/classes.txt says these, one a line, background first.
    What is there already is kept unless `overwrite`. A picture that can't be read doesn't stop the rest.
    `progress` gets how many of how many are through.
    """
    card = predictor.card
    if len(card.class_names) == card.classes > 1:
        with appearing(out / "classes.txt") as partial:
            partial.write_text("".join(f"{name}\n" for name in card.class_names), encoding="utf-8")
    result = FolderResult()
    wanted: list[tuple[str, Path]] = []
    for name, picture in pictures.items():
        if not overwrite and all(file.exists() for file in _outputs(predictor, out, name, overlays, probabilities)):
            result.kept += 1
        else:
            wanted.append((name, picture))

    def tell() -> None:
        progress(result.kept + result.done + len(result.failed), len(pictures))

    tell()
    outcomes = predictor.try_many(picture for _, picture in wanted)
    with ThreadPoolExecutor(WRITERS) as pool:
        written: deque[Future[None]] = deque()

        def finish(at_most: int) -> None:
            while len(written) > at_most:
                written.popleft().result()
                result.done += 1
                tell()

        for (name, _), (_, outcome) in zip(wanted, outcomes, strict=True):
            if isinstance(outcome, InputError):
                result.failed.append(str(outcome))
                tell()
                continue
            options = (threshold, overlays, probabilities, overwrite)
            written.append(pool.submit(_write, predictor, outcome, out, name, *options))
            finish(2 * WRITERS)  # what is predicted and not yet written stays in memory
        finish(0)
    return result


def _write(
    predictor: Predictor, prediction: Prediction, out: Path, name: str, threshold: float, overlays: bool,
    probabilities: bool, overwrite: bool,
) -> None:  # fmt: skip
    for file, drawn in _drawn(predictor, prediction, out, name, threshold, overlays, probabilities).items():
        if overwrite or not file.exists():
            save_picture(drawn, file)
    if overwrite and not probabilities:
        for stale in _probability_files(predictor, out, name):
            stale.unlink(missing_ok=True)  # evaluate would prefer it to the new mask


def _drawn(
    predictor: Predictor, prediction: Prediction, out: Path, name: str, threshold: float, overlays: bool, probs: bool
) -> dict[Path, Image.Image]:
    """What is written of a prediction, by file; the mask last, since it says that all is there."""
    mask, classes = prediction.mask(threshold), predictor.card.classes
    drawn = {}
    if overlays:
        drawn[out / "overlays" / f"{name}.png"] = overlay(prediction.image, mask, classes)
    if probs:
        drawn |= zip(_probability_files(predictor, out, name), probability_pictures(prediction), strict=True)
    return drawn | {out / f"{name}.png": mask_picture(mask, classes)}


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
