"""The metadata of exported files: of this version, of 0.1, and of none."""

import dataclasses

import pytest

from sam2unet.card import Card
from sam2unet.errors import InputError
from sam2unet.graph import GraphMetadata

METADATA = GraphMetadata(Card("tiny", size=(64, 96)), uint8_input=True, probability=False)
METADATA_0_1 = """
{"format": "sam2unet-export-1", "pictures": %s, "probability": true,
 "card": {"trunk": "tiny", "classes": 1, "class_names": [], "size": [64, 96], "mean": [0.485, 0.456, 0.406],
          "std": [0.229, 0.224, 0.225], "stretch": true, "threshold": 0.42, "metrics": {}, "recipe": {}}}
"""


@pytest.mark.parametrize("pictures", [False, True])
def test_from_json_reads_a_file_of_version_0_1(pictures):
    metadata = GraphMetadata.from_json("old.onnx", METADATA_0_1 % str(pictures).lower())
    card = Card("tiny", size=(64, 96), normalise_range=True, threshold=0.42)
    assert metadata == GraphMetadata(card, uint8_input=pictures, probability=True)


def test_from_json_reads_what_to_json_writes():
    assert GraphMetadata.from_json("new.onnx", METADATA.to_json()) == METADATA


@pytest.mark.parametrize("text", [None, ""])
def test_from_json_refuses_a_file_without_metadata(text):
    with pytest.raises(InputError, match=r"^a\.onnx: not exported by sam2unet"):
        GraphMetadata.from_json("a.onnx", text)


@pytest.mark.parametrize(
    "text",
    [METADATA.to_json().replace("export-1", "export-9"), METADATA.to_json().replace("uint8_input", "input"), "{", "3"],
)
def test_from_json_refuses_metadata_that_it_does_not_understand(text):
    with pytest.raises(InputError, match=r"^a\.onnx: this version can't read its card .* upgrade"):
        GraphMetadata.from_json("a.onnx", text)


def test_metadata_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        METADATA.probability = True


@pytest.mark.parametrize(
    ("uint8_input", "classes", "input_", "output"),
    [(True, 1, ("uint8", None, 64, 96, 3), ("float32", None, 1, 64, 96)),
     (False, 3, ("float32", None, 3, 64, 96), ("float32", None, 3, 64, 96))],
)  # fmt: skip
def test_check_graph_accepts_the_graph_of_the_metadata(uint8_input, classes, input_, output):
    card = Card("tiny", classes, size=(64, 96))
    GraphMetadata(card, uint8_input, probability=True).check_graph("a.onnx", input_, output)


@pytest.mark.parametrize(
    ("input_", "output"),
    [(("uint8", None, 96, 64, 3), ("float32", None, 1, 64, 96)),
     (("float32", None, 3, 64, 96), ("float32", None, 1, 64, 96)),
     (("uint8", 1, 64, 96, 3), ("float32", 1, 1, 64, 96)),
     (("uint8", None, 64, 96, 3), ("float32", None, 3, 64, 96))],
    ids=["size", "dtype", "fixed batch", "classes"],
)  # fmt: skip
def test_check_graph_refuses_another_graph(input_, output):
    with pytest.raises(InputError, match=r"^a\.onnx: its graph maps .* its card says size 64x96 and 1 classes"):
        METADATA.check_graph("a.onnx", input_, output)
