"""The views of an image that a network predicts: tiles, mirrored image, scales, letterbox; merging their logits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..card import Card, nearest_multiple
from ..errors import InputError

Size = tuple[int, int]
"""(height, width)."""
Network = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""RGB images (batch, height, width, 3) -> logits (batch, classes, height, width)."""


@dataclass(frozen=True)
class TileAxis:
    """Tiles along one axis of an image: the fewest that cover it with the given overlap, evenly spread.

    Args:
        length: of the image, in pixels.
        tile: length of each tile, at most `length`.
        overlap: minimal fraction of a tile that the next tile covers too; 0 to 0.5.
    """

    length: int
    tile: int
    overlap: float

    @cached_property
    def starts(self) -> list[int]:
        """The first pixel of each tile.

        A step is at most tile * (1 - overlap). With length 143, tile 50 and overlap 0.2 that is 40; the first tile
        leaves 143 - 50 = 93 pixels, which takes ceil(93 / 40) = 3 steps. Evenly spread they are 31 pixels each: the
        tiles start at 0, 31, 62 and 93, and the last one ends with the image.
        """
        remaining = self.length - self.tile
        steps = -(-remaining // max(1, int(self.tile * (1 - self.overlap))))
        return [round(remaining * i / steps) for i in range(steps + 1)] if steps else [0]

    @cached_property
    def weights(self) -> list[NDArray[np.float32]]:
        """Weights (tile,) of each tile's pixels; they sum to 1 at every pixel of the axis.

        Where two tiles overlap, one weight rises and the other falls as a squared sine.
        """
        ends = [start + self.tile for start in self.starts]
        total, windows = np.zeros(self.length), []
        for i, start in enumerate(self.starts):
            window = np.ones(self.tile)
            if i:
                shared = ends[i - 1] - start
                window[:shared] *= _ramp(shared)
            if i + 1 < len(ends):
                shared = ends[i] - self.starts[i + 1]
                window[self.tile - shared :] *= _ramp(shared)[::-1]
            windows.append(window)
            total[start : ends[i]] += window
        pairs = zip(windows, self.starts, ends, strict=True)
        return [(window / total[start:end]).astype(np.float32) for window, start, end in pairs]


def _ramp(length: int) -> NDArray[np.float64]:
    """Squared sine, from nearly 0 to nearly 1 in `length` pixels."""
    ramp: NDArray[np.float64] = np.sin(np.pi / 2 * (np.arange(length) + 0.5) / length) ** 2
    return ramp


@dataclass(frozen=True)
class Grid:
    """The tiles of an image, row by row."""

    rows: TileAxis
    columns: TileAxis

    def __len__(self) -> int:
        return len(self.rows.starts) * len(self.columns.starts)

    def boxes(self, row: int) -> list[tuple[int, int, int, int]]:
        """(left, top, right, bottom) of the tiles of a row, as Pillow's boxes are."""
        top, height, width = self.rows.starts[row], self.rows.tile, self.columns.tile
        return [(left, top, left + width, top + height) for left in self.columns.starts]

    def blend(self, logits: NDArray[np.float32], top: int, bottom: int) -> NDArray[np.float32]:
        """Blend all tiles' logits (tiles, classes, h, w) into rows `top` to `bottom` of the image.

        Returns:
            (classes, bottom - top, width).
        """
        result = np.zeros((logits.shape[1], bottom - top, self.columns.length), np.float32)
        per_row = len(self.columns.starts)
        for row in range(len(self.rows.starts)):
            self.add_row(result, top, logits[row * per_row : (row + 1) * per_row], row)
        return result

    def add_row(self, result: NDArray[np.float32], top: int, logits: NDArray[np.float32], row: int) -> None:
        """Add the weighted logits of one row of tiles, resized bilinearly to the image's pixels, as published.

        Args:
            result: (classes, rows, width), changed in place; its first row is row `top` of the image.
            top: see `result`.
            logits: (tiles, classes, h, w).
            row: index of the row of tiles.
        """
        start, height, width = self.rows.starts[row], self.rows.tile, self.columns.tile
        first, last = max(top, start), min(top + result.shape[1], start + height)
        if first >= last:
            return
        row_weights = self.rows.weights[row][first - start : last - start, None]
        for tile, left, column_weights in zip(logits, self.columns.starts, self.columns.weights, strict=True):
            weighted = resized(tile, height, width, first - start, last - start)
            weighted *= row_weights
            weighted *= column_weights
            result[:, first - top : last - top, left : left + width] += weighted


class Placement(NamedTuple):
    """Where a tile lies in the network's input; the rest is padding."""

    rows: slice
    columns: slice
    height: int
    width: int


@dataclass(frozen=True)
class Views:
    """The views of an image that are predicted and merged; by default those that the network was trained on.

    Args:
        tile: side of the square tiles that are predicted one by one, in pixels of the image, 32 or more; 0: the whole
            image at once; None: as the network was trained.
        overlap: minimal fraction of a tile that the next tile covers too, 0 to 0.5; None: as the network was validated.
        flip: average with the mirrored view.
        scales: average over these factors of the network's input size; 0.1 to 4 each.
        letterbox: keep the aspect ratio and pad with the mean colour, instead of stretching a view to the network's
            input size.

    Raises:
        InputError: a value is out of range.
    """

    tile: int | None = None
    overlap: float | None = None
    flip: bool = False
    scales: Sequence[float] = (1.0,)
    letterbox: bool = False

    def __post_init__(self) -> None:
        if self.tile and self.tile < 32:
            raise InputError(f"tile is {self.tile}: it must be 32 pixels or more, or 0 for the whole image")
        if self.overlap is not None and not 0 <= self.overlap <= 0.5:
            raise InputError(f"overlap is {self.overlap:g}: it must lie from 0 to 0.5")
        if not self.scales or not all(0.1 <= scale <= 4 for scale in self.scales):
            raise InputError(f"scales are {', '.join(f'{s:g}' for s in self.scales)}: they must lie from 0.1 to 4")

    def as_trained(self, card: Card) -> "Views":
        """Return the views with the tiles and the overlap of a network's card where they are None."""
        tile = (card.tile or 0) if self.tile is None else self.tile
        return replace(self, tile=tile, overlap=card.tile_overlap if self.overlap is None else self.overlap)

    def sizes(self, size: Size) -> list[Size]:
        """The network's input sizes (height, width), one per scale; multiples of 32."""
        return [(nearest_multiple(size[0] * scale), nearest_multiple(size[1] * scale)) for scale in self.scales]

    def grid(self, height: int, width: int) -> Grid:
        """The tiles of an image of that size; a single one if tiles are not wanted."""
        overlap = Card.tile_overlap if self.overlap is None else self.overlap
        rows, columns = (TileAxis(length, min(length, self.tile or length), overlap) for length in (height, width))
        return Grid(rows, columns)

    def of(self, image: Image.Image, card: Card) -> "ImageViews":
        """Bind the views to an RGB image and a network's card."""
        views = self.as_trained(card)
        return ImageViews(image, views, card.size, card.mean_colour, views.tile if card.tile else None)

    def run(self, network: Network, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network on images (batch, height, width, 3), with `flip` on their mirror images too.

        Returns:
            Logits (batch, classes, height, width); with `flip` the mean of both.
        """
        logits = network(images)
        if self.flip:
            logits = (logits + network(np.ascontiguousarray(images[:, :, ::-1]))[..., ::-1]) * np.float32(0.5)
        return logits


@dataclass(frozen=True)
class ImageViews:
    """The views of one image: renders them for the network and merges the network's logits."""

    image: Image.Image
    """RGB."""
    views: Views
    size: Size
    """The network's input size, to which logits of other scales are resized."""
    padding: tuple[int, ...]
    """RGB colour around the image in a letterbox, or in a tile that is larger than the image."""
    fixed_tile: int | None = None
    """Side that a smaller image is padded to, so that it is not shown larger than tiles were in training; None: it is
    stretched to the network's input."""

    @cached_property
    def grid(self) -> Grid:
        """The tiles."""
        return self.views.grid(self.image.height, self.image.width)

    def render(self, row: int) -> list[NDArray[np.uint8]]:
        """Render a row of tiles at each scale: a list of arrays (tiles, height, width, 3)."""
        rendered = []
        for size in self.views.sizes(self.size):
            place, boxes = self._placement(size), self.grid.boxes(row)
            tiles = np.empty((len(boxes), *size, 3), np.uint8)
            tiles[:] = self.padding
            for tile, box in zip(tiles[:, place.rows, place.columns], boxes, strict=True):
                tile[:] = np.asarray(self.image.resize((place.width, place.height), Image.Resampling.BILINEAR, box))
            rendered.append(tiles)
        return rendered

    def merge(self, logits: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Average logits over the scales, without the padding.

        Args:
            logits: (tiles, classes, height, width) at each scale.

        Returns:
            (tiles, classes, h, w): at `size`, or smaller by the padding.
        """
        height, width = self._placement(self.size)[2:]
        merged = []
        for scaled in logits:
            place = self._placement((scaled.shape[2], scaled.shape[3]))
            tiles = scaled[:, :, place.rows, place.columns]
            if (place.height, place.width) != (height, width):
                tiles = np.stack([resized(tile, height, width) for tile in tiles])
            merged.append(tiles)
        return merged[0] if len(merged) == 1 else np.mean(merged, axis=0, dtype=np.float32)

    def _placement(self, size: Size) -> Placement:
        height, width = size
        axes = self.grid.rows, self.grid.columns
        if self.fixed_tile:
            height, width = (max(1, round(s * a.tile / self.fixed_tile)) for s, a in zip(size, axes, strict=True))
        elif self.views.letterbox:
            factor = min(height / axes[0].tile, width / axes[1].tile)
            height, width = (max(1, round(axis.tile * factor)) for axis in axes)
        top, left = (size[0] - height) // 2, (size[1] - width) // 2
        return Placement(slice(top, top + height), slice(left, left + width), height, width)


def resized(
    maps: NDArray[np.float32], height: int, width: int, top: int = 0, bottom: int | None = None
) -> NDArray[np.float32]:
    """Resize maps (C, h, w) bilinearly to (C, height, width) and return a copy of rows `top` to `bottom`.

    Equals torch's `interpolate` with align_corners=False and without antialiasing.
    """
    for axis, length, wanted in ((1, height, np.arange(height)[top:bottom]), (2, width, np.arange(width))):
        old_length = maps.shape[axis]
        positions = np.maximum((wanted + 0.5) * (old_length / length) - 0.5, 0)
        low = positions.astype(np.int64)
        fraction = (positions - low).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(3)])
        result = maps.take(low, axis)
        if fraction.any():
            result += fraction * (maps.take(np.minimum(low + 1, old_length - 1), axis) - result)
        maps = result
    return maps
