"""Pairs of image and mask: reading, matching, checking, splitting; sample scenes. Knows no torch."""

from .check import DataCheck, check_pairs
from .colours import class_colours
from .image_file import MAX_PIXELS, is_image, open_header, open_image, pixel_count, read_frames, read_image, to_rgb
from .mask_file import LOSSY, Mask, Polygons, class_indices, read_mask
from .pairs import (
    Listing,
    Pair,
    find_images,
    find_masks,
    find_pairs,
    match,
    pair_up,
    split_of,
    walk,
    without_roles,
    without_split,
)
from .scenes import write_scenes
from .split import hold_out, training_split, write_split
from .tables import check_rows, print_check

__all__ = [
    "LOSSY", "MAX_PIXELS", "DataCheck", "Listing", "Mask", "Pair", "Polygons", "check_pairs", "check_rows",
    "class_colours", "class_indices", "find_images", "find_masks", "find_pairs", "hold_out", "is_image", "match",
    "open_header", "open_image", "pair_up", "pixel_count", "print_check", "read_frames", "read_image", "read_mask",
    "split_of", "to_rgb", "training_split", "walk", "without_roles", "without_split", "write_scenes", "write_split",
]  # fmt: skip
