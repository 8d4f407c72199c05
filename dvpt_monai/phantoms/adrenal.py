"""A phantom of an adrenal gland: two limbs that leave one ridge, as a binary shape.

The axes are left to right, back to front, bottom to top.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvpt_monai.errors import DataError
from dvpt_monai.phantoms.clouds import clouds


def draw_adrenal(label: int, size: int = 64, seed: Any = 0) -> NDArray[np.uint8]:
    """Build the shape of one gland.

    Args:
        label: 0, thin limbs; 1, thick ones with nodules, as in hyperplasia.
        size: edge of the volume, in voxels.
        seed: whatever NumPy's default_rng takes; the same seed gives the same gland with either label.

    Returns:
        A mask of 0 and 255, **Shape** (size, size, size).

    Raises:
        DataError: on another label.

    Example:
        >>> normal, thick = (draw_adrenal(label, 32) for label in (0, 1))
        >>> normal.shape, bool(thick.sum() > 1.3 * normal.sum())
        ((32, 32, 32), True)
    """
    if label not in (0, 1):
        raise DataError(f"draw_adrenal: label={label} is neither 0 (normal) nor 1 (hyperplasia)")
    rng = np.random.default_rng(seed)
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    x, y, z = (grid + 0.04 * clouds(rng, 4, (size,) * 3) for grid in np.meshgrid(axis, axis, axis, indexing="ij"))
    side, tall, tilt = rng.choice([-1, 1]), rng.uniform(0.5, 0.75), rng.uniform(-0.2, 0.2)
    shift = rng.uniform(-0.1, 0.1, 3)
    x, y, z = side * x + shift[0], y + shift[1] - 0.35 + tilt * z, (z + shift[2]) / tall
    whole = 1 - np.clip(z**2, 0, 1)  # the gland's extent at each height, none above and below
    inside = np.zeros((size,) * 3, bool)
    for turn, long in ((rng.uniform(0.1, 0.4), rng.uniform(0.7, 1.0)), (-rng.uniform(0.3, 0.7), rng.uniform(0.5, 0.8))):
        along, across = -np.cos(turn) * y + np.sin(turn) * x, np.cos(turn) * x + np.sin(turn) * y
        half = rng.uniform(0.06, 0.09) * (1 + 0.7 * label)
        reach = long * np.sqrt(whole)
        inside |= (along > -half) & (along < reach) & (np.abs(across) < half * (1.1 - 0.4 * along / long)) & (whole > 0)
        at, wide = rng.uniform(0.3, 0.8) * long, rng.uniform(0.12, 0.2)  # a nodule on the limb
        inside |= bool(label) & ((along - at) ** 2 + across**2 + (tall * z) ** 2 < wide**2)
    return np.where(inside, 255, 0).astype(np.uint8)
