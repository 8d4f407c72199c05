"""A file that appears whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["remove_parts", "whole_file"]

PART = "part-"
"""In the name of a file that is being written."""


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write to the path that this gives; at the end of the ``with`` block it takes the name ``path``.

    Until then, and for ever if the block raises, ``path`` is what it was. Missing folders are made.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     with whole_file(Path(home, "tables", "a.csv")) as part:
        ...         _ = part.write_text("1,2")
        ...     print(Path(home, "tables", "a.csv").read_text())
        1,2
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays: what writes figures reads the format from it.
    name = target.with_name(f".{target.stem}.{PART}{secrets.token_hex(6)}{target.suffix}")
    os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # less the umask, as for any other file
    try:
        yield name
        _to_disk(name)  # before the rename, or a power cut could leave the new name with nothing behind it
        os.replace(name, target)
        _to_disk(target.parent)
    finally:
        name.unlink(missing_ok=True)


def remove_parts(folder: str | os.PathLike[str]) -> None:
    """Remove what processes that were killed left half-written; nobody may be writing there now."""
    for part in Path(folder).glob(f".*.{PART}*"):
        part.unlink(missing_ok=True)


def _to_disk(path: str | os.PathLike[str]) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
