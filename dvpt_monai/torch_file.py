"""What ``torch.save`` wrote, checked to its last byte before it is used; no code of it ever runs."""

from __future__ import annotations

import logging
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dvpt_monai.errors import CheckpointError

__all__ = ["check_finite", "check_records", "finite", "non_finite", "read_torch_file"]

logger = logging.getLogger(__name__)


def read_torch_file(path: str | os.PathLike[str], map_location: Any = "cpu") -> Any:
    """Read a file of ``torch.save`` with ``weights_only=True``, all of whose records have the checksum they came with.

    ``torch.load`` itself compares none of them: most flipped bits pass.

    Raises:
        CheckpointError: the file is missing or damaged, or holds more than weights.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     path = Path(home, "model.pt")
        ...     torch.save({"weight": torch.ones(2)}, path)
        ...     read_torch_file(path)["weight"].tolist()
        [1.0, 1.0]
    """
    check_records(path)
    try:
        return torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:  # what torch.load raises on damaged files is of many types
        text = " ".join(str(error).split())[:300] or type(error).__name__
        raise CheckpointError(f"{path} cannot be read as weights alone ({text}); copy or train it again") from error


def check_records(path: str | os.PathLike[str]) -> bool:
    """Whether a file of weights has checksums; if so, they are right. PyTorch's format before 1.6 has none.

    Raises:
        CheckpointError: the file is missing, or a checksum is wrong.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"{path}: no such file; give the path of a checkpoint")
    with open(path, "rb") as file:
        begins_as_archive = file.read(2) == b"PK"
    if not begins_as_archive and not zipfile.is_zipfile(path):
        logger.warning("%s has no checksums, which PyTorch writes since 1.6: damage to it would not be noticed", path)
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except Exception as error:  # zipfile raises what it stumbles over, and zlib, struct and codecs do, too
        raise CheckpointError(f"{path} is damaged ({error}); copy or train it again") from error
    if damaged:
        raise CheckpointError(f"{path} is damaged: the checksum of {damaged} in it is wrong; copy or train it again")
    return True


def check_finite(state: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Refuse weights that hold NaN or infinity.

    Args:
        state: tensors by name.
        path: where they come from.

    Raises:
        CheckpointError: names the tensor.
    """
    if name := non_finite(state):
        raise CheckpointError(f"{path}: {name} holds NaN or infinity, no prediction can come of it; train it again")


def non_finite(state: Mapping[str, Any]) -> str:
    """The first tensor of weights that holds NaN or infinity, by its name; empty if none does.

    Example:
        >>> non_finite({"epoch": 3, "bias": torch.zeros(2), "weight": torch.tensor([torch.nan])})
        'weight'
    """
    tensors = ((name, value) for name, value in state.items() if isinstance(value, torch.Tensor))
    return next((name for name, value in tensors if value.is_floating_point() and not finite(value)), "")


def finite(values: torch.Tensor) -> bool:
    """Whether a tensor holds numbers alone.

    Example:
        >>> finite(torch.tensor([3e38, 3e38])), finite(torch.tensor([torch.inf, -torch.inf]))
        (True, False)
    """
    # a finite sum tells without a mask of the size of the tensor
    return bool(values.sum().isfinite()) or bool(values.isfinite().all())
