"""Files that appear under their final name only when complete."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A hidden name beside `path` for a file or folder, which becomes `path` at the end; an error leaves nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem[:50]}.{uuid4().hex[:8]}{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        partial.unlink(missing_ok=True)
