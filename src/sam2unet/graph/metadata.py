"""What an exported file says about itself."""

import dataclasses
import json
from dataclasses import dataclass

from ..card import Card
from ..errors import InputError

TensorSpec = tuple[str | int | None, ...]
"""Dtype and shape of a graph's input or output, such as ("float32", None, 3, 352, 352); None for a free length."""
KEY = "sam2unet"
"""Under which the metadata is stored in a file."""
FORMAT = "sam2unet-export-1"


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
        """The text stored in a file under `KEY`."""
        return json.dumps({"format": FORMAT} | dataclasses.asdict(self))

    @classmethod
    def from_json(cls, path: object, text: str | None) -> "GraphMetadata":
        """Parse what `to_json` wrote into the file at `path`; 0.1's files, which say `pictures`, too.

        Raises:
            InputError: nothing is stored there, or something else.
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
        """Check that a graph's input and output are what the card says.

        Raises:
            InputError: the card belongs to another graph.
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
