"""What an image is like, as far as a training has to fit it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dvpt_monai.verify import ImageFacts

__all__ = ["Header", "header_of"]


@dataclass(frozen=True)
class Header:
    """Size and kind of an image.

    Args:
        size: pixels, height and width; or voxels along the three axes.
        channels: colours, or the length of a fourth axis, or the number of files.
        bits: of a value.
        kind: the type of the values.
        spacing: mm along each axis; empty in 2D.
        orientation: of a volume, as in RAS.
        affine: of a volume.
    """

    size: tuple[int, ...]
    channels: int
    bits: int
    kind: str
    spacing: tuple[float, ...] = ()
    orientation: str = ""
    affine: NDArray[Any] | None = None

    @property
    def dims(self) -> int:
        """2 or 3."""
        return len(self.size)

    @property
    def in_ras(self) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Size and spacing along the axes that the volume has once it is turned to RAS; of 2D as they are."""
        if self.affine is None:
            return self.size, self.spacing
        axes = np.argsort(nib.io_orientation(self.affine)[:, 0])
        return tuple(self.size[axis] for axis in axes), tuple(self.spacing[axis] for axis in axes)


def header_of(facts: ImageFacts) -> Header:
    """The header of an image that was read."""
    affine = facts.affine
    return Header(
        size=facts.size,
        channels=facts.channels,
        bits=_bits(facts.kind),
        kind=facts.kind,
        spacing=tuple(round(mm, 4) for mm in facts.spacing),
        orientation="" if affine is None else "".join(nib.aff2axcodes(affine)),
        affine=affine,
    )


def _bits(kind: str) -> int:
    """The bits of a value.

    Example:
        >>> _bits("16 bits"), _bits("float32"), _bits("[('R', 'u1'), ('G', 'u1'), ('B', 'u1')]")
        (16, 32, 8)
    """
    if kind.endswith("bits"):
        return int(kind.split()[0])
    return 8 if kind.startswith("[") else 8 * np.dtype(kind).itemsize  # NIfTI's colours are of 8 bits each
