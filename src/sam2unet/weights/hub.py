"""Official trunks from the Hugging Face hub; the SHA-256 seen first is pinned and verified from then on."""

import hashlib
import json
import os
from pathlib import Path

from ..errors import InputError
from ..files import atomic_path
from .catalogue import OFFICIAL


class HubUnreachable(InputError):
    """The hub can't be reached, or refuses the file."""


def fetch(name: str) -> Path:
    """Download an official trunk, with a progress bar, or take it from the hub's cache; returns the file.

    Raises:
        InputError: unknown name, no connection, or a file whose SHA-256 isn't the one pinned at first use.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    if name not in OFFICIAL:
        raise InputError(f"unknown trunk weights {name!r}: choose from {', '.join(OFFICIAL)}")
    entry = OFFICIAL[name]
    path = cached_file(name)
    if path is None:
        try:
            # Asked first, since hf_hub_download tries for half a minute where there is no connection.
            get_hf_file_metadata(hf_hub_url(entry.repo, entry.filename))
            path = Path(hf_hub_download(entry.repo, entry.filename))
        except Exception as error:  # whatever the hub's client and its transport raise, the way out is the same
            cause = str(error).strip().splitlines() or [type(error).__name__]
            raise HubUnreachable(
                f"{name} cannot be fetched from the Hugging Face hub ({cause[0]}); "
                f"download {entry.filename} from {entry.repo} elsewhere and pass its path",
                "trunk_weights",
            ) from error
    _verify(name, path)
    return path


def cached_file(name: str) -> Path | None:
    """The file of an official trunk in the hub's cache, if it is there."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(OFFICIAL[name].repo, OFFICIAL[name].filename)
    return Path(found) if isinstance(found, str) else None


def pins_file() -> Path:
    """Where the SHA-256 of each trunk fetched so far is kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sam2unet" / "pins.json"


def _verify(name: str, path: Path) -> None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        pins = json.loads(pins_file().read_text()) if pins_file().exists() else {}
    except ValueError as error:
        raise InputError(f"{pins_file()}: damaged, so nothing can be verified; remove it to pin anew") from error
    if pins.setdefault(name, digest) != digest:
        raise InputError(
            f"{path}: its SHA-256 is {digest}, but {pins[name]} was pinned at first use; delete the file and fetch it "
            f"again, or, if the change is wanted, remove {name} from {pins_file()}"
        )
    with atomic_path(pins_file()) as partial:
        partial.write_text(json.dumps(pins, indent=2, sort_keys=True))
