"""Resampling in rows: each row of the result from the few rows of the volume that it lies between.

MONAI's ``SpatialResample`` holds the coordinates of every voxel in float64, three for each, beside the volume.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from monai.data.utils import AFFINE_TOL
from monai.networks.layers import AffineTransform
from monai.transforms.utils import resolves_modes
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Grid", "is_same", "parallel", "resampled_rows"]

SLANT = 1e-6
"""Voxels by which a row of one grid may leave a row of the other."""


@dataclass(frozen=True)
class Grid:
    """From one grid to another whose rows are parallel.

    Args:
        steps: (4, 4), from indices of the result to those of what is resampled.
        stored: shape of the result.
        seen: shape of what is resampled.
        mode: how values between voxels are found.
        padding_mode: what lies outside.
        align_corners: as in PyTorch's ``grid_sample``.
        dtype: of the computation.
    """

    steps: NDArray[np.float64]
    stored: tuple[int, ...]
    seen: tuple[int, ...]
    mode: str
    padding_mode: str
    align_corners: bool
    dtype: torch.dtype

    def needed(self, first: int, last: int) -> tuple[int, int]:
        """The rows, from and up to, that these rows of the result lie between."""
        ends = [self.steps[0, 0] * row + self.steps[0, 3] for row in (first, last - 1)]
        end = self.seen[0]
        return min(max(math.floor(min(ends)) - 1, 0), end - 1), max(min(math.ceil(max(ends)) + 2, end), 1)


def parallel(grid: Grid) -> bool:
    """Whether each row of the result lies between rows of what is resampled."""
    if grid.steps.shape != (4, 4) or len(grid.stored) != 3 or grid.steps[0, 0] <= 0:
        return False
    off = grid.steps[:3, :3] - np.diag(np.diag(grid.steps[:3, :3]))
    return bool(np.abs(off).max() * max(grid.stored) < SLANT)


def is_same(grid: Grid) -> bool:
    """Whether both are one grid, which MONAI does not resample."""
    return grid.stored == grid.seen and np.allclose(grid.steps, np.eye(4), atol=AFFINE_TOL)


def resampled_rows(rows: Iterable[Tensor], grid: Grid, count: int) -> Iterator[tuple[int, Tensor]]:
    """Resample rows as they come.

    Args:
        rows: parts (C, rows, *rest) of a volume, in order.
        grid: where they go.
        count: rows of the result at a time.

    Returns:
        The first row of each part of the result, and the part.

    Example:
        >>> grid = Grid(np.diag([0.5, 1, 1, 1]), (4, 1, 1), (2, 1, 1), "bilinear", "border", False, torch.float64)
        >>> volume = torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1)
        >>> [part.flatten().tolist() for _, part in resampled_rows([volume[:, :1], volume[:, 1:]], grid, 2)]
        [[0.0, 0.5], [1.0, 1.0]]
    """
    kept, base, first = None, 0, 0
    for part in rows:
        kept = part if kept is None else torch.cat([kept, part], dim=1)
        while first < grid.stored[0]:
            last = min(first + count, grid.stored[0])
            low, high = grid.needed(first, last)
            if high > base + kept.shape[1]:
                break
            yield first, _resampled(kept[:, low - base : high - base], grid, low, first, last)
            first = last
        low = grid.needed(first, first + 1)[0] if first < grid.stored[0] else base + kept.shape[1]
        done = min(low - base, kept.shape[1])
        kept, base = kept[:, done:], base + done


def _resampled(rows: Tensor, grid: Grid, low: int, first: int, last: int) -> Tensor:
    if is_same(grid):
        return rows[:, first - low : last - low].float()
    down, up = np.eye(4), np.eye(4)
    down[0, 3], up[0, 3] = first, -low
    _, mode, padding_mode, _ = resolves_modes(grid.mode, grid.padding_mode)
    resample = AffineTransform(
        normalized=False,
        mode=mode,
        padding_mode=padding_mode,
        align_corners=grid.align_corners,
        reverse_indexing=True,
    )
    theta = torch.as_tensor(up @ grid.steps @ down, dtype=grid.dtype)
    size = (last - first, *grid.stored[1:])
    return resample(rows[None].to(grid.dtype), theta=theta, spatial_size=size)[0].float()
