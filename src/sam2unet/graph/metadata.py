"""The metadata stored in exported files."""

import dataclasses
import json
from dataclasses import dataclass

from ..card import Card
from ..errors import InputError

TensorSpec = tuple[str | int | None, ...]
"""Dtype and shape of a graph's input or output, such as ("float32", None, 3, 352, 352); None for a free length."""
KEY = "sam2unet"
"""Key of the metadata in a file."""
FORMAT = "sam2unet-export-1"
"""Version of the metadata."""


@dataclass(frozen=True)
class GraphMetadata:
    """The card of the network in a graph, and the layout of its input and output."""

    card: Card
    """Its `size` is the graph's."""
    uint8_input: bool
    """Input is (batch, height, width, 3) uint8; else (batch, 3, height, width) float32, normalised."""
    probability: bool
    """Output is probabilities, else logits."""

    def to_json(self) -> str:
        """Return the text stored in a file under `KEY`."""
        return json.dumps({"format": FORMAT} | dataclasses.asdict(self))

    @classmethod
    def from_json(cls, path: object, text: str | None) -> "GraphMetadata":
        """Parse the text of `to_json`.

        Args:
            path: the file that the text is from, for messages.
            text: None if nothing is stored there; files of version 0.1 say `pictures` for `uint8_input`.

        Raises:
            InputError: there is no text, or this version can't read it.
        """
        if not text:
            raise InputError(f"{path}: not exported by sam2unet (it has no card); export the model file again")
        try:
            found = json.loads(text)
            if found["format"] != FORMAT:
                raise ValueError(found["format"])
            uint8_input = found["uint8_input"] if "uint8_input" in found else found["pictures"]
            return cls(Card.from_dict(found["card"]), bool(uint8_input), bool(found["probability"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: this version can't read its card ({error}); upgrade sam2unet") from error

    def check_graph(self, path: object, input_: TensorSpec, output: TensorSpec) -> None:
        """Check that a graph's input and output are those that the metadata describes.

        Args:
            path: the file of the graph, for messages.
            input_: dtype and shape of its input.
            output: dtype and shape of its output.

        Raises:
            InputError: they differ, so the metadata belongs to another graph.
        """
        size = self.card.size
        expected = ("uint8", None, *size, 3) if self.uint8_input else ("float32", None, 3, *size)
        if (input_, output) != (expected, ("float32", None, self.card.classes, *size)):
            raise InputError(
                f"{path}: its graph maps {_format_spec(input_)} to {_format_spec(output)}, but its card says "
                f"size {size[0]}x{size[1]} and {self.card.classes} classes; export the model file again"
            )


def _format_spec(spec: TensorSpec) -> str:
    dtype, *lengths = spec
    return f"{dtype} {'x'.join('batch' if length is None else str(length) for length in lengths)}"
