"""The file that an image was read from."""

from __future__ import annotations

from typing import Any

from monai.data import MetaTensor

__all__ = ["source_of"]


def source_of(image: Any, unknown: str = "(in memory)") -> str:
    """The path of the file that an image was read from.

    Args:
        image: the image; only a MetaTensor knows.
        unknown: what to answer where it is not known.

    Example:
        >>> import torch
        >>> source_of(MetaTensor(torch.zeros(1, 2, 2), meta={"filename_or_obj": "eyes/a.png"}))
        'eyes/a.png'
        >>> source_of(torch.zeros(1, 2, 2))
        '(in memory)'
    """
    return str(image.meta.get("filename_or_obj", unknown)) if isinstance(image, MetaTensor) else unknown
