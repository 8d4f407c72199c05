"""Masks that lie beside their images, known by their names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dvpt_monai.formats import name_of

__all__ = ["MASK_ENDINGS", "image_name", "without_masks"]

MASK_ENDINGS = (
    "_segmentation", "-segmentation", "_labels", "_label", "-label", "_mask", "-mask", "_dseg", "_seg", "-seg", "_gt",
)  # fmt: skip
"""What the names of masks end in, beside what their images are called."""


def image_name(name: str) -> str:
    """The name, without the suffix of a format, of the image that a mask of this name belongs to; else its own.

    Example:
        >>> image_name("x_mask"), image_name("x"), image_name("_mask")
        ('x', 'x', '_mask')
    """
    ending = next((each for each in MASK_ENDINGS if name.lower().endswith(each)), "")
    return name[: -len(ending)] if 0 < len(ending) < len(name) else name


def without_masks(paths: Sequence[Path]) -> list[Path]:
    """The files of a folder that are images: not ``x_mask.png`` where ``x.png`` or ``x.jpg`` lies beside it.

    A file that only happens to end so has no image beside it, and stays.

    Example:
        >>> [path.name for path in without_masks([Path("a.jpg"), Path("a_mask.png"), Path("b_seg.png")])]
        ['a.jpg', 'b_seg.png']
    """
    names = {path: name_of(path) for path in paths}
    there = {(path.parent, name) for path, name in names.items()}
    return [path for path in paths if image_name(names[path]) == names[path]
            or (path.parent, image_name(names[path])) not in there]  # fmt: skip
