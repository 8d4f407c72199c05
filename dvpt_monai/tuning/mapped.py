"""Tensors in a file instead of memory: to have them costs nothing, to read them reads the file."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Mapping

import torch
from torch import Tensor

from dvpt_monai.tuning.content import content

__all__ = ["mapped"]

ALIGNMENT = 64


def mapped(tensors: Mapping[str, Tensor], folder: str | os.PathLike[str] | None = None) -> dict[str, Tensor]:
    """The same tensors, on the CPU, mapped from a temporary file.

    The file has no name, so that a kill leaves nothing behind, and vanishes with the last tensor that needs it. What is
    written to a tensor stays with the process and never reaches the file. Each tensor has a storage of its own, as in
    memory. Those without values, or on ``meta``, are copied.

    Args:
        tensors: by name.
        folder: on whose disk the file is, made if missing; by default that which ``TMPDIR`` names.

    Raises:
        OSError: it cannot be written.

    Example:
        >>> mapped({"scale": torch.tensor([1.0, 2.0])})
        {'scale': tensor([1., 2.])}
    """
    if folder is not None:
        os.makedirs(folder, exist_ok=True)
    starts = {}
    with tempfile.TemporaryFile(dir=folder) as file:
        for key, value in tensors.items():
            if value.is_meta or not value.numel():
                continue
            file.write(bytes(-file.tell() % ALIGNMENT))
            starts[key] = file.tell()
            file.write(content(value))
        file.flush()
        os.fsync(file.fileno())  # a full disk is found now, and the system may drop what it can read again
        if not starts:
            return {key: value.detach().clone() for key, value in tensors.items()}
        # Writable, as torch wants it, but what would be written stays private.
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return {
        key: torch.frombuffer(mapping, dtype=value.dtype, count=value.numel(), offset=starts[key]).view(value.shape)
        if key in starts
        else value.detach().clone()
        for key, value in tensors.items()
    }
