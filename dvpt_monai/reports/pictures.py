"""What networks see, as pictures that people see: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLOURS", "colour", "denormalized", "fitted", "painted", "three_views"]

COLOURS = ("#00e5ff", "#2f5bff", "#39ff14", "#ff3df2", "#ffffff", "#ff9100", "#b388ff", "#000000")
"""None of them is a colour of a fundus; those of the smallest structures, which come first, are the brightest."""


def colour(place: int) -> str:
    """The colour of a structure by its place; after the last they begin again."""
    return COLOURS[place % len(COLOURS)]


def denormalized(image: NDArray[Any], mean: Sequence[float], std: Sequence[float]) -> NDArray[Any]:
    """An image (C, H, W[, D]) as (H, W[, D], C) in [0, 1], as it was before its normalisation by channel.

    Example:
        >>> denormalized(np.array([[[-1.0, 1.0]]]), mean=[0.5], std=[0.25])[..., 0]
        array([[0.25, 0.75]])
    """
    pixels: NDArray[Any] = np.moveaxis(image, 0, -1)
    shown: NDArray[Any] = (pixels * np.asarray(std) + np.asarray(mean)).clip(0, 1)
    return shown


def painted(picture: NDArray[Any], masks: NDArray[np.bool_]) -> NDArray[Any]:
    """A picture (H, W, 3) under masks (C, H, W), each in its colour; where they overlap the first is seen."""
    result = picture.copy()
    for place in reversed(range(len(masks))):
        red, green, blue = bytes.fromhex(colour(place)[1:])
        result[masks[place]] = 0.2 * picture[masks[place]] + 0.8 * np.array([red, green, blue]) / 255
    return result


def fitted(masks: NDArray[Any], size: Sequence[int]) -> NDArray[Any]:
    """Masks (..., H, W) in the size of a picture; a pixel of a smaller one holds the highest value of what it covers.

    Example:
        >>> fitted(np.array([[0, 0, 0, 2], [0, 1, 0, 0]]), (1, 2))
        array([[1, 2]])
        >>> fitted(np.array([[0, 1]]), (2, 4))
        array([[0, 0, 1, 1],
               [0, 0, 1, 1]])
    """
    for axis, count in zip((-2, -1), size, strict=True):
        length = masks.shape[axis]
        if length != count:
            covered = [np.arange(place * length // count, -(-(place + 1) * length // count)) for place in range(count)]
            masks = np.stack([masks.take(pixels, axis).max(axis) for pixels in covered], axis)
    return masks


def three_views(volume: NDArray[Any]) -> NDArray[Any]:
    """(X, Y, Z, C) -> one picture (Z + Y, X + Y, C): front and side, above the view from above; up is up."""
    side, front, above = (volume.mean(axis) for axis in range(3))  # (Y, Z, C), (X, Z, C), (X, Y, C)
    views = [np.swapaxes(view / max(float(view.max()), 1e-6), 0, 1)[::-1] for view in (front, side, above)]
    nothing = np.zeros((volume.shape[1], *views[1].shape[1:]), volume.dtype)
    return np.concatenate(
        [np.concatenate(views[:2], axis=1), np.concatenate([views[2], nothing], axis=1)],
        axis=0,
    )
