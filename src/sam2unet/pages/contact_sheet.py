"""The page of a checked folder: its images with the outlines of their masks, the most suspicious first."""

import base64
import html
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data import DataCheck, DataOptions, Finding, PairCheck, read_image, read_mask
from ..errors import InputError
from ..files import atomic_path
from .charts import histogram, nice_ticks
from .formatting import format_fraction
from .images import figure
from .mask_meaning import MaskMeaning, value_table
from .outlines import OUTLINE_SIDE, edge_contrast, outline_png, shrink_labels
from .page import page, tile
from .suspicion import Kind, Reason, Twin, by_severity, find_reasons, in_order

SIDE = 200
"""Longest side of a thumbnail, in pixels."""
MAX_SUSPICIOUS, MAX_SHOWN, MAX_OF_A_KIND = 40, 60, 10
"""Images shown per split: those with a reason, all, and those with the same reason."""
MAX_SCORED = 200
"""Images per split whose outlines are compared with edges."""
MAX_TWINS = 12
FOREGROUND_SPANS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Ends of the axis of foregrounds; the first that covers them is taken."""
BINS = 20
BRIGHTEST, DARK, MAX_FACTOR = 99, 64, 6
"""Images whose brightest pixels but one percent have a lower value, of 255, are shown up to six times brighter."""


@dataclass(frozen=True)
class Thumbnail:
    """A small image and its mask."""

    image: Image.Image | None
    """RGB; None if the file can't be read."""
    labels: NDArray[np.uint8] | None = None
    """(H, W), twice as large as the image or more; None if there is no mask to show."""
    contrast: float = float("nan")
    """See `edge_contrast`."""
    is_brightened: bool = False


@dataclass(frozen=True)
class SplitSheet:
    """What is shown of a split."""

    pairs: Sequence[PairCheck]
    reasons: Sequence[Sequence[Reason]]
    suspicious: Sequence[int]
    """Positions, the most suspicious first."""
    ordinary: Sequence[int]
    """Positions of a random sample of the others."""
    num_scored: int
    """Pairs whose outlines were compared with edges."""


def write_contact_sheet(
    path: Path, check: DataCheck, options: DataOptions, describe: Callable[[Finding], str] = str
) -> None:
    """Write a page that needs no other file: findings, how masks are read, and for each split a contact sheet.

    A contact sheet shows images with the outlines of their masks: first those that deserve a look, with the reason,
    then a random sample of the others, the same each time.

    Args:
        path: the file.
        check: what `check_pairs` returned; the images that the page shows, and a sample, are read again.
        options: the same as for `check_pairs`.
        describe: turns a finding into the sentence on the page; the commands append options.
    """
    meaning = MaskMeaning.of(check, options)
    twins = check.duplicates
    with ThreadPoolExecutor() as pool:

        def load(pairs: Sequence[PairCheck]) -> list[Thumbnail]:
            return list(pool.map(lambda pair: load_thumbnail(pair, meaning, options), pairs))

        sections = [
            f'<p class="dim">{html.escape(str(check.root))}</p><div class="tiles">{_tiles(check)}</div>',
            _findings("Errors", "error", [describe(finding) for finding in check.errors]),
            _findings("Worth a look", "warning", [describe(finding) for finding in check.warnings]),
            value_table(check, meaning),
            *(_split_section(name, check, meaning, twins, load) for name in in_order(check.splits)),
            _twin_section(twins, load),
        ]
    name = check.root.absolute().name or str(check.root)
    with atomic_path(path) as partial:
        partial.write_text(page(f"Data check of {name}", "\n".join(filter(None, sections))), encoding="utf-8")


def load_thumbnail(check: PairCheck, meaning: MaskMeaning, options: DataOptions) -> Thumbnail:
    """Read an image and its mask; parts that can't be read are None."""
    try:
        # Of more than 8 bits, images are shown with all of their range: they may be nearly black otherwise.
        image = read_image(
            check.pair.image, normalise_range=check.value_range is not None, ignore_exif=options.ignore_exif
        )
    except InputError:
        return Thumbnail(None)
    image.thumbnail((SIDE, SIDE))
    shown, is_brightened = _brightened(image)
    labels = _read_labels(check, meaning, options)
    if labels is None:
        return Thumbnail(shown, is_brightened=is_brightened)
    scale = OUTLINE_SIDE / max(image.size)
    large = shrink_labels(labels, *(max(1, round(length * scale)) for length in (image.height, image.width)))
    contrast = edge_contrast(image, shrink_labels(large, image.height, image.width))
    return Thumbnail(shown, large, contrast, is_brightened)


