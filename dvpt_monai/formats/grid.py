"""Grids of voxels in space: whether two are one, and how an array goes from one to the other without resampling."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvpt_monai.errors import DataError

__all__ = ["apart", "check_affine", "check_spacing", "into_grid", "ras", "tolerance"]

Affine = NDArray[np.float64]
SMALLEST, LARGEST = 1e-7, 1e3
"""Spacings in mm that are believed: from a tenth of a nanometre to a metre."""


def apart(one: Affine, other: Affine, shape: Sequence[int]) -> float:
    """How far in mm two affines take any voxel of a grid apart.

    Example:
        >>> apart(np.eye(4), np.diag([1.0, 1, 1.5, 1]), (10, 10, 11))
        5.0
    """
    return float(np.linalg.norm(((one - other) @ _corners(shape))[:3], axis=0).max())


def tolerance(affine: Affine) -> float:
    """What two grids may differ by in mm and count as one: a twentieth of the smallest spacing.

    Float32 headers of one scanner differ by less, places that matter by more.
    """
    return float(np.linalg.norm(affine[:3, :3], axis=0).min()) / 20


def check_affine(affine: Affine, shape: Sequence[int], source: str) -> None:
    """Refuse a grid whose spacing is nothing or absurd, or whose axes are slanted.

    Raises:
        DataError: names ``source``.

    Example:
        >>> check_affine(np.diag([1.0, 0, 1, 1]), (4, 4, 4), "a.nii")
        Traceback (most recent call last):
        dvpt_monai.errors.DataError: a.nii: spacing 1 x 0 x 1 mm; correct its header or export it again
    """
    lengths = check_spacing(affine, source)
    u, _, v = np.linalg.svd(affine[:3, :3] / lengths)
    upright = affine.copy()
    upright[:3, :3] = u @ v * lengths
    if (distance := apart(affine, upright, shape)) > tolerance(affine):
        raise DataError(
            f"{source}: the axes of its grid are slanted (by {distance:.3g} mm over its extent), which most formats "
            "cannot hold and readers take differently; resample it to an upright grid"
        )


def check_spacing(affine: Affine, source: str) -> NDArray[np.float64]:
    """The spacing of a grid in mm, which must be neither nothing nor absurd; errors are those of `check_affine`."""
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or lengths.min() < SMALLEST or lengths.max() > LARGEST:
        spacing = " x ".join(f"{length:g}" for length in lengths)
        raise DataError(f"{source}: spacing {spacing} mm; correct its header or export it again")
    return np.asarray(lengths, np.float64)


def ras(affine: Affine) -> Affine:
    """The same grid in RAS where it was in LPS, and the other way round.

    Example:
        >>> ras(np.eye(4)).diagonal().tolist()
        [-1.0, -1.0, 1.0, 1.0]
    """
    return np.diag([-1.0, -1, 1, 1]) @ affine


def into_grid(
    array: NDArray[Any],
    affine: Affine,
    target: Affine,
    shape: Sequence[int],
    *,
    allowed: float | None = None,
    cropped: bool = False,
) -> NDArray[Any]:
    """Bring an array to the grid of another by exchanging and flipping axes alone, so that no value changes.

    **Shape**: (C, *spatial) -> (C, *shape)

    Args:
        array: with its channels first.
        affine: where its grid lies.
        target: where the other lies.
        shape: spatial shape of the other.
        allowed: mm by which the places may differ; `tolerance` by default.
        cropped: whether it may cover a part of the other's grid; the rest becomes 0.

    Raises:
        DataError: where that is not possible; says how far they are apart.

    Example:
        >>> array, flipped = np.arange(4).reshape(1, 2, 2, 1), np.diag([-1.0, 1, 1, 1])
        >>> flipped[0, 3] = 1  # its first voxel is where the other's last is
        >>> into_grid(array, flipped, np.eye(4), (2, 2, 1))[0, :, :, 0].tolist()
        [[2, 3], [0, 1]]
    """
    size = _three(array.shape[1:])
    whole = _three(shape)
    allowed = tolerance(target) if allowed is None else allowed
    steps = np.linalg.solve(target, affine)
    turn = np.rint(steps[:3, :3]).astype(int)
    if not (np.abs(turn).sum(0) == 1).all() or not (np.abs(turn).sum(1) == 1).all():
        distance = apart(affine, target, size) if size == whole else None
        away = "" if distance is None else f", {distance:.3g} mm apart,"
        raise DataError(f"their grids{away} differ in direction or spacing")
    axes = np.abs(turn).argmax(1)  # the array's axis that runs along each of the target's
    flips = turn[np.arange(3), axes] < 0
    turned = tuple(size[axis] for axis in axes)
    last = np.array(turned) - 1
    start = np.rint(steps[:3, 3]).astype(int) - np.where(flips, last, 0) if cropped else np.zeros(3, int)
    exact = np.eye(4)
    exact[:3, :3] = turn
    exact[:3, 3] = start + np.where(flips, last, 0)
    if not cropped and turned != whole:
        raise DataError(f"their shapes are {_times(turned)} and {_times(whole)}")
    if (distance := apart(affine, target @ exact, size)) > allowed:
        raise DataError(f"their grids are {distance:.3g} mm apart ({allowed:.2g} are allowed)")
    if (start < 0).any() or (start + turned > whole).any():
        raise DataError(f"it reaches out of the image's grid of {_times(whole)}, from voxel {start.tolist()} on")
    moved = array.reshape(len(array), *size).transpose(0, *(1 + axes))
    moved = np.flip(moved, tuple(1 + np.flatnonzero(flips)))
    if turned != whole:
        part, moved = moved, np.zeros((len(array), *whole), array.dtype)
        moved[(slice(None), *(slice(at, at + length) for at, length in zip(start, turned, strict=True)))] = part
    return np.ascontiguousarray(moved.reshape(len(array), *shape))


def _corners(shape: Sequence[int]) -> NDArray[np.float64]:
    ends = [(0, max(length - 1, 1)) for length in _three(shape)]  # one slice still has a thickness
    return np.array([(*corner, 1) for corner in product(*ends)], np.float64).T


def _three(shape: Sequence[int]) -> tuple[int, ...]:
    return (*(int(length) for length in shape), 1, 1)[: max(3, len(shape))]


def _times(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
