"""What of a picture the network is shown, and how its answers become one: tiles, flips, scales, letterboxes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..card import nearest_multiple
from ..errors import InputError

Size = tuple[int, int]
"""(height, width)."""
Network = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Pictures (batch, height, width, 3) -> logits (batch, classes, height, width)."""


@dataclass(frozen=True)
class TileAxis:
    """Tiles along one side of a picture: as few as `overlap` allows, evenly spread, all of one length."""

    length: int
    tile: int
    overlap: float

    @cached_property
    def starts(self) -> list[int]:
        """Where the tiles begin."""
        beyond = self.length - self.tile
        steps = -(-beyond // max(1, int(self.tile * (1 - self.overlap))))
        return [round(beyond * i / steps) for i in range(steps + 1)] if steps else [0]

    @cached_property
    def weights(self) -> list[NDArray[np.float32]]:
        """(tile,) for each tile: they rise and fall by a squared sine where tiles overlap, and sum to 1 everywhere."""
        ends = [start + self.tile for start in self.starts]
        total, windows = np.zeros(self.length), []
        for i, start in enumerate(self.starts):
            window = np.ones(self.tile)
            if i:
                shared = ends[i - 1] - start
                window[:shared] *= _rise(shared)
            if i + 1 < len(ends):
                shared = ends[i] - self.starts[i + 1]
                window[self.tile - shared :] *= _rise(shared)[::-1]
            windows.append(window)
            total[start : ends[i]] += window
        pairs = zip(windows, self.starts, ends, strict=True)
        return [(window / total[start:end]).astype(np.float32) for window, start, end in pairs]


def _rise(length: int) -> NDArray[np.float64]:
    rise: NDArray[np.float64] = np.sin(np.pi / 2 * (np.arange(length) + 0.5) / length) ** 2
    return rise


@dataclass(frozen=True)
class Grid:
    """The tiles of a picture, row by row."""

    rows: TileAxis
    columns: TileAxis

    def __len__(self) -> int:
        return len(self.rows.starts) * len(self.columns.starts)

    def boxes(self, row: int) -> list[tuple[int, int, int, int]]:
        """(left, top, right, bottom) of the tiles of a row."""
        top, tall, wide = self.rows.starts[row], self.rows.tile, self.columns.tile
        return [(left, top, left + wide, top + tall) for left in self.columns.starts]

    def blend(self, logits: NDArray[np.float32], top: int, bottom: int) -> NDArray[np.float32]:
        """Logits (tiles, classes, h, w) -> (classes, bottom - top, width): some rows of the whole picture."""
        result = np.zeros((logits.shape[1], bottom - top, self.columns.length), np.float32)
        across = len(self.columns.starts)
        for row in range(len(self.rows.starts)):
            self.add(result, top, logits[row * across : (row + 1) * across], row)
        return result

    def add(self, result: NDArray[np.float32], top: int, logits: NDArray[np.float32], row: int) -> None:
        """Add a row of tiles, logits (tiles, classes, h, w), to (classes, height, width) that begins at `top`.

        Resized bilinearly to the picture's pixels, as published, and weighted where tiles overlap.
        """
        start, tall, wide = self.rows.starts[row], self.rows.tile, self.columns.tile
        first, last = max(top, start), min(top + result.shape[1], start + tall)
        if first >= last:
            return
        down = self.rows.weights[row][first - start : last - start, None]
        for tile, left, along in zip(logits, self.columns.starts, self.columns.weights, strict=True):
            own = resized(tile, tall, wide, first - start, last - start)
            own *= down
            own *= along
            result[:, first - top : last - top, left : left + wide] += own


class Placement(NamedTuple):
    """Where a tile lies in the network's picture."""

    rows: slice
    columns: slice
    height: int
    width: int


@dataclass(frozen=True)
class Views:
    """How a picture is shown to the network.

    Args:
        tile: side in the picture's pixels of the squares that are predicted one by one; None: the whole at once.
        overlap: share of a tile that the next one covers too, at least; 0 to 0.5.
        flip: also flipped left to right; the mean of both answers.
        scales: factors of the network's size; the mean of all answers.
        letterbox: keep the aspect, with bars of the mean colour; else a view is stretched to the network's size.

    Raises:
        InputError: out of range.
    """

    tile: int | None = None
    overlap: float = 0.25
    flip: bool = False
    scales: Sequence[float] = (1.0,)
    letterbox: bool = False

    def __post_init__(self) -> None:
        if self.tile is not None and self.tile < 32:
            raise InputError(f"tile is {self.tile}: it must be 32 pixels or more")
        if not 0 <= self.overlap <= 0.5:
            raise InputError(f"overlap is {self.overlap:g}: it must lie from 0 to 0.5")
        if not self.scales or not all(0.1 <= scale <= 4 for scale in self.scales):
            raise InputError(f"scales are {', '.join(f'{s:g}' for s in self.scales)}: they must lie from 0.1 to 4")

    def sizes(self, size: Size) -> list[Size]:
        """The network's sizes, by scale."""
        return [(nearest_multiple(size[0] * scale), nearest_multiple(size[1] * scale)) for scale in self.scales]

    def grid(self, height: int, width: int) -> Grid:
        """The tiles of a picture."""
        rows, columns = (TileAxis(side, min(side, self.tile or side), self.overlap) for side in (height, width))
        return Grid(rows, columns)

    def show(self, image: Image.Image, grid: Grid, row: int, size: Size, colour: Sequence[int]) -> NDArray[np.uint8]:
        """A row of a picture's tiles -> (tiles, height, width, 3) at a size of the network; bars in `colour`."""
        inner, boxes = self._inner(grid, size), grid.boxes(row)
        shown = np.empty((len(boxes), *size, 3), np.uint8)
        shown[:] = colour
        for view, box in zip(shown[:, inner.rows, inner.columns], boxes, strict=True):
            view[:] = np.asarray(image.resize((inner.width, inner.height), Image.Resampling.BILINEAR, box))
        return shown

    def ask(self, network: Network, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Pictures (batch, height, width, 3) -> logits (batch, classes, height, width), flipped too if so wished."""
        logits = network(pictures)
        if self.flip:
            logits = (logits + network(np.ascontiguousarray(pictures[:, :, ::-1]))[..., ::-1]) * np.float32(0.5)
        return logits

    def join(self, answers: Sequence[NDArray[np.float32]], grid: Grid, size: Size) -> NDArray[np.float32]:
        """Logits (tiles, classes, height, width) by scale -> their mean (tiles, classes, h, w) at `size`, no bars."""
        inner, joined = self._inner(grid, size), []
        for logits in answers:
            own = self._inner(grid, (logits.shape[2], logits.shape[3]))
            tiles = logits[:, :, own.rows, own.columns]
            if own[2:] != inner[2:]:
                tiles = np.stack([resized(tile, inner.height, inner.width) for tile in tiles])
            joined.append(tiles)
        return joined[0] if len(joined) == 1 else np.mean(joined, axis=0, dtype=np.float32)

    def _inner(self, grid: Grid, size: Size) -> Placement:
        height, width = size
        if self.letterbox:
            factor = min(height / grid.rows.tile, width / grid.columns.tile)
            height, width = (max(1, round(side.tile * factor)) for side in (grid.rows, grid.columns))
        top, left = (size[0] - height) // 2, (size[1] - width) // 2
        return Placement(slice(top, top + height), slice(left, left + width), height, width)


def resized(
    maps: NDArray[np.float32], height: int, width: int, top: int = 0, bottom: int | None = None
) -> NDArray[np.float32]:
    """(C, h, w) -> rows `top` to `bottom` of (C, height, width), a copy.

    Bilinearly, without antialiasing: torch's `interpolate`, corners not aligned.
    """
    for axis, length, wanted in ((1, height, np.arange(height)[top:bottom]), (2, width, np.arange(width))):
        old = maps.shape[axis]
        places = np.maximum((wanted + 0.5) * (old / length) - 0.5, 0)
        low = places.astype(np.int64)
        share = (places - low).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(3)])
        below = maps.take(low, axis)
        if share.any():
            below += share * (maps.take(np.minimum(low + 1, old - 1), axis) - below)
        maps = below
    return maps
