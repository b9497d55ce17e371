"""Outputs that exist already: which are kept, whether they fit their images, and what must not be replaced."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..data import open_header, open_image, pixel_count
from ..errors import InputError
from .components import MaskArray
from .inputs import InputImage, Inputs
from .outputs import FOLDERS, Outputs

MASK_MODES = ("1", "L", "P")
"""Pillow's modes of the masks that are written."""


@dataclass(frozen=True)
class OutputFolder:
    """The folder of outputs: existing files are kept unless `overwrite`."""

    path: Path
    outputs: Outputs
    classes: int
    """Of the network."""
    overwrite: bool

    def mask_file(self, name: str) -> Path:
        """The mask of an image."""
        return self.path / f"{name}.png"

    def files_to_write(self, name: str) -> dict[Path, str]:
        """File -> kind of the outputs that are missing or to be overwritten, the mask last."""
        files = {self.path / file: kind for file, kind in self.outputs.files(name, self.classes).items()}
        return {file: kind for file, kind in files.items() if self.overwrite or not file.exists()}

    def stale_maps(self, name: str) -> list[Path]:
        """Maps of an earlier run that an overwritten mask makes obsolete, and that `evaluate` would prefer to it."""
        if not self.overwrite:
            return []
        maps = Outputs(frozenset({"probability"})).files(name, self.classes)
        return [self.path / file for file in maps if file not in self.outputs.files(name, self.classes)]

    def check_collisions(self, image: InputImage, inputs: Inputs) -> None:
        """Check that no output of an image would replace an input image or another image's output.

        Raises:
            InputError: one would.
        """
        folder, slash, _ = image.name.partition("/")
        if slash and folder in FOLDERS.values():
            raise InputError(
                f"{image.path}: its mask would lie in {self.path / folder}, where other outputs do; "
                "predict it separately"
            )
        other = inputs.named_like_frames.get(image.name, image.path)
        if image.is_frame and other != image.path:
            raise InputError(
                f"{image.path} and {other} would both be written as {image.name}.png; predict them separately"
            )
        if not inputs.in_output_folder:
            return
        resolved = self.path.resolve()
        changed = [resolved / file for file in self.outputs.files(image.name, self.classes)]
        changed += [resolved / file.relative_to(self.path) for file in self.stale_maps(image.name)]
        for file in changed:
            if file in inputs.in_output_folder:
                replaced = "it" if file == image.path.parent.resolve() / image.path.name else str(file)
                raise InputError(f"{image.path}: its mask would replace {replaced}; choose another folder", "out")

    def check_existing_mask(self, name: str) -> int:
        """Check that an existing mask is one, by the head of its file.

        Returns:
            Its number of pixels; 0 if it does not exist, or is broken and will be overwritten.

        Raises:
            InputError: the file is broken and would be kept, or is an image that is no mask.
        """
        file = self.mask_file(name)
        if not file.exists():
            return 0
        try:
            with open_header(file) as found:
                if found.mode in MASK_MODES:
                    return found.width * found.height
        except InputError as error:
            if self.overwrite:
                return 0
            raise _unless_overwritten(error) from error
        raise InputError(f"{file}: exists and is not a mask; choose another folder", "out")

    def read_mask(self, image: InputImage, size: tuple[int, int] | None = None) -> MaskArray:
        """Read the existing mask of an image.

        Args:
            image: the image.
            size: (height, width) of the image; if None, the pixel count that its file states is compared.

        Raises:
            InputError: the mask is broken, has another size than the image or more classes than the network.
        """
        file = self.mask_file(image.name)
        try:
            mask = mask_array(open_image(file), self.classes)
            if self.classes > 1 and mask.max() >= self.classes:
                raise InputError(f"{file}: holds class {mask.max()}, but the network has {self.classes} classes")
            pixels = 0 if size or image.is_frame else pixel_count(image.path)  # of a frame its file states nothing
            if (size and mask.shape != size) or (pixels and mask.size != pixels):
                raise InputError(f"{file}: not of the image's size")
        except InputError as error:
            raise _unless_overwritten(error) from error
        return mask


def mask_array(image: Image.Image, classes: int) -> MaskArray:
    """A mask file's image as an array (H, W): bool for one class, class indices for several."""
    values = np.asarray(image)
    return values if classes > 1 else values > 0


def _unless_overwritten(error: InputError) -> InputError:
    return InputError(f"{error}; overwrite it to predict it again", "overwrite")
