"""An order of the trunk's tokens in which every attention window is one contiguous run, in all four stages.

A cell is 32x32 pixels of the image: 8x8 tokens in stage 1, 4x4 in stage 2, 2x2 in stage 3 and one in stage 4. That is
one window of stages 1 and 2, and the windows of stages 3 and 4 consist of whole cells, the same ones in both. So the
cells are ordered window by window, and the tokens inside a cell such that each 2x2 tokens that are pooled together are
neighbours. Attention then never has to rearrange its map; Hiera (arXiv 2306.00989) does the same with its mask units.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..network import spans


class WindowRun(NamedTuple):
    """Consecutive windows with the same number of cells."""

    first_cell: int
    """Index of the first window's first cell in the order of cells."""
    windows: int
    """Number of windows."""
    window_cells: int
    """Cells per window."""


def order_cells(rows: int, columns: int, side: int) -> tuple[NDArray[np.int64], list[WindowRun]]:
    """Order the cells of a map window by window.

    Args:
        rows: height of the map in cells.
        columns: width of the map in cells.
        side: side of a window in cells; windows are cut off at the right and the bottom of the map.

    Returns:
        The row-major index in the map of each cell (rows * columns,), in the new order; and the runs of equal windows:
        the whole windows, then those cut at the right, at the bottom and at both, as far as there are any.

    >>> order_cells(2, 3, 2)
    (array([0, 1, 3, 4, 2, 5]), [WindowRun(first_cell=0, windows=1, window_cells=4), \
WindowRun(first_cell=4, windows=1, window_cells=2)])
    """
    index_map = np.arange(rows * columns, dtype=np.int64).reshape(rows, columns)
    parts: list[NDArray[np.int64]] = []
    runs: list[WindowRun] = []
    for top, bottom in spans(rows, side):
        for left, right in spans(columns, side):
            part = index_map[top:bottom, left:right]
            height, width = min(side, bottom - top), min(side, right - left)
            windows = part.reshape(part.shape[0] // height, height, part.shape[1] // width, width)
            runs.append(WindowRun(sum(map(len, parts)), part.size // (height * width), height * width))
            parts.append(windows.transpose(0, 2, 1, 3).reshape(-1))
    return np.concatenate(parts), runs


def order_tokens(cells: NDArray[np.int64], columns: int, cell_side: int) -> NDArray[np.int64]:
    """Order the tokens of one stage: cell by cell, and inside a cell 2x2 by 2x2 recursively (Z-order).

    Args:
        cells: row-major index of each cell, in the order of `order_cells`.
        columns: width of the map in cells.
        cell_side: side of a cell in tokens: 8, 4, 2 or 1.

    Returns:
        The row-major index in the stage's map of each token (cells * cell_side**2,), in the new order.

    >>> order_tokens(np.array([0]), columns=1, cell_side=4)
    array([ 0,  1,  4,  5,  2,  3,  6,  7,  8,  9, 12, 13, 10, 11, 14, 15])
    """
    rows, cols = np.divmod(cells, columns)
    places = np.stack([rows, cols], axis=-1)[:, None]
    while cell_side > 1:
        # Split each token into 2x2, in row-major order.
        places = (2 * places[:, :, None] + np.array([(0, 0), (0, 1), (1, 0), (1, 1)])).reshape(len(cells), -1, 2)
        columns, cell_side = 2 * columns, cell_side // 2
    indices: NDArray[np.int64] = (places[..., 0] * columns + places[..., 1]).reshape(-1)
    return indices
