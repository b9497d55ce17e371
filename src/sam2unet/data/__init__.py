"""Pairs of image and mask: reading, matching, checking, splitting; sample scenes. Knows no torch."""

from .annotations import Annotation
from .check import check_folder, check_masks, check_pairs, has_same_aspect, read_content
from .colours import class_colours
from .data_check import DataCheck, Finding, PairCheck, SplitCheck
from .findings import check_validation
from .images.image_file import (
    MAX_PIXELS,
    image_size,
    is_image,
    list_pages,
    open_header,
    open_image,
    pixel_count,
    read_box,
    read_frames,
    read_image,
    to_rgb,
)
from .images.image_formats import stem_of
from .images.perceptual_hash import perceptual_hash, same_looking
from .layout.find import find_files, find_images, find_masks, match, match_files
from .layout.names import split_of, without_roles, without_split
from .layout.pairs import Listing, Pair, find_pairs, pair_up
from .layout.walk import walk
from .masks.mask_file import Mask, counted_values, read_mask
from .masks.mask_reading import choose_reading, describe_reading
from .masks.mask_values import MaskReading, parse_mask_values
from .masks.stored_mask import StoredMask, read_stored
from .options import DataOptions
from .scenes import write_scenes
from .sources import ImageSource, MaskParts, MaskSource, Page, files_of
from .split import hold_out, training_split, write_split
from .tables import check_rows, print_check, write_check
from .thickness import object_thickness

__all__ = [
    "MAX_PIXELS", "Annotation", "DataCheck", "DataOptions", "Finding", "ImageSource", "Listing", "Mask",
    "MaskParts", "MaskReading", "MaskSource", "Page", "Pair", "PairCheck", "SplitCheck", "StoredMask",
    "check_folder", "check_masks", "check_pairs", "check_rows", "check_validation", "choose_reading",
    "class_colours", "counted_values", "describe_reading", "files_of", "find_files", "find_images", "find_masks",
    "find_pairs", "has_same_aspect", "hold_out", "image_size", "is_image", "list_pages", "match", "match_files",
    "object_thickness", "open_header", "open_image", "pair_up", "parse_mask_values", "perceptual_hash", "pixel_count",
    "print_check", "read_box", "read_content", "read_frames", "read_image", "read_mask", "read_stored", "same_looking",
    "split_of", "stem_of", "to_rgb", "training_split", "walk", "without_roles", "without_split", "write_check",
    "write_scenes", "write_split",
]  # fmt: skip
