"""What every format gives: pixels, where they lie, and what the file says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Image", "is_sliver"]

SLIVER = 50
"""Times its shorter side that the longer one of a picture may have."""


def is_sliver(size: Sequence[int]) -> bool:
    """Whether a picture is a line, of which nothing is left in a network's input.

    Example:
        >>> is_sliver((3, 3000)), is_sliver((300, 3000))
        (True, False)
    """
    return max(size) > SLIVER * min(size)


@dataclass(frozen=True)
class Image:
    """An image as its file has it.

    Args:
        array: pixels. The axes of a volume are its first, second and third index, those of a picture (photograph,
            X-ray) rows and columns; channels come last.
        channels: whether the last axis counts channels.
        affine: (4, 4), from the indices of a volume to RAS in mm; ``None`` for a picture, which lies nowhere.
        format: ``"nifti"``, ``"nrrd"``, ``"metaimage"``, ``"dicom"``, ``"photograph"``, ``"segmentation"`` or
            ``"dicom-seg"``.
        source: the file, or the folder of a series.
        header: what else the file says, by its own names.

    Example:
        >>> Image(np.zeros((4, 5, 6, 2)), True, np.diag([1.0, 2, 3, 1]), "nrrd", "a.nrrd").spacing
        (1.0, 2.0, 3.0)
    """

    array: NDArray[Any]
    channels: bool
    affine: NDArray[np.float64] | None
    format: str
    source: str
    header: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Its spatial shape."""
        return self.array.shape[:-1] if self.channels else self.array.shape

    @property
    def spacing(self) -> tuple[float, ...] | None:
        """Distances of its voxels in mm along each axis; ``None`` for a picture."""
        if self.affine is None:
            return None
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        return tuple(float(length) for length in lengths[: len(self.shape)])
