"""Colours of the classes in masks, overlays and reports."""

import numpy as np
from numpy.typing import NDArray

# Okabe and Ito's colours, which colour-blind people can distinguish; index 0 is background.
PALETTE = np.array([
    [0, 0, 0], [230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0],
    [204, 121, 167],
], dtype=np.uint8)  # fmt: skip


def class_colours(count: int) -> NDArray[np.uint8]:
    """Return (count, 3) uint8 RGB, black for the background first; beyond eight classes colours repeat."""
    later = 1 + (np.arange(1, count) - 1) % (len(PALETTE) - 1)
    colours: NDArray[np.uint8] = PALETTE[np.concatenate([[0], later])]
    return colours
