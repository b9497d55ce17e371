"""Writing an ONNX graph node by node."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

OPSET = 20  # the first with Gelu

Value = str | NDArray[Any]
"""The name of a value in the graph, or a constant."""


class Graph:
    """A graph in the making; each method appends nodes and gives the name of what they compute."""

    def __init__(self, name: str):
        self.model = onnx.ModelProto(ir_version=10, producer_name="sam2unet")
        self.model.opset_import.add(version=OPSET)
        self.model.graph.name = name

    def input(self, name: str, type_: type, *shape: int | str) -> str:
        self.model.graph.input.append(_described(name, type_, shape))
        return name

    def output(self, name: str, value: str, *shape: int | str) -> None:
        self.model.graph.node.add(op_type="Identity", input=[value], output=[name])
        self.model.graph.output.append(_described(name, np.float32, shape))

    def add(self, kind: str, *inputs: Value, **attributes: Any) -> str:
        """A node of an operation of ONNX that has one output."""
        return self._node(kind, inputs, 1, attributes)[0]

    def split(self, x: str, lengths: list[int], axis: int) -> list[str]:
        """Cut a dimension into parts of these lengths."""
        return self._node("Split", (x, np.array(lengths)), len(lengths), {"axis": axis})

    def reshape(self, x: str, *shape: int) -> str:
        """0 keeps a dimension, -1 takes what is left."""
        return self.add("Reshape", x, np.array(shape))

    def linear(self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        """On the last dimension, as torch's."""
        return self.add("Add", self.add("MatMul", x, weight.T), bias)

    def conv(
        self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32], stride: int = 1, dilation: int = 1
    ) -> str:
        """A convolution that keeps height and width, but for the stride."""
        pads = [dilation * (side // 2) for side in weight.shape[2:]]
        return self.add(
            "Conv", x, weight, bias, kernel_shape=weight.shape[2:], pads=[*pads, *pads], strides=[stride, stride],
            dilations=[dilation, dilation],
        )  # fmt: skip

    def resize(self, x: str, height: int, width: int, corners: str) -> str:
        """Bilinear; `corners` is "align_corners" or, as torch has it without them, "half_pixel"."""
        attributes = {"axes": [2, 3], "mode": "linear", "coordinate_transformation_mode": corners}
        return self.add("Resize", x, "", "", np.array([height, width]), **attributes)

    def _node(self, kind: str, inputs: tuple[Value, ...], outputs: int, attributes: dict[str, Any]) -> list[str]:
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        nodes = self.model.graph.node
        made = [f"v{len(nodes)}.{i}" for i in range(outputs)]
        nodes.append(onnx.helper.make_node(kind, names, made, **attributes))
        return made

    def _constant(self, values: NDArray[Any]) -> str:
        held = self.model.graph.initializer
        name = f"c{len(held)}"
        held.add(
            name=name, dims=values.shape, data_type=onnx.helper.np_dtype_to_tensor_dtype(values.dtype),
            raw_data=values.tobytes(),
        )  # fmt: skip
        return name


def _described(name: str, type_: type, shape: tuple[int | str, ...]) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(type_)), shape)
