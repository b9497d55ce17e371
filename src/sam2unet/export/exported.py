"""What an exported file says of itself."""

import json
from dataclasses import dataclass

from ..card import Card
from ..errors import InputError

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
        return json.dumps(
            {"format": FORMAT, "card": self.card.to_json(), "pictures": self.pictures, "probability": self.probability}
        )

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
            return cls(Card.from_json(found["card"]), bool(found["pictures"]), bool(found["probability"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: its card can't be read by this version ({error}); upgrade sam2unet") from error

    def check_shapes(self, path: object, taken: list[object], given: list[object]) -> None:
        """That the graph takes and gives what the card says; the first dimension is the batch.

        Raises:
            InputError: another graph was put under this card.
        """
        size = list(self.card.size)
        wanted = [*size, 3] if self.pictures else [3, *size]
        if list(taken[1:]) != wanted or list(given[1:]) != [self.card.classes, *size]:
            raise InputError(
                f"{path}: its graph takes {taken[1:]} and gives {given[1:]}, its card says {wanted} and "
                f"{[self.card.classes, *size]}; export the model file again"
            )
