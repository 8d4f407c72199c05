"""One training at a time in a folder."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

from dvpt_monai.errors import BundleError
from dvpt_monai.held_folder import hold, holder
from dvpt_monai.whole_file import remove_parts

__all__ = ["lock"]

NOTE = ".training"
held: dict[Path, FileLock] = {}
"""Locks of this process; the system takes them back when it ends, however it ends."""


def lock(models_dir: str | os.PathLike[str], rank: int = 0) -> None:
    """Keep other trainings out of a folder until this process ends, and find out now whether it can be written.

    What a killed training left half-written is removed.

    Args:
        models_dir: where the training writes; made if missing.
        rank: of several processes of one training, the first locks.

    Raises:
        BundleError: another training writes there, or nobody may; says what to do.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     lock(home)
        ...     lock(home)  # one's own is no hindrance
    """
    folder = Path(models_dir).resolve()
    if rank or folder in held:
        return
    try:
        held[folder] = hold(folder, NOTE)
    except Timeout:
        raise BundleError(
            f"{folder}: {holder(folder, NOTE)} is training into it; wait, end that one, or train with --models_dir DIR"
        ) from None
    except OSError as error:
        raise BundleError(f"{folder}: cannot be written ({error}); train with --models_dir DIR") from error
    remove_parts(folder)
