"""States of a training on the disk: whole or not there, each with its hash, the last two of them."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import re
import time
from pathlib import Path
from typing import Any

import torch

from dvpt_monai.errors import CheckpointError
from dvpt_monai.whole_file import whole_file

__all__ = ["latest_state", "new_run", "read_state", "save_state", "serialized", "states"]

logger = logging.getLogger(__name__)
KEPT = 2
"""States that a folder keeps; should the last one be damaged, the one before it serves."""
DIGITS = 16
"""Of a state's sha256, in its name."""


def serialized(state: dict[str, Any]) -> bytes:
    """A state as the bytes of its file, which nothing changes any more.

    Args:
        state: tensors, numbers, strings and containers of them: it loads with ``weights_only=True``.
    """
    content = io.BytesIO()
    torch.save(state, content)
    return content.getvalue()


def save_state(folder: str | os.PathLike[str], run: int, step: int, state: bytes) -> Path:
    """Write a state as ``state_<run>_<step>_<sha256>.pt``, and remove all but the last two.

    The name carries the hash, so that content and hash appear in one step, and a file that a crash or the disk damaged
    is known.

    Args:
        folder: made if missing.
        run: of the training, from :func:`new_run`; what a lower one left counts as older.
        step: of the training; the higher, the later.
        state: what to keep, :func:`serialized`.

    Raises:
        CheckpointError: the disk is full, or the folder cannot be written; the states that were there are there still.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     path = save_state(home, 1, 7, serialized({"loss": torch.tensor(0.5)}))
        ...     path.name[:26], latest_state(home)[1]["loss"].item()
        ('state_0000000001_00000007_', 0.5)
    """
    path = Path(folder) / f"state_{run:010d}_{step:08d}_{hashlib.sha256(state).hexdigest()[:DIGITS]}.pt"
    try:
        with whole_file(path) as part:
            part.write_bytes(state)
    except OSError as error:
        raise CheckpointError(
            f"{path}: the state of the training cannot be written ({error}); make room or name another folder with "
            "--models_dir. What was saved before is still there"
        ) from error
    for old in states(folder)[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def new_run(folder: str | os.PathLike[str]) -> int:
    """The number of a training that begins: seconds since 1970, or more where the folder holds states of later ones.

    A clock that goes wrong, or a training taken up from a state of somewhere else, would otherwise count as older than
    what lies there, and lose to it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     _ = save_state(home, 9_000_000_000, 1, serialized({}))
        ...     new_run(home)
        9000000001
    """
    return max([int(time.time()), *(run_of(path) + 1 for path in states(folder))])


def run_of(path: Path) -> int:
    """The number of the training that a state is of.

    Example:
        >>> run_of(Path("state_0000000007_00000001_00ff.pt"))
        7
    """
    return int(path.stem.split("_")[1])


def states(folder: str | os.PathLike[str]) -> list[Path]:
    """The states in a folder, the earliest first."""
    return sorted(Path(folder).glob("state_*_*_*.pt"))


def latest_state(folder: str | os.PathLike[str]) -> tuple[Path, dict[str, Any]] | None:
    """The last state that is whole, and its file; ``None`` where there is none at all.

    A damaged one is passed over with a warning.

    Raises:
        CheckpointError: all that are there are damaged.
    """
    candidates = states(folder)
    for path in reversed(candidates):
        try:
            return path, read_state(path)
        except CheckpointError as error:
            logger.warning("%s; the state before it is taken", error)
    if candidates:
        raise CheckpointError(f"{Path(folder)}: all states in it are damaged; train anew with --resume never")
    return None


def read_state(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The state in a file whose hash is that of its name.

    Raises:
        CheckpointError: there is no such file, it is none of a state, or it is damaged.
    """
    file = Path(path)
    if not file.is_file():
        raise CheckpointError(f"{path}: no such file; give auto, never, or the path of a state")
    if not re.fullmatch(r"state_\d+_\d+_[0-9a-f]+", file.stem):
        raise CheckpointError(f"{path}: no state of a training; they are called state_*.pt, in the folder resume")
    data = file.read_bytes()
    if hashlib.sha256(data).hexdigest()[:DIGITS] != file.stem.split("_")[3]:
        raise CheckpointError(f"{path} is damaged (its sha256 is another)")
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # of many types; the hash is right, so it was written like this
        raise CheckpointError(f"{path} holds more than numbers and tensors ({type(error).__name__})") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: no state of a training")
    return state
