"""Building an ONNX graph node by node."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

OPSET = 20  # the first with Gelu

Value = str | NDArray[Any]
"""The name of a value in the graph, or a constant."""


class GraphBuilder:
    """An ONNX model under construction; its methods append nodes and return the names of their outputs."""

    def __init__(self, name: str):
        self.model = onnx.ModelProto(ir_version=10, producer_name="sam2unet")
        self.model.opset_import.add(version=OPSET)
        self.model.graph.name = name

    def input(self, name: str, dtype: type, *shape: int | str) -> str:
        """Declare an input of the graph; a string in its shape names a free length."""
        self.model.graph.input.append(_value_info(name, dtype, shape))
        return name

    def output(self, name: str, value: str, *shape: int | str) -> None:
        """Declare `value` as a float32 output of the graph, under `name`."""
        self.model.graph.node.add(op_type="Identity", input=[value], output=[name])
        self.model.graph.output.append(_value_info(name, np.float32, shape))

    def add(self, op_type: str, *inputs: Value, **attributes: Any) -> str:
        """Append a node of an ONNX operator with one output."""
        return self._node(op_type, inputs, 1, attributes)[0]

    def split(self, x: str, lengths: list[int], axis: int) -> list[str]:
        """Split a dimension into parts of the given lengths."""
        return self._node("Split", (x, np.array(lengths)), len(lengths), {"axis": axis})

    def reshape(self, x: str, *shape: int) -> str:
        """Reshape; 0 keeps a dimension, -1 is inferred."""
        return self.add("Reshape", x, np.array(shape))

    def linear(self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        """Apply a linear layer, weight (out, in) and bias (out,), to the last dimension."""
        return self.add("Add", self.add("MatMul", x, weight.T), bias)

    def conv(
        self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32], stride: int = 1, dilation: int = 1
    ) -> str:
        """Convolve with "same" padding; weight (out, in, height, width)."""
        pads = [dilation * (side // 2) for side in weight.shape[2:]]
        return self.add(
            "Conv", x, weight, bias, kernel_shape=weight.shape[2:], pads=[*pads, *pads], strides=[stride, stride],
            dilations=[dilation, dilation],
        )  # fmt: skip

    def resize(self, x: str, height: int, width: int, coordinates: str) -> str:
        """Resize (batch, channels, h, w) bilinearly.

        `coordinates` is "align_corners", or "half_pixel" for `align_corners=False` of torch.
        """
        attributes = {"axes": [2, 3], "mode": "linear", "coordinate_transformation_mode": coordinates}
        return self.add("Resize", x, "", "", np.array([height, width]), **attributes)

    def _node(self, op_type: str, inputs: tuple[Value, ...], outputs: int, attributes: dict[str, Any]) -> list[str]:
        input_names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        nodes = self.model.graph.node
        output_names = [f"v{len(nodes)}.{i}" for i in range(outputs)]
        nodes.append(onnx.helper.make_node(op_type, input_names, output_names, **attributes))
        return output_names

    def _constant(self, values: NDArray[Any]) -> str:
        initializers = self.model.graph.initializer
        name = f"c{len(initializers)}"
        initializers.add(
            name=name, dims=values.shape, data_type=onnx.helper.np_dtype_to_tensor_dtype(values.dtype),
            raw_data=values.tobytes(),
        )  # fmt: skip
        return name


def _value_info(name: str, dtype: type, shape: tuple[int | str, ...]) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
