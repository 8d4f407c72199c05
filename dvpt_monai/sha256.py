"""The sha256 of files, computed once for as long as they stay as they are."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from functools import lru_cache

__all__ = ["sha256_of"]

SETTLED = 2e9
"""Nanoseconds after which a file that changes again gets another time of modification on every file system."""


def sha256_of(*paths: str | os.PathLike[str]) -> str:
    """The sha256 of a file, or of several one after the other, in hexadecimal.

    A file that has kept its size, its time of modification and its inode is not read again.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "abc.txt")
        ...     _ = path.write_text("abc")
        ...     sha256_of(path)[:8]
        'ba7816bf'
    """
    stats = [(os.path.realpath(path), os.stat(path)) for path in paths]
    now = time.time_ns()
    if any(now - stat.st_mtime_ns < SETTLED for _, stat in stats):
        return _digest(paths)
    return _remembered(tuple((path, stat.st_size, stat.st_mtime_ns, stat.st_ino) for path, stat in stats))


@lru_cache(maxsize=1024)
def _remembered(files: tuple[tuple[str, int, int, int], ...]) -> str:
    return _digest([path for path, *_ in files])


def _digest(paths: Sequence[str | os.PathLike[str]]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
