"""A folder that one process at a time writes into."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from filelock import FileLock

__all__ = ["hold", "holder"]


def hold(folder: Path, note: str = "", wait: bool = False) -> FileLock:
    """Keep other processes out of a folder until the lock is released; the system takes it back after a kill.

    Args:
        folder: made if missing.
        note: name of a file in it that says who holds it, for :func:`holder`; none if empty.
        wait: whether to wait for another process.

    Raises:
        filelock.Timeout: another process holds it.
        OSError: the folder cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home, hold(Path(home)):
        ...     print(os.listdir(home))
        ['.lock']
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    lock.acquire(timeout=-1 if wait else 0)
    if note:
        (folder / note).write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
    return lock


def holder(folder: Path, note: str) -> str:
    """Who holds a folder, in words, by the note of :func:`hold`."""
    path = folder / note
    return path.read_text(encoding="utf-8") if path.is_file() else "another process"
