"""Why a call ends early: unusable input, or a request to stop."""

from collections.abc import Sequence
from pathlib import Path

MAX_NAMED = 3
"""Files and the like that a message names."""


def name_some(names: Sequence[object]) -> str:
    """Return the first of some names for a message, with an ellipsis if there are more."""
    return ", ".join(map(str, names[:MAX_NAMED])) + (", …" if len(names) > MAX_NAMED else "")


class InputError(ValueError):
    """Input that can't be used; the message says what is wrong, where, and what to do.

    Args:
        message: one sentence.
        parameters: names of the parameters that the way out would change, such as "out". The commands append them as
            options, so that the library itself names none.
    """

    def __init__(self, message: str, *parameters: str):
        super().__init__(message)
        self.parameters = parameters

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, ...]]:
        return type(self), (str(self), *self.parameters)


class Stopped(Exception):
    """Training was asked to stop and has saved its state.

    Args:
        message: one sentence.
        code: the exit code, 128 plus the signal's number.
        run: the run's folder, from which it can be resumed.
    """

    def __init__(self, message: str, code: int, run: Path):
        super().__init__(message)
        self.code = code
        self.run = run
