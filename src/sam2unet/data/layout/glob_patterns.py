"""Patterns such as "1st_manual/*" that choose files in a folder."""

import re
from functools import lru_cache
from pathlib import Path, PurePath

from ...errors import InputError


def choose(pattern: str, root: Path, files: list[Path], parameter: str) -> list[Path]:
    """Return the files that a pattern matches.

    Args:
        pattern: see `matches`.
        root: the folder that the pattern is relative to.
        files: files below it.
        parameter: name of the parameter that holds the pattern.

    Raises:
        InputError: it matches none.
    """
    chosen = [path for path in files if matches(pattern, path.relative_to(root))]
    if not chosen:
        there = ", ".join(sorted({str(path.relative_to(root)) for path in files[:: max(1, len(files) // 3)]})[:3])
        raise InputError(
            f"{root}: no file matches {pattern!r}; there are files such as {there or '(none)'}: correct the pattern",
            parameter,
        )
    return chosen


def matches(pattern: str, path: PurePath) -> bool:
    """Return True if the end of a path, or of one of its parents, matches a pattern.

    "*.jpg" matches in every folder, and "masks/*" in every folder masks/ with all that lies deeper in it. "*" and "?"
    don't match "/", "**/" matches any folders, and case makes no difference.

    Args:
        pattern: the pattern, with "/" between folders.
        path: a path relative to a folder.
    """
    return _compile(pattern).search(f"/{path.as_posix()}") is not None


@lru_cache
def _compile(pattern: str) -> re.Pattern[str]:
    pattern = pattern.strip().replace("\\", "/").removeprefix("./").strip("/")
    tokens = re.findall(r"\*\*/?|\*|\?|\[!?\]?[^\]]*\]|.", pattern)
    return re.compile("/" + "".join(map(_translate, tokens)) + "(?:/|$)", re.IGNORECASE)


def _translate(token: str) -> str:
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if token in known:
        return known[token]
    return token.replace("[!", "[^") if len(token) > 1 else re.escape(token)
