"""The official trunks, and where the Hugging Face hub keeps them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OfficialTrunk:
    name: str
    trunk: str
    repo: str
    filename: str


OFFICIAL = {
    name: OfficialTrunk(name, trunk, f"facebook/{release}-hiera-{trunk.replace('_', '-')}", f"{name}.pt")
    for release in ("sam2", "sam2.1")
    for trunk in ("tiny", "small", "base_plus", "large")
    for name in [f"{release}_hiera_{trunk}"]
}
