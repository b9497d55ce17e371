"""The run record, `resume/run.json`: the conditions that a resumed run must find again."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data import Pair, files_of
from ..errors import InputError
from ..files import atomic_path
from .recipe import load_recipe, rename_keys


@dataclass(frozen=True)
class RunRecord:
    """Conditions of a run. All but `data` are set when the data has been read and the network been built."""

    data: str
    """Absolute path of the data."""
    trunk_file: str | None = None
    """File that the trunk's weights came from."""
    frozen: str = ""
    """SHA-256 of the frozen parameters."""
    processes: int = 0
    pairs: dict[str, str] = field(default_factory=dict)
    """`file_sizes` by key of the pair, training pairs first."""
    loss: str | None = None
    """Name of the caller's own loss."""
    augment: str | None = None
    """Name of the caller's own augmentation."""
    threads: int = 0
    """Of torch, per process."""
    torch: str = ""
    """Version."""
    device: str = ""
    precision: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)
    finished: dict[str, Any] | None = None
    """`metrics` and `history` of `Run`, once the run is finished."""


def read_run_record(run: Path) -> RunRecord | None:
    """Read the record of the run in a folder; None if there is none. 0.1's keys of recipes are renamed.

    Raises:
        InputError: the file is damaged.
    """
    file = run / "resume" / "run.json"
    known = {field.name for field in dataclasses.fields(RunRecord)}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        record = RunRecord(**{key: value for key, value in content.items() if key in known})
        return dataclasses.replace(record, recipe=rename_keys(record.recipe))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: damaged: train again in another folder", "out") from error


def write_run_record(run: Path, record: RunRecord) -> None:
    """Write the record of the run in a folder."""
    with atomic_path(run / "resume" / "run.json") as partial:
        partial.write_text(json.dumps(dataclasses.asdict(record), indent=1) + "\n", encoding="utf-8")


def changes_since(start: RunRecord, now: RunRecord, run: Path) -> list[str]:
    """Describe the changed conditions under which a run can still be resumed, but not bit for bit.

    Args:
        start: the conditions when the run started.
        now: those of today.
        run: the run's folder, for messages.

    Raises:
        InputError: a condition changed under which it cannot: recipe, pairs, frozen trunk, processes, loss or
            augmentation.
    """
    started_with = load_recipe().model_dump(mode="json") | start.recipe  # an older version had fewer keys
    edited = [key for key, value in now.recipe.items() if started_with.get(key) != value]
    if edited:
        raise InputError(f"{run / 'recipe.yaml'}: {edited[0]} differs from when the run started: restore it")
    if list(start.pairs.items()) != list(now.pairs.items()):
        differing = {key for key, _ in start.pairs.items() ^ now.pairs.items()}
        raise InputError(
            f"{now.data}: contains other pairs than when the run in {run} started "
            f"({', '.join(sorted(differing)[:3]) or 'split differently'}): restore them, or start another run"
        )
    if start.frozen != now.frozen:
        raise InputError(f"{run}: the frozen trunk differs from when the run started: restore its file")
    for name, value, before in (
        ("number of processes", now.processes, start.processes),
        ("loss", now.loss or "the default", start.loss or "the default"),
        ("augment function", now.augment or "none", start.augment or "none"),
    ):
        if value != before:
            raise InputError(
                f"{run}: the {name} is {value}, but was {before} when the run started: resume it with the same"
            )
    conditions = "threads", "torch", "device", "precision"
    values = [(name, getattr(now, name), getattr(start, name)) for name in conditions]
    return [f"{name} is {value}, but was {before} when the run started" for name, value, before in values
            if value != before]  # fmt: skip


def file_sizes(pair: Pair) -> str:
    """Return the bytes of image and mask, such as "123+45".

    Other images often have the same names, but hardly ever the same sizes.
    """
    (image,), masks = files_of(pair.image), files_of(pair.mask)
    return "+".join(str(file.stat().st_size) for file in (image, *masks))
