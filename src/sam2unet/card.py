"""A network's card: everything needed to use the network, apart from its weights."""

import dataclasses
import json
from dataclasses import dataclass, field, replace
from typing import Any

STRIDE = 32
"""Total stride; height and width must be multiples of it."""
IGNORED = 255
"""Label of pixels that enter no loss and no metric."""
RENAMED = {"stretch": "normalise_range"}
"""Keys of cards written by version 0.1, and their names today."""


@dataclass(frozen=True)
class Card:
    """Travels with the network in model files and exported files."""

    trunk: str
    """"nano", "tiny", "small", "base_plus" or "large"."""
    classes: int = 1
    """1 for foreground against background; else the number of classes, including background (0)."""
    detail: int = 0
    """Channels of the detail branch; 0: none."""
    class_names: list[str] = field(default_factory=list)
    """One name per class, background first if there are several; empty if unnamed."""
    size: tuple[int, int] = (352, 352)
    """Height and width of the network's input, to which images, or tiles of them, are resized."""
    tile: int | None = None
    """Side of the square tiles, in pixels of the image, that the network was trained on; None: whole images."""
    tile_overlap: float = 0.25
    """Smallest fraction of a tile that the next one covers too when predicting."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Subtracted from RGB values in [0, 1]."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """RGB values are divided by it after subtracting the mean."""
    normalise_range: bool = False
    """Scale 16-bit images from their own minimum and maximum to 0 and 255, instead of dividing by 257."""
    mask_values: str = ""
    """Meaning of the values in the training masks, in the language of `data.parse_mask_values`."""
    threshold: float = 0.5
    """Probability threshold with the highest mean Dice in validation, or 0.5."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Validation scores of these weights, by name."""
    recipe: dict[str, Any] = field(default_factory=dict)
    """The recipe of the training run."""

    @property
    def mean_colour(self) -> tuple[int, ...]:
        """RGB colour that is about zero when normalised: what an image is padded with."""
        return tuple(round(255 * value) for value in self.mean)

    @property
    def tile_zoom(self) -> float:
        """Pixels of the network's input per pixel of a tile; 1 without tiles."""
        return self.size[0] / self.tile if self.tile else 1.0

    def with_size(self, size: tuple[int, int]) -> "Card":
        """Return the card for another size of the network's input; tiles grow with it, so that their zoom is kept.

        Raises:
            ValueError: the size is not of multiples of 32, or not square for a network of tiles.
        """
        check_size(*size)
        if self.tile and size[0] != size[1]:
            raise ValueError(f"size is {size[0]}x{size[1]}: the model was trained on square tiles")
        return replace(self, size=size, tile=round(size[0] / self.tile_zoom) if self.tile else None)

    def to_json(self) -> str:
        """Return the text stored in files."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Card":
        """Parse the text of `to_json`.

        Raises:
            KeyError, TypeError, ValueError: the text is not a card.
        """
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Card":
        """Build a card from parsed JSON.

        Key names of version 0.1 are accepted; unknown keys, which later versions may write, are dropped.

        Raises:
            KeyError, TypeError, ValueError: the content is not a card.
        """
        content = {RENAMED.get(key, key): value for key, value in dict(content).items()}
        for key in ("size", "mean", "std"):
            content[key] = tuple(content[key])  # JSON has lists only
        return cls(**{key: value for key, value in content.items() if key in {f.name for f in dataclasses.fields(cls)}})


def nearest_sizes(length: int) -> tuple[int, ...]:
    """Return the multiples of 32 on either side of `length`, at least 32; `length` alone if it is a multiple."""
    below = max(STRIDE, length // STRIDE * STRIDE)
    return (below,) if length in (0, below) or length < below else (below, below + STRIDE)


def nearest_multiple(length: float) -> int:
    """Return the multiple of 32 nearest to `length`, at least 32."""
    return min(nearest_sizes(int(length)), key=lambda near: abs(near - length))


def check_size(height: int, width: int) -> None:
    """Check that both are multiples of 32.

    Raises:
        ValueError: one is not; the message names the nearest sizes.
    """
    wrong = [
        f"{name} {length} (nearest: {' or '.join(map(str, nearest_sizes(length)))})"
        for name, length in (("height", height), ("width", width))
        if length < STRIDE or length % STRIDE
    ]
    if wrong:
        raise ValueError(f"height and width must be multiples of {STRIDE}: {', '.join(wrong)}")