def _read_labels(check: PairCheck, meaning: MaskMeaning, options: DataOptions) -> NDArray[np.uint8] | None:
    """Return labels as they are drawn; None if the mask is not shown."""
    if check.error or not meaning.reading:
        return None
    try:
        mask = read_mask(check.pair.mask, meaning.reading, meaning.classes, options.ignore_exif)
    except InputError:  # the file has changed since it was checked
        return None
    return meaning.drawn(mask.labels)


def _brightened(image: Image.Image) -> tuple[Image.Image, bool]:
    """Return the image, brighter if nobody would see anything in it, such as dim cells, and whether it was."""
    brightest = float(np.percentile(np.asarray(image).max(axis=2), BRIGHTEST))
    if brightest >= DARK:
        return image, False
    factor = min(MAX_FACTOR, 255 / max(brightest, 1))
    return image.point(lambda value: min(255, round(value * factor))), True


def _tiles(check: DataCheck) -> str:
    splits = ", ".join(f"{len(check.splits[name].pairs)} in {name}" for name in in_order(check.splits) if name)
    alone = [
        (sum(len(found.unpaired_images) for found in check.splits.values()), "images without a mask"),
        (sum(len(found.unpaired_masks) for found in check.splits.values()), "masks without an image"),
    ]
    foreground = [fraction for found in check.splits.values() for fraction in found.foreground]
    empty = sum(fraction == 0 for fraction in foreground)
    tiles = [tile(str(len(check.pairs)), "pairs", splits or "of image and mask")]
    tiles += [tile(str(number), what, "left out") for number, what in alone if number]
    if foreground:
        meaning = f"mean over {len(foreground)} masks" + (f"; {empty} of them empty" if empty else "; none is empty")
        tiles.append(tile(format_fraction(sum(foreground) / len(foreground)), "foreground", meaning))
    tiles += [
        tile(
            str(len(check.errors)),
            _plural(check.errors, "error"),
            "training would go wrong" if check.errors else "training can start",
        ),
        tile(
            str(len(check.warnings)),
            _plural(check.warnings, "warning"),
            "worth a look" if check.warnings else "nothing to remark",
        ),
    ]
    return "".join(tiles)


def _plural(items: Sequence[object], noun: str) -> str:
    return noun if len(items) == 1 else f"{noun}s"


