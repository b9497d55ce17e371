"""What the user decides about a folder of images and masks, where its files alone don't tell."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class DataOptions:
    """How the pairs of a folder are found and read. The defaults follow from the files, or raise an InputError."""

    images: str | None = None
    """Pattern of the images, relative to the folder, such as "*.jpg" or "images/*"."""
    masks: str | None = None
    """Pattern of the masks, relative to the folder, such as "1st_manual/*" or "*_1stHO.png"."""
    pairs: Path | None = None
    """A CSV file with the columns image and mask, and perhaps split; its paths are relative to the folder."""
    mask_values: str | None = None
    """What the values in masks mean; see `parse_mask_values`."""
    instances: bool = False
    """The values of masks are numbers of objects: all but 0 are foreground."""
    layers: int | None = None
    """Axis along which the pages of a volume lie, from 0; by default the last of NIfTI, the first of TIFF."""
    crowds: Literal["object", "ignore"] = "object"
    """What COCO's crowd regions are."""
    boxes: Literal["ask", "skip", "fill"] = "ask"
    """Images with a box that has no outline: raise an error, leave them out, or take the box as the mask."""
    line_width: float | None = None
    """Width in pixels of annotated lines, which have no area; None: they are left out and counted."""
    ignore_exif: bool = False
    """Read images as they are stored, not turned upright by their EXIF orientation."""
    classes: int = 1
    """1 for foreground against background; else the number of classes, including background (0)."""
    class_names: tuple[str, ...] = ()
    """Labels of annotations in the order of their class indices, background first if there are several."""
