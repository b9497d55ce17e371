"""The order of tokens against windows that are cut out of the map one by one."""

import numpy as np
import pytest

from sam2unet.graph.token_order import order_cells, order_tokens

MAPS = pytest.mark.parametrize(("rows", "columns", "side"), [(11, 11, 7), (7, 7, 7), (16, 9, 7), (3, 20, 8), (1, 1, 7)])
STAGES = pytest.mark.parametrize("stage", [0, 1, 2, 3])


def windows_of_map(height, width, side):
    """The sorted row-major indices of the tokens of each window, cut off at the right and the bottom; sorted."""
    index_map = np.arange(height * width).reshape(height, width)
    return sorted(
        sorted(index_map[top : top + side, left : left + side].ravel().tolist())
        for top in range(0, height, side)
        for left in range(0, width, side)
    )


@MAPS
@STAGES
def test_order_tokens_holds_each_token_once(rows, columns, side, stage):
    cells, _ = order_cells(rows, columns, side)
    cell_side = 8 >> stage
    assert sorted(order_tokens(cells, columns, cell_side)) == list(range(rows * columns * cell_side**2))


@MAPS
@pytest.mark.parametrize("stage", [0, 1])
def test_windows_of_the_first_two_stages_are_cells(rows, columns, side, stage):
    cells, _ = order_cells(rows, columns, side)
    cell_side = 8 >> stage
    windows = order_tokens(cells, columns, cell_side).reshape(-1, cell_side**2)
    assert sorted(map(sorted, windows.tolist())) == windows_of_map(rows * cell_side, columns * cell_side, cell_side)


@MAPS
@pytest.mark.parametrize("stage", [2, 3])
def test_windows_of_the_last_two_stages_are_contiguous(rows, columns, side, stage):
    cells, runs = order_cells(rows, columns, side)
    cell_side = 8 >> stage
    tokens = order_tokens(cells, columns, cell_side)
    windows = []
    for run in runs:
        first, last = run.first_cell, run.first_cell + run.windows * run.window_cells
        windows += np.split(tokens[first * cell_side**2 : last * cell_side**2], run.windows)
    found = sorted(sorted(window.tolist()) for window in windows)
    assert found == windows_of_map(rows * cell_side, columns * cell_side, side * cell_side)


@MAPS
@pytest.mark.parametrize("stage", [0, 1, 2])
def test_tokens_that_are_pooled_are_neighbours_and_keep_their_order(rows, columns, side, stage):
    cells, _ = order_cells(rows, columns, side)
    cell_side = 8 >> stage
    y, x = np.divmod(order_tokens(cells, columns, cell_side), columns * cell_side)
    pooled = (y // 2 * (columns * cell_side // 2) + x // 2).reshape(-1, 4)
    assert (pooled == pooled[:, :1]).all()
    assert (pooled[:, 0] == order_tokens(cells, columns, cell_side // 2)).all()
