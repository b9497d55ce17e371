"""The official trunks and their files on the Hugging Face hub."""

from dataclasses import dataclass

from ..network import HIERA_CONFIGS


@dataclass(frozen=True)
class OfficialTrunk:
    """One of Meta's checkpoints on the Hugging Face hub."""

    name: str
    """Name in the catalogue, such as "sam2.1_hiera_large"."""
    trunk: str
    """Key of `HIERA_CONFIGS`, such as "large"."""
    repo: str
    """Repository on the hub, such as "facebook/sam2.1-hiera-large"."""
    filename: str
    """File in the repository, such as "sam2.1_hiera_large.pt"."""


OFFICIAL = {
    name: OfficialTrunk(name, trunk, f"facebook/{release}-hiera-{config.hub_id}", f"{name}.pt")
    for release in ("sam2", "sam2.1")
    for trunk, config in HIERA_CONFIGS.items()
    if config.hub_id
    for name in [f"{release}_hiera_{trunk}"]
}
"""The official trunks by name."""
