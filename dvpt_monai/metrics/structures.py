"""How well each structure of a case is found: overlap, distance of surfaces, volumes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.metrics import compute_dice, compute_hausdorff_distance, compute_surface_dice
from torch import Tensor

from dvpt_monai.errors import DataError

__all__ = ["MEASURES", "measure_structures"]

MEASURES = ("dice", "hd95", "surface_dice", "truth", "predicted", "overlap")
"""What is measured of a structure: three scores, and three volumes."""


def measure_structures(
    predicted: Tensor, truth: Tensor, spacing: Sequence[float] | None = None, tolerance: float = 1.0
) -> Tensor:
    """The :data:`MEASURES` of each structure of one case.

    Without the structure in the truth the scores have no value (NaN); where the prediction lacks it, Dice and surface
    Dice are 0 and the distance has none. Whatever is not above a half, NaN too, is no structure.

    Args:
        predicted: masks of 0 and 1, a channel for each structure; they may overlap.
        truth: likewise.
        spacing: size of a voxel along each axis; 1 by default. It is the unit of distances and of volumes.
        tolerance: how far surfaces may lie apart for the surface Dice, in the same unit.

    Shape:
        (C, *spatial), two of them, in two or three dimensions -> (C, measures), float64

    Raises:
        DataError: on masks of another shape, and sizes of voxels that are none.

    Example:
        >>> truth = torch.tensor([[[0, 1, 1, 0]], [[0, 0, 0, 0]]])
        >>> predicted = torch.tensor([[[0, 0, 1, 0]], [[1, 0, 0, 0]]])
        >>> for values in measure_structures(predicted, truth, spacing=(1, 2)).tolist():
        ...     print(dict(zip(MEASURES, (round(value, 3) for value in values))))
        {'dice': 0.667, 'hd95': 1.9, 'surface_dice': 0.667, 'truth': 4.0, 'predicted': 2.0, 'overlap': 2.0}
        {'dice': nan, 'hd95': nan, 'surface_dice': nan, 'truth': 0.0, 'predicted': 2.0, 'overlap': 0.0}
    """
    if predicted.shape != truth.shape or predicted.ndim not in (3, 4):
        raise DataError(
            f"masks {tuple(predicted.shape)} and {tuple(truth.shape)}: both need a channel for each structure, and two "
            "or three dimensions more"
        )
    sizes = [float(size) for size in (spacing if spacing is not None else [1.0] * (predicted.ndim - 1))]
    if len(sizes) != predicted.ndim - 1 or not all(math.isfinite(size) and size > 0 for size in sizes):
        raise DataError(f"spacing {sizes} of masks {tuple(predicted.shape)}: one size above 0 for each axis")
    masks = zip(_mask(predicted), _mask(truth), strict=True)
    return torch.stack([_measure(one, other, sizes, tolerance) for one, other in masks])


def _measure(predicted: Tensor, truth: Tensor, sizes: list[float], tolerance: float) -> Tensor:
    box = _box(predicted | truth)
    one, other = predicted[box], truth[box]
    volumes = [math.prod(sizes) * int(mask.count_nonzero()) for mask in (other, one, one & other)]
    dice = distance = surface = math.nan
    if volumes[0]:
        dice = surface = 0.0
    if volumes[0] and volumes[1]:
        masks = one[None, None], other[None, None]
        dice = float(compute_dice(*masks))
        given: dict[str, Any] = {"include_background": True, "spacing": sizes}
        distance = float(compute_hausdorff_distance(*masks, percentile=95, **given))
        surface = float(compute_surface_dice(*masks, [tolerance], **given))
    return torch.tensor([dice, distance, surface, *volumes], dtype=torch.float64)


def _mask(values: Tensor) -> Tensor:
    mask = torch.as_tensor(values).cpu()
    return mask if mask.dtype == torch.bool else mask > 0.5


def _box(mask: Tensor) -> tuple[slice, ...]:
    """The part of a volume that holds all of a mask: what lies around it costs time and memory alone."""
    values = mask.numpy()
    axes = range(mask.ndim)
    along = [np.flatnonzero(values.any(axis=tuple(other for other in axes if other != axis))) for axis in axes]
    return tuple(slice(int(place[0]), int(place[-1]) + 1) if len(place) else slice(0, 0) for place in along)
