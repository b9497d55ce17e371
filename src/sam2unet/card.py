"""The card of a network: what it needs to be used, beside its weights."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

STRIDE = 32
"""Of the network's last stage: the sizes that it takes are multiples."""


@dataclass
class Card:
    """It travels with the network, in model files and exported ones."""

    trunk: str
    classes: int = 1
    class_names: list[str] = field(default_factory=list)
    """One name per class, background first where there are several; empty if unnamed."""
    size: tuple[int, int] = (352, 352)
    """Height and width that images are resized to."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    stretch: bool = False
    """Whether 16-bit images are stretched to their own range (else divided by 257)."""
    threshold: float = 0.5
    """The probability that, taken as the border of the object, gave the highest mean Dice in validation."""
    metrics: dict[str, float] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """As files hold it."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Card":
        """What `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is no card.
        """
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Card":
        """See `from_json`; keys of later versions are left out."""
        content = dict(content)
        for key in ("size", "mean", "std"):
            content[key] = tuple(content[key])  # JSON has lists only
        return cls(**{key: value for key, value in content.items() if key in {f.name for f in dataclasses.fields(cls)}})


def nearest_sizes(length: int) -> tuple[int, ...]:
    """The multiples of 32 on both sides of `length`, at least 32; `length` alone if it is one."""
    below = max(STRIDE, length // STRIDE * STRIDE)
    return (below,) if length in (0, below) or length < below else (below, below + STRIDE)


def nearest_multiple(length: float) -> int:
    """The multiple of 32 that is nearest to `length`, at least 32."""
    return min(nearest_sizes(int(length)), key=lambda near: abs(near - length))


def check_size(height: int, width: int) -> None:
    """Raise a ValueError that names the nearest sizes that work unless both are multiples of 32."""
    wrong = [
        f"{name} {length} (nearest: {' or '.join(map(str, nearest_sizes(length)))})"
        for name, length in (("height", height), ("width", width))
        if length < STRIDE or length % STRIDE
    ]
    if wrong:
        raise ValueError(f"the network takes multiples of {STRIDE}: {', '.join(wrong)}")
