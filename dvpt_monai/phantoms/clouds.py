"""Smooth random noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

Array = NDArray[Any]


def clouds(rng: Generator, cells: int, shape: tuple[int, ...]) -> Array:
    """Smooth noise of mean 0 and standard deviation about 1, with `cells` hills along the longest axis."""
    coarse = [max(2, round(cells * length / max(shape))) + 1 for length in shape]
    noise = torch.from_numpy(rng.standard_normal((1, 1, *coarse), dtype=np.float32))
    mode = "bicubic" if len(shape) == 2 else "trilinear"
    smooth = torch.nn.functional.interpolate(noise, size=shape, mode=mode, align_corners=True)[0, 0].numpy()
    return smooth / (smooth.std() + np.float32(1e-6))
