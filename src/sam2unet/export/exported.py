"""What an exported file says of itself."""

import dataclasses
import json
from dataclasses import dataclass

from ..card import Card
from ..errors import InputError

Port = tuple[str | int | None, ...]
"""Type and shape of what a graph takes or gives; None where it is free."""
KEY = "sam2unet"
FORMAT = "sam2unet-export-1"


@dataclass(frozen=True)
class Exported:
    """How the network in a file is to be fed, and what it gives."""

    card: Card
    """Its size is that of the file."""
    pictures: bool
    """Whether it takes (batch, height, width, 3) uint8, else (batch, 3, height, width) float32, normalised."""
    probability: bool
    """Whether it gives probabilities, else logits."""

    def to_json(self) -> str:
        """The file's metadata, under KEY."""
        return json.dumps({"format": FORMAT} | dataclasses.asdict(self))

    @classmethod
    def from_json(cls, path: object, text: str | None) -> "Exported":
        """What `to_json` wrote into the file at `path`.

        Raises:
            InputError: nothing is there, or something else.
        """
        if not text:
            raise InputError(f"{path}: no file of sam2unet export (it has no card); export the model file again")
        try:
            found = json.loads(text)
            if found["format"] != FORMAT:
                raise ValueError(found["format"])
            return cls(Card.from_dict(found["card"]), bool(found["pictures"]), bool(found["probability"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: its card can't be read by this version ({error}); upgrade sam2unet") from error

    def check_graph(self, path: object, taken: Port, given: Port) -> None:
        """That a graph takes and gives what the card says.

        Raises:
            InputError: another graph was put under this card.
        """
        size = self.card.size
        wanted = ("uint8", None, *size, 3) if self.pictures else ("float32", None, 3, *size)
        if (taken, given) != (wanted, ("float32", None, self.card.classes, *size)):
            raise InputError(
                f"{path}: its graph takes {_shown(taken)} and gives {_shown(given)}, which is not what its card says "
                f"(size {size[0]}x{size[1]}, {self.card.classes} classes); export the model file again"
            )


def _shown(port: Port) -> str:
    type_, *sides = port
    return f"{type_} {'x'.join('batch' if side is None else str(side) for side in sides)}"
