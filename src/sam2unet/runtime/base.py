"""The interface of all runtimes, and the arrays on both sides of an exported graph. Needs no torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..graph import GraphMetadata

Arithmetic = Literal["float32", "bf16"]


class Runtime(Protocol):
    """A network ready to run; several threads may call it at once."""

    name: str
    """Library, precision and device, for messages."""
    device: str
    """"cpu", "cuda" or "mps"."""
    metadata: GraphMetadata
    any_size: bool
    """True if it accepts images of other sizes than the card's."""

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """RGB images (batch, height, width, 3) of the card's size -> logits (batch, classes, height, width)."""
        ...


def graph_input(images: NDArray[np.uint8], metadata: GraphMetadata) -> NDArray[Any]:
    """Convert RGB images (batch, height, width, 3) to the layout and dtype of a graph's input."""
    if metadata.uint8_input:
        return images
    mean, std = (np.array(values, np.float32) for values in (metadata.card.mean, metadata.card.std))
    return np.ascontiguousarray(((images / np.float32(255) - mean) / std).transpose(0, 3, 1, 2))


def graph_logits(output: NDArray[np.float32], metadata: GraphMetadata) -> NDArray[np.float32]:
    """Convert a graph's output to logits; for several classes they are exact up to a constant per pixel."""
    logits = output
    if metadata.probability and metadata.card.classes > 1:
        logits = np.log(np.maximum(output, np.float32(1e-30)))
    elif metadata.probability:
        eps = np.float32(2**-24)  # the same at both ends, or object borders would shift when logits are resized
        p = output.clip(eps, 1 - eps)
        logits = np.log(p) - np.log1p(-p)
    return logits


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sigmoid of logits (..., 1, h, w), or the softmax of (..., classes, h, w) over the classes."""
    result: NDArray[np.float32]
    if logits.shape[-3] == 1:
        with np.errstate(over="ignore"):  # exp may overflow to infinity, whose reciprocal is the right 0
            result = np.reciprocal(1 + np.exp(-logits))
    else:
        powers = np.exp(logits - logits.max(axis=-3, keepdims=True))
        result = powers / powers.sum(axis=-3, keepdims=True)
    return result


@contextmanager
def readable_graph(source: Path | str, library: str) -> Iterator[None]:
    """Turn whatever a library raises for a graph that it can't read into an InputError.

    Args:
        source: the graph's file, or a word for it.
        library: the library's name, for the message.
    """
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                start = file.read(1000)
            if source.suffix.lower() == ".xml" and b"<net" not in start:
                raise ValueError("not a file of OpenVINO")  # which itself would print many lines
        yield
    except FileNotFoundError as error:
        raise InputError(f"{source}: no such file") from error
    except Exception as error:
        message = f"{source}: damaged, or not a graph that {library} can read; export the model file again"
        raise InputError(message) from error
