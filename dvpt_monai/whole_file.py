"""A file that appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["whole_file"]


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write to the path that this gives; at the end of the ``with`` block it takes the name ``path``.

    Until then, and for ever if the block raises, ``path`` is what it was. Missing folders are made.

    Example:
        >>> with tempfile.TemporaryDirectory() as home:
        ...     with whole_file(Path(home, "tables", "a.csv")) as part:
        ...         _ = part.write_text("1,2")
        ...     print(Path(home, "tables", "a.csv").read_text())
        1,2
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays: what writes figures reads the format from it.
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}.", suffix=target.suffix)
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, 0o644)  # mkstemp's own is 0600: nobody else could read the result
        _to_disk(name)  # before the rename, or a power cut could leave the new name with nothing behind it
        os.replace(name, target)
        _to_disk(target.parent)
    finally:
        Path(name).unlink(missing_ok=True)


def _to_disk(path: str | os.PathLike[str]) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
