"""Run lengths of masks in COCO's order: down the columns, starting with the number of background pixels."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def of_mask(mask: NDArray[Any]) -> Counts:
    """Count the runs of an (H, W) mask."""
    flat = mask.astype(bool).ravel(order="F")
    changes = np.flatnonzero(np.diff(flat, prepend=False))
    return np.diff(changes, prepend=0, append=flat.size)


def parse(text: str | bytes) -> Counts:
    """Decode COCO's compressed form: 5 bits a character, the lowest first, and differences to the count before last.

    Raises:
        ValueError: the text isn't such a form.
    """
    data = np.frombuffer(text if isinstance(text, bytes) else text.encode(), np.uint8).astype(np.int64) - 48
    if not data.size or data.min() < 0 or data.max() > 63 or data[-1] & 32:
        raise ValueError("not compressed run lengths")
    ends = np.flatnonzero(data & 32 == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    digits = ends - starts + 1
    if digits.max() > 8:
        raise ValueError("a run length of more than 40 bits")
    place = np.arange(data.size) - np.repeat(starts, digits)
    counts: Counts = np.add.reduceat((data & 31) << 5 * place, starts) - ((data[ends] >> 4 & 1) << 5 * digits)
    counts[1::2] = counts[1::2].cumsum()  # the first, second and third are no differences
    counts[2::2] = counts[2::2].cumsum()
    return counts


def check(counts: Sequence[int], pixels: int) -> Counts:
    """Return counts as an array.

    Raises:
        ValueError: they are negative or don't add up to the number of pixels.
    """
    if not all(0 <= count <= pixels for count in counts) or sum(counts) != pixels:
        raise ValueError(f"run lengths that do not add up to its {pixels} pixels")
    return np.array(counts, np.int64)


def pack(counts: Counts) -> bytes:
    """Pack counts for a shape."""
    return counts.astype(np.uint32).tobytes()


def unpack(packed: bytes) -> Counts:
    """Return what `pack` packed."""
    return np.frombuffer(packed, np.uint32).astype(np.int64)


def paint(canvas: NDArray[Any], counts: Counts, value: int) -> None:
    """Set the foreground to a value on a canvas (H, W) in Fortran order."""
    flat = canvas.T.reshape(-1)
    limits = counts.cumsum().tolist()
    for start, end in list(pairwise(limits))[::2]:
        flat[start:end] = value
