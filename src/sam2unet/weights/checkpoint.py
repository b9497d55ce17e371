"""Reading tensors from checkpoints without running code in them."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import InputError


def read_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors of a safetensors file or a torch checkpoint.

    Args:
        path: a .safetensors, .pt or .pth file; its content decides, not its suffix. Pickled files are read with
            `weights_only=True`, so one that would run code is refused.

    Returns:
        The tensors by name, on the CPU, and the metadata of the safetensors header ({} for a torch checkpoint). State
        dicts nested under `model` or `state_dict` are unwrapped; a leading `module.` (`DataParallel`) is dropped.

    Raises:
        InputError: the file is missing, damaged, or not a checkpoint.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})") from error
    if start[8:9] == b"{":
        return _read_safetensors(path)
    if start[:4] == b"PK\x03\x04" or start[:1] == b"\x80":
        return _read_pickle(path), {}
    raise InputError(f"{path}: not a checkpoint (neither safetensors nor a torch .pt or .pth file)")


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(
            f"{path}: damaged or truncated safetensors file ({error}); download or copy it again"
        ) from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about old pickle protocols, then reads or refuses them
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: refused, since it is damaged or reading it would run code; only plain tensors are read from "
            "pickled files, so save the model's state_dict alone"
        ) from error
    except Exception as error:  # which one torch raises depends on where the file was truncated
        raise InputError(f"{path}: damaged or truncated torch file; download or copy it again") from error
    for key in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no state dict (a mapping of names to tensors)")
    tensors = {str(k).removeprefix("module."): v for k, v in content.items() if isinstance(v, Tensor)}
    if not tensors:
        raise InputError(f"{path}: holds no tensors")
    return tensors
