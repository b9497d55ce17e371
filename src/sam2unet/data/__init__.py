"""Pairs of picture and mask: reading, matching, checking, splitting; sample scenes. `dataset` and `augmentation`, which
need torch, are imported by themselves."""

from .check import DataCheck, check_pairs
from .colours import class_colours
from .image_file import MOST_PIXELS, is_picture, open_picture, opened, picture_size, read_frames, read_image, to_rgb
from .mask_file import Mask, Polygons, read_mask
from .pairs import Listing, Pair, find_images, find_masks, find_pairs, match, walk
from .scenes import write_scenes
from .split import hold_out, training_split, write_split

__all__ = [
    "MOST_PIXELS", "DataCheck", "Listing", "Mask", "Pair", "Polygons", "check_pairs", "class_colours", "find_images",
    "find_masks", "find_pairs", "hold_out", "is_picture", "match", "open_picture", "opened", "picture_size",
    "read_frames", "read_image", "read_mask", "to_rgb", "training_split", "walk", "write_scenes", "write_split",
]  # fmt: skip
