"""Official trunks from the Hugging Face hub; a file's SHA-256 is pinned at the first download, then verified."""

import hashlib
import json
import os
from pathlib import Path

from ..errors import InputError
from ..files import atomic_path
from .catalogue import OFFICIAL


class HubUnreachable(InputError):
    """The hub can't be reached, or doesn't deliver the file."""


def fetch(name: str) -> Path:
    """Download an official trunk, with a progress bar, unless the hub's cache has it.

    Args:
        name: key of `OFFICIAL`, such as "sam2.1_hiera_large".

    Returns:
        The file in the hub's cache.

    Raises:
        HubUnreachable: the file can't be downloaded.
        InputError: the name is unknown, or the file's SHA-256 differs from the one pinned at its first download.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    if name not in OFFICIAL:
        raise InputError(f"unknown trunk weights {name!r}: choose from {', '.join(OFFICIAL)}")
    entry = OFFICIAL[name]
    path = cached_file(name)
    if path is None:
        try:
            # This request fails at once without a connection; hf_hub_download would retry for half a minute.
            get_hf_file_metadata(hf_hub_url(entry.repo, entry.filename))
            path = Path(hf_hub_download(entry.repo, entry.filename))
        except Exception as error:  # whatever the client and its transport raise, the way out is the same
            cause = str(error).strip().splitlines() or [type(error).__name__]
            raise HubUnreachable(
                f"{name}: the Hugging Face hub did not deliver it ({cause[0]}); download {entry.filename} of "
                f"{entry.repo} on another machine and pass its path",
                "trunk_weights",
            ) from error
    _verify(name, path)
    return path


def cached_file(name: str) -> Path | None:
    """Return the file of an official trunk (a key of `OFFICIAL`) in the hub's cache, or None."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(OFFICIAL[name].repo, OFFICIAL[name].filename)
    return Path(found) if isinstance(found, str) else None


def pins_file() -> Path:
    """Return the JSON file with the SHA-256 of each trunk downloaded so far, by name."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sam2unet" / "pins.json"


def _verify(name: str, path: Path) -> None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        pins = json.loads(pins_file().read_text()) if pins_file().exists() else {}
    except ValueError as error:
        raise InputError(
            f"{pins_file()}: damaged, so no file can be verified; delete it to pin the files again"
        ) from error
    if pins.setdefault(name, digest) != digest:
        raise InputError(
            f"{path}: its SHA-256 is {digest}, but {pins[name]} was pinned at the first download; delete the file and "
            f"download it again, or remove {name} from {pins_file()} to accept the new one"
        )
    with atomic_path(pins_file()) as partial:
        partial.write_text(json.dumps(pins, indent=2, sort_keys=True))
