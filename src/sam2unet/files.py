"""Files that appear under their final name only when complete."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

PARTIAL = re.compile(r"\.(?P<stem>.+)\.[0-9a-f]{8}(?P<suffix>\.[^.]*)?")
"""The hidden names that `atomic_path` gives to incomplete files: .STEM.XXXXXXXX.SUFFIX."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a hidden name beside `path` to write a file or folder to; on success it becomes `path`.

    On an exception nothing is left. After a kill the hidden name remains; see `PARTIAL`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem[:50]}.{uuid4().hex[:8]}{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        partial.unlink(missing_ok=True)
