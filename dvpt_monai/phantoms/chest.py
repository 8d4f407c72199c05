"""A chest phantom: a gray image with two lungs between ribs, and one kind of mark for each label.

The marks are no diseases. A label is a kind of mark in one place: a spot, a ring, a hole, stripes or grains, in the
upper or lower part of one lung.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvpt_monai.errors import DataError
from dvpt_monai.phantoms.clouds import clouds

Array = NDArray[Any]
_KINDS = 5
_PLACES = ((-0.42, -0.35), (0.42, -0.35), (-0.42, 0.3), (0.42, 0.3))


def draw_chest(label: Sequence[int], size: int = 128, seed: Any = 0) -> NDArray[np.uint8]:
    """Draw one chest phantom.

    The chest depends on the seed only: with other labels, the same chest has other marks.

    Args:
        label: 0 or 1 for each of up to 20 labels.
        size: width and height, in pixels.
        seed: whatever NumPy's default_rng takes.

    Returns:
        The image, gray, of **Shape** (size, size).

    Raises:
        DataError: if there are more labels than kinds of marks.

    Example:
        >>> draw_chest([0, 1], size=64).shape
        (64, 64)
    """
    if not 1 <= len(label) <= _KINDS * len(_PLACES):
        raise DataError(f"draw_chest: {len(label)} labels, there are marks for 1 to {_KINDS * len(_PLACES)}")
    rng = np.random.default_rng(seed)
    axis = (np.arange(size, dtype=np.float32) + 0.5) * 2 / size - 1
    y, x = axis[:, None], axis[None, :]

    # the body between dark air, two dark lungs, the heart and the spine bright between them
    width, tall = rng.uniform(0.27, 0.32), rng.uniform(0.62, 0.72)
    image = 0.55 + 0.03 * clouds(rng, 5, (size, size)) - 0.5 * _soft(np.abs(x) - 0.93, 0.02)
    for side in (-1, 1):
        lung = ((x - 0.42 * side) / width) ** 2 + ((y - rng.uniform(-0.08, 0.02)) / tall) ** 2
        image -= 0.32 * _soft(1 - lung, 0.06)
    image += rng.uniform(0.08, 0.14) * np.exp(-((x / 0.13) ** 2))
    image += 0.2 * np.exp(-(((x - 0.1) / rng.uniform(0.17, 0.24)) ** 2) - ((y - 0.33) / 0.26) ** 2)
    ribs = np.cos(rng.uniform(19, 22) * (y - 0.35 * np.abs(x) + rng.uniform(0, 0.3)))
    image += 0.045 * ribs.clip(0) * (np.abs(x) < 0.8)
    image += 0.02 * clouds(rng, 30, (size, size)) + rng.normal(0, 0.012, (size, size))

    for place in range(_KINDS * len(_PLACES)):  # all are thrown, so that one mark does not move another
        middle = np.array(_PLACES[place // _KINDS]) + rng.uniform(-0.06, 0.06, 2)
        grains = middle + rng.normal(0, 0.07, (8, 2))
        if place < len(label) and label[place]:
            image += _mark(place % _KINDS, x - middle[0], y - middle[1], [(x - gx, y - gy) for gx, gy in grains])
    return (image * 255).clip(0, 255).astype(np.uint8)


def _mark(kind: int, x: Array, y: Array, grains: list[tuple[Array, Array]]) -> Array:
    """What one mark adds, around its own middle."""
    away = np.sqrt(x**2 + y**2)
    inside: Array = _soft(0.15 - away, 0.01)
    marks: tuple[Array, ...] = (
        0.5 * inside,
        0.5 * _soft(0.03 - np.abs(away - 0.12), 0.01),
        -0.25 * inside,
        0.4 * inside * (np.sin(60 * (x + y)) > 0),
        sum((0.4 * _soft(0.035 - np.sqrt(gx**2 + gy**2), 0.008) for gx, gy in grains), np.zeros_like(away)),
    )
    return marks[kind]


def _soft(inside: Array, edge: float) -> Array:
    """0 where negative, 1 where positive, smooth over `edge`."""
    result: Array = (inside / edge + 0.5).clip(0, 1)
    return result
