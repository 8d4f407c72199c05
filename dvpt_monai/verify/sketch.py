"""A small drawing of an image, by which copies are found that are no bytes alike: re-encoded, resized, scaled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["alike", "sketch"]

_SIDE = {2: 24, 3: 12}
"""Of the drawing, in pixels, for images and volumes."""
_LEAST = {2: 64, 3: 12}
"""Sides of an image under which too little is seen to tell two of a kind apart."""
_SAME = 0.99
"""The correlation of two drawings from which they count as one: fundus photographs of two eyes reach 0.986, a JPEG at
quality 30 or at half the size 0.997."""
_BLOCK = 1024


def sketch(array: NDArray[Any]) -> NDArray[Any] | None:
    """The fine structure of a gray image or volume on a small grid, with mean 0 and norm 1; ``None`` if it shows none.

    What all images of a kind share, such as the round border of a fundus photograph, is coarse; so the drawing's own
    blurred version is taken from it.

    Example:
        >>> ramp = np.add.outer(np.arange(64.0) ** 2, np.arange(64.0) % 9)
        >>> round(float(sketch(ramp) @ sketch(3 * np.kron(ramp, np.ones((2, 2))))), 3)
        1.0
    """
    if min(array.shape) < _LEAST[array.ndim]:
        return None
    side = _SIDE[array.ndim]
    small = array
    for axis in range(array.ndim):
        small = _shrunk(small, axis, side)
    fine = small - _blurred(small)
    fine -= fine.mean()
    norm = float(np.linalg.norm(fine))
    if norm <= 1e-6 * (float(np.abs(small).max()) + 1e-12) * np.sqrt(fine.size):
        return None
    drawing: NDArray[Any] = (fine / norm).ravel().astype(np.float32)
    return drawing


def alike(sketches: Sequence[NDArray[Any]]) -> Iterator[tuple[int, int]]:
    """Pairs of drawings of one image, by their places."""
    if not sketches:
        return
    drawn = np.stack(sketches)
    for start in range(0, len(drawn), _BLOCK):
        likeness = drawn[start : start + _BLOCK] @ drawn[start:].T
        for row, column in np.argwhere(likeness > _SAME):
            if row < column:
                yield start + int(row), start + int(column)


def _shrunk(array: NDArray[Any], axis: int, side: int) -> NDArray[Any]:
    """Means of equal stretches along an axis, which need not end between two pixels."""
    length = array.shape[axis]
    moved = np.moveaxis(array, axis, 0)
    sums = np.concatenate([np.zeros_like(moved[:1], np.float64), np.cumsum(moved, 0, dtype=np.float64)])
    edges = np.linspace(0, length, side + 1)
    below = np.minimum(edges.astype(int), length - 1)
    share = (edges - below).reshape(-1, *(1,) * (array.ndim - 1))
    upto = sums[below] * (1 - share) + sums[below + 1] * share
    return np.moveaxis(np.diff(upto, axis=0) * side / length, 0, axis)


def _blurred(array: NDArray[Any]) -> NDArray[Any]:
    for axis in range(array.ndim):
        padded = np.pad(array, [(2, 2) if axis == each else (0, 0) for each in range(array.ndim)], mode="edge")
        array = np.lib.stride_tricks.sliding_window_view(padded, 5, axis=axis).mean(axis=-1)
    return array
