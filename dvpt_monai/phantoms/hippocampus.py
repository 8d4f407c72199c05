"""A hippocampus phantom: an MRI-like volume with two structures that touch.

The axes are left to right, back to front, bottom to top.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvpt_monai.phantoms.clouds import clouds

Array = NDArray[Any]


def draw_hippocampus(seed: Any = 0) -> tuple[Array, NDArray[np.uint8]]:
    """Build one hippocampus phantom.

    Args:
        seed: whatever NumPy's default_rng takes.

    Returns:
        The volume and its labels (0 background, 1 anterior, 2 posterior), both of **Shape** (X, Y, Z), about
        35 x 50 x 36 voxels of 1 mm.

    Example:
        >>> image, label = draw_hippocampus()
        >>> image.shape == label.shape, np.unique(label).tolist()
        (True, [0, 1, 2])
    """
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(33, 38)), int(rng.integers(47, 53)), int(rng.integers(33, 39)))
    grids = np.meshgrid(*(np.arange(length, dtype=np.float32) for length in shape), indexing="ij")
    x, y, z = (grid + 0.8 * clouds(rng, 5, shape) for grid in grids)  # every shape is its own

    # a bent tube from the tail, behind, above, thin, to the head, in front, below, thick
    back, front = rng.uniform(5, 8), shape[1] - rng.uniform(7, 10)
    t = (y - back) / (front - back)
    inside = np.clip(t, 0, 1)
    middle = shape[0] / 2 + rng.uniform(-1.5, 1.5) + rng.uniform(3, 5) * (np.sin(np.pi * inside) - 0.7)
    height = shape[2] * 0.62 - rng.uniform(9, 12) * inside + 2 * np.sin(np.pi * inside)
    girth = 0.62 + 0.4 * np.sqrt(inside) * (1 + 0.4 * np.exp(-(((inside - 0.8) / 0.16) ** 2)))
    wide, tall = rng.uniform(6.2, 7.6) * girth, rng.uniform(3.7, 4.5) * girth
    caps = (np.minimum(t, 0) * 6) ** 2 + (np.maximum(t - 1, 0) * 7) ** 2
    dx, dz = (x - middle) / wide, (z - height) / tall
    away = np.sqrt(dx**2 + dz**2 + caps)  # 1 on the surface
    border = back + (front - back) * rng.uniform(0.52, 0.6) + 0.08 * (z - shape[2] / 2)
    label = np.where(away < 1, np.where(y > border, 1, 2), 0).astype(np.uint8)

    # tissue around it: white matter with folds of gray matter and fluid
    folds = clouds(rng, 7, shape) + 0.5 * clouds(rng, 13, shape)
    image: Array = 0.78 + 0.07 * clouds(rng, 9, shape) - 0.34 / (1 + np.exp(-6 * (folds - 0.7)))
    image -= 0.3 / (1 + np.exp(-8 * (folds - 1.6)))

    def layer(value: float, where: Array) -> None:
        nonlocal image
        image += np.clip(where, 0, 1) * (value - image)

    side = rng.choice([-1, 1])
    layer(0.95, (2.0 - away) * (1.6 + 0.5 * clouds(rng, 5, shape)))  # white matter hugs it
    layer(0.48, 3 * (0.45 - np.abs(away - 2.6)) * (dz < 0.3))  # the gyrus below
    horn = side * dx + 0.8 * dz > 0.25  # the ventricle's, above and to one side
    layer(0.1, 4 * (1.35 + 0.12 * clouds(rng, 6, shape) - away) * horn)
    layer(0.5, 5 * (1.08 - away))  # gray matter
    layer(0.62, 2 * (0.55 - np.abs(dz + 0.25 * np.cos(2 * dx))) * (away < 0.8) * 0.5)  # the darker and lighter leaves
    image = _soften(image.astype(np.float32))

    # the scanner: an uneven field, noise of both channels, an arbitrary scale
    field = np.exp(0.1 * clouds(rng, 2, shape) + rng.uniform(-0.006, 0.006) * (x - shape[0] / 2))
    real, imaginary = rng.normal(0, rng.uniform(0.025, 0.05), (2, *shape))
    magnitude: Array = np.hypot(image * field + real, imaginary) * rng.uniform(300, 1200)
    return magnitude.astype(np.float32), label


def _soften(volume: Array) -> Array:
    """The blur of a scanner: [1, 4, 1] / 6 along each axis."""
    for axis in range(3):
        padded = np.pad(volume, [(1, 1) if k == axis else (0, 0) for k in range(3)], mode="edge")
        low, high = (np.take(padded, np.arange(s, s + volume.shape[axis]), axis) for s in (0, 2))
        volume = (low + 4 * volume + high) / 6
    return volume
