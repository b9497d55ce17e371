"""The network as an ONNX graph: built node by node from its weights, with its card inside. Building needs `onnx`."""

from typing import TYPE_CHECKING, Any

from .metadata import KEY, GraphMetadata, TensorSpec

if TYPE_CHECKING:
    from .network import network_graph

__all__ = ["KEY", "GraphMetadata", "TensorSpec", "network_graph"]


def __getattr__(name: str) -> Any:
    """Import what needs onnx on first use."""
    if name == "network_graph":
        from .network import network_graph

        return network_graph
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
