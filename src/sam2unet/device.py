"""Where the arithmetic runs."""

import torch

from .errors import InputError


def find_device(name: str) -> torch.device:
    """The device called `name`; "auto" takes CUDA, else Apple's MPS, else the CPU.

    Raises:
        InputError: no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
        return torch.device(name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r} cannot be used: {str(error).splitlines()[0]}") from error


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes in bf16 itself, not by emulation."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    abilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # torch before 2.12 doesn't tell
    return device.type == "cpu" and bool(abilities.get("amx_bf16") or abilities.get("avx512_bf16"))
