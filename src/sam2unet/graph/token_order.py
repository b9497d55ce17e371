"""An order of tokens in which every window of the trunk is one run of neighbours, in all four stages.

At 32 pixels a side of a cell, a cell is 64 tokens of stage 1, 16 of stage 2, 4 of stage 3 and one of stage 4: just a
window of stages 1 and 2, and windows of stages 3 and 4 hold whole cells, the same ones. So it is enough to order the
cells by those windows, and the tokens of a cell such that four that are pooled lie side by side, and attention never
has to rearrange its map. Hiera (arXiv 2306.00989) does so with its mask units.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..network import spans


class Span(NamedTuple):
    """Equal windows side by side: `windows` of `cells` cells each, from cell `first` on."""

    first: int
    windows: int
    cells: int


def order_cells(rows: int, columns: int, side: int) -> tuple[NDArray[np.int64], list[Span]]:
    """Row-major indices of the cells, ordered by windows of `side` cells, which are cut at the right and the bottom."""
    map_ = np.arange(rows * columns, dtype=np.int64).reshape(rows, columns)
    parts: list[NDArray[np.int64]] = []
    runs: list[Span] = []
    for top, bottom in spans(rows, side):
        for left, right in spans(columns, side):
            part = map_[top:bottom, left:right]
            high, wide = min(side, bottom - top), min(side, right - left)
            windows = part.reshape(part.shape[0] // high, high, part.shape[1] // wide, wide).transpose(0, 2, 1, 3)
            runs.append(Span(sum(map(len, parts)), part.size // (high * wide), high * wide))
            parts.append(windows.reshape(-1))
    return np.concatenate(parts), runs


def token_places(cells: NDArray[np.int64], columns: int, side: int) -> NDArray[np.int64]:
    """For each token in order its row-major index in the map, which has `side` (8, 4, 2 or 1) tokens along a cell."""
    rows, cols = np.divmod(cells, columns)
    places = np.stack([rows, cols], axis=-1)[:, None]
    while side > 1:
        places = (2 * places[:, :, None] + np.array([(0, 0), (0, 1), (1, 0), (1, 1)])).reshape(len(cells), -1, 2)
        columns, side = 2 * columns, side // 2
    return (places[..., 0] * columns + places[..., 1]).reshape(-1)
