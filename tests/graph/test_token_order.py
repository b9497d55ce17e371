"""The order of tokens against windows cut out of the map."""

import numpy as np
import pytest

from sam2unet.graph.token_order import order_cells, token_places


@pytest.mark.parametrize(("rows", "columns", "side"), [(11, 11, 7), (7, 7, 7), (16, 9, 7), (3, 20, 8), (1, 1, 7)])
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_windows_are_runs_of_neighbours_and_quads_lie_together(rows, columns, side, stage):
    cells, spans = order_cells(rows, columns, side)
    along = 8 >> stage
    places = token_places(cells, columns, along)
    assert sorted(places) == list(range(rows * columns * along**2))
    y, x = np.divmod(places, columns * along)
    window = along if stage < 2 else side * along
    found = [run.tolist() for run in np.split(places, len(places) // along**2)] if stage < 2 else []
    for span in spans if stage > 1 else []:
        run = places[span.first * along**2 : (span.first + span.windows * span.cells) * along**2]
        found += [part.tolist() for part in np.split(run, span.windows)]
    expected: dict[tuple[int, int], list[int]] = {}
    for place in range(rows * columns * along**2):
        row, column = divmod(place, columns * along)
        expected.setdefault((row // window, column // window), []).append(place)
    assert sorted(map(sorted, found)) == sorted(expected.values())
    if stage < 3:
        quads = np.stack([y // 2, x // 2], axis=-1).reshape(-1, 4, 2)
        assert (quads == quads[:, :1]).all()