def _findings(title: str, kind: str, sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    return f'<h2>{title}</h2><ul class="findings {kind}">{items}</ul>'


def _split_section(
    name: str,
    check: DataCheck,
    meaning: MaskMeaning,
    twins: Sequence[Twin],
    load: Callable[[Sequence[PairCheck]], list[Thumbnail]],
) -> str:
    pairs = check.splits[name].pairs
    if not pairs:
        return ""
    order = np.random.default_rng(0).permutation(len(pairs)).tolist()
    sample = [i for i in order if not pairs[i].error][:MAX_SCORED]
    thumbnails = dict(zip(sample, load([pairs[i] for i in sample]), strict=True))
    contrasts = {} if meaning.is_open else {i: thumbnail.contrast for i, thumbnail in thumbnails.items()}
    reasons = find_reasons(pairs, check.reading, twins, contrasts)
    suspicious = by_severity(reasons, MAX_OF_A_KIND)[:MAX_SUSPICIOUS]
    others = [i for i in sample if not reasons[i]][: MAX_SHOWN - len(suspicious)]
    sheet = SplitSheet(pairs, reasons, suspicious, sorted(others, key=lambda i: pairs[i].pair.key), len(sample))
    missing = [i for i in suspicious if i not in thumbnails]
    thumbnails |= zip(missing, load([pairs[i] for i in missing]), strict=True)

    def grid(positions: Sequence[int], heading: str) -> str:
        cells = "".join(_cell(pairs[i], reasons[i], thumbnails[i], meaning, check.root) for i in positions)
        return f'{heading}<div class="sheet">{cells}</div>' if cells else ""

    title = f"{html.escape(name)}: {len(pairs)} pairs" if name else f"{len(pairs)} pairs"
    is_sample = len(suspicious) + len(sheet.ordinary) < len(pairs)
    second = f"<h3>{'A random sample of the others' if is_sample else 'The others'}</h3>" if suspicious else ""
    return (
        f"<h2>{title}</h2>{_summary(sheet)}{grid(suspicious, '<h3>Look at these first</h3>')}"
        f"{grid(sheet.ordinary, second)}"
        f'<div class="charts spaced">{_foreground_chart(pairs, check)}{_size_chart(pairs)}</div>'
    )


def _summary(sheet: SplitSheet) -> str:
    """Return how many pairs there are of each kind of reason, and how many pairs are not shown."""
    number = Counter(kind for several in sheet.reasons for kind in {reason.kind for reason in several})
    compared = f" of {sheet.num_scored} compared" if sheet.num_scored < len(sheet.pairs) else ""
    kinds = [f"{kind}: {number[kind]}{compared if kind == Kind.CONTRAST else ''}" for kind in Kind if number[kind]]
    shown = len(sheet.suspicious) + len(sheet.ordinary)
    rest = len(sheet.pairs) - shown
    number_shown = f"{shown} are shown, {rest} are not." if rest else "All are shown."
    hint = "Point at an image to hide the outline."
    return f'<p class="dim">{number_shown} {hint}<br>{html.escape(" · ".join(kinds))}</p>'


def _cell(check: PairCheck, reasons: Sequence[Reason], thumbnail: Thumbnail, meaning: MaskMeaning, root: Path) -> str:
    """Return an image with its outline over its name, its foreground, and the reasons to look at it."""
    if thumbnail.image is None:
        shown = '<div class="blank">no image</div>'
    else:
        shown = f'<img alt="" src="{_jpeg(thumbnail.image)}">'
    if thumbnail.labels is not None:
        shown += f'<img alt="" src="{_data_uri("png", outline_png(thumbnail.labels, meaning.colours, meaning.line))}">'
    details = [f"{format_fraction(check.foreground)} foreground"] if check.labels else []
    details += ["shown brighter"] if thumbnail.is_brightened else []
    below = f'<div class="dim">{", ".join(details)}</div>' if details else ""
    sentences = [reason.text.replace(f"{root}{os.sep}", "") for reason in reasons]  # no room for whole paths
    why = "".join(f'<p class="why">{_breakable(sentence)}</p>' for sentence in sentences)
    name = _breakable(check.pair.key)
    return f'<figure><div class="outlined">{shown}</div><figcaption>{name}{below}{why}</figcaption></figure>'


def _breakable(text: str) -> str:
    """Return text as HTML whose lines may end within file names."""
    escaped = html.escape(text)
    return escaped.replace("_", "_<wbr>").replace("/", "/<wbr>")


def _jpeg(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return _data_uri("jpeg", buffer.getvalue())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _chart(title: str, drawn: str) -> str:
    return f'<figure class="chart"><figcaption><strong>{title}</strong></figcaption>{drawn}</figure>'


def _foreground_chart(pairs: Iterable[PairCheck], check: DataCheck) -> str:
    """Return the histogram of foregrounds, on the same axis for all splits."""
    fractions = [pair.foreground for pair in pairs if pair.labels]
    if not fractions:
        return ""
    highest = max(pair.foreground for pair in check.pairs)
    end = next(span for span in FOREGROUND_SPANS if span >= highest)
    counts = np.histogram(fractions, bins=BINS, range=(0, end))[0].tolist()
    return _chart("Foreground per image", histogram(counts, "foreground", (0, end), lambda x: f"{100 * x:.3g}%"))


def _size_chart(pairs: Iterable[PairCheck]) -> str:
    sizes = Counter(pair.size for pair in pairs if not pair.error)
    if not sizes:
        return ""
    if len(sizes) == 1:
        return _chart("Size of the images", "<figcaption>All are {}x{}.</figcaption>".format(*next(iter(sizes))))
    longest = [max(size) for size, times in sizes.items() for _ in range(times)]
    ticks = nice_ticks(min(longest) - 1, max(longest) + 1)
    counts = np.histogram(longest, bins=BINS, range=(ticks[0], ticks[-1]))[0].tolist()
    (width, height), times = sizes.most_common(1)[0]
    words = f"Longest side in pixels; {len(sizes)} sizes, most often {width}x{height} ({times})"
    return _chart(words, histogram(counts, "longest sides", (ticks[0], ticks[-1]), "{:.0f}".format))


def _twin_section(twins: Sequence[Twin], load: Callable[[Sequence[PairCheck]], list[Thumbnail]]) -> str:
    """Return images that look the same in two splits, side by side."""
    if not twins:
        return ""
    shown = twins[:MAX_TWINS]
    thumbnails = load([pair for twin in shown for pair in (twin[0], twin[1])])
    cells = "".join(
        figure(
            [one.image or Image.new("RGB", (SIDE, SIDE)), other.image or Image.new("RGB", (SIDE, SIDE))],
            " and ".join(f"{pair.pair.key} ({pair.split or 'no split'})" for pair in (twin[0], twin[1])),
            "",
        )
        for twin, one, other in zip(shown, thumbnails[::2], thumbnails[1::2], strict=True)
    )
    rest = f" {len(twins) - len(shown)} more are not shown." if len(twins) > len(shown) else ""
    return (
        f"<h2>Images that look the same in two splits: {len(twins)}</h2>"
        f'<p class="dim">Scores on them tell little about new images.{rest}</p><div class="grid">{cells}</div>'
    )
