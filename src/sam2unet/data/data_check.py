"""What a check of a folder found, by pair, split and folder."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..card import IGNORED
from ..errors import InputError
from .images.perceptual_hash import Hash
from .layout.pairs import Pair
from .masks.mask_values import MaskReading
from .masks.stored_mask import MaskContent
from .masks.value_table import describe_values


class Finding(str):
    """A sentence about data; `parameters` are the options that the way out would change, as in `InputError`."""

    parameters: tuple[str, ...]

    def __new__(cls, text: str, *parameters: str) -> "Finding":
        """Return the sentence."""
        finding = super().__new__(cls, text)
        finding.parameters = parameters
        return finding

    @classmethod
    def of(cls, error: InputError) -> "Finding":
        """Return what an error says."""
        return cls(str(error), *error.parameters)


def fraction_of(labels: Mapping[int, int]) -> float:
    """Return the fraction of foreground, in [0, 1], among the pixels of each label."""
    found = sum(pixels for label, pixels in labels.items() if label not in (0, IGNORED))
    return found / max(1, sum(labels.values()))


@dataclass
class PairCheck:
    """What reading one pair found."""

    pair: Pair
    split: str
    size: tuple[int, int] = (0, 0)
    """Width and height of the image."""
    mask: MaskContent | None = None
    hash: Hash | None = None
    """Of the image, if the folder has several splits."""
    orientation: int = 1
    """EXIF orientation of the image if its mask has another one."""
    is_scaled_by_type: bool = True
    """See `RawImage`."""
    value_range: tuple[float, float, int] | None = None
    """Lowest value, highest value and bits of an image of more than 8 bits."""
    remark: str = ""
    labels: dict[int, int] = field(default_factory=dict)
    """Pixels of each label of the mask, by the reading of the whole set."""
    error: Finding | None = None

    @property
    def foreground(self) -> float:
        """Fraction of the mask that is foreground, in [0, 1]."""
        return fraction_of(self.labels)


@dataclass
class SplitCheck:
    """One split of a folder, each of its files read."""

    pairs: list[PairCheck] = field(default_factory=list)
    unpaired_images: list[Path] = field(default_factory=list)
    unpaired_masks: list[Path] = field(default_factory=list)

    @property
    def readable(self) -> list[PairCheck]:
        """The pairs without error."""
        return [pair for pair in self.pairs if not pair.error]

    @property
    def sizes(self) -> Counter[tuple[int, int]]:
        """Number of images by (width, height)."""
        return Counter(pair.size for pair in self.readable)

    @property
    def foreground(self) -> list[float]:
        """Fraction of each mask that is foreground, in [0, 1]."""
        return [pair.foreground for pair in self.readable if pair.labels]

    @property
    def values(self) -> str:
        """The masks' values with their shares; "" if all are drawn from annotations."""
        return describe_values(pair.mask for pair in self.readable if pair.mask)


@dataclass
class DataCheck:
    """The splits by name, how their masks are read, and findings.

    `errors` make training fail; `warnings` deserve attention.
    """

    root: Path
    reading: MaskReading | None = None
    splits: dict[str, SplitCheck] = field(default_factory=dict)
    errors: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    duplicates: list[tuple[PairCheck, PairCheck]] = field(default_factory=list)
    """Two images of different splits that look the same."""

    @property
    def pairs(self) -> list[PairCheck]:
        """The pairs of all splits."""
        return [pair for split in self.splits.values() for pair in split.pairs]
