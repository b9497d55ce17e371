"""SAM2-UNet made into software: train, predict, evaluate."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .evaluation import evaluate as evaluate
    from .network import SAM2UNet as SAM2UNet
    from .network import structure_loss as structure_loss
    from .prediction import Predictor as Predictor
    from .prediction import Views as Views
    from .training import train as train
    from .weights import load_model as load_model
    from .weights import load_trunk as load_trunk
    from .weights import save_model as save_model

    __version__: str

_ROOM_OF = {
    "SAM2UNet": "network",
    "structure_loss": "network",
    "load_trunk": "weights",
    "load_model": "weights",
    "save_model": "weights",
    "train": "training",
    "Predictor": "prediction",
    "Views": "prediction",
    "evaluate": "evaluation",
}
__all__ = [*_ROOM_OF, "__version__"]


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that `import sam2unet` costs nothing."""
    if name == "__version__":
        return import_module("importlib.metadata").version("sam2unet")
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'sam2unet' has no attribute {name!r}")
    return getattr(import_module(f".{_ROOM_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
