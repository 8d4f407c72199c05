"""What is brighter or darker than its surroundings, in units of how much these vary."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvpt_monai.errors import NetworkError

__all__ = ["LocalContrast"]

FLOOR = 0.05
"""Of the deviation, so that the noise of an even region is not blown up; images are normalised to about 1."""


class LocalContrast(nn.Module):
    """Local mean and deviation taken out of each channel: (x - G x) / sqrt(G (x - G x)^2 + floor^2).

    G is a Gaussian. Small structures stand out alike in dark and bright regions, whatever the light; nothing trains.

    Args:
        sigma: of the Gaussian, in pixels or voxels.
        spatial_dims: 2 or 3.

    Shape:
        (B, C, *size) to the same.

    Raises:
        NetworkError: a sigma that is no finite number above 0.

    Example:
        >>> import torch
        >>> x = torch.zeros(1, 1, 32, 96)
        >>> x[..., 48:] = 8.0  # the right half is brighter
        >>> x[..., 16, [16, 80]] += 0.5  # a faint dot on either
        >>> [round(float(dot), 1) for dot in LocalContrast(3.0, spatial_dims=2)(x)[0, 0, 16, [16, 80]]]
        [6.0, 6.0]
    """

    def __init__(self, sigma: float, spatial_dims: int) -> None:
        super().__init__()
        if not isinstance(sigma, (int, float)) or not 0 < sigma < math.inf:
            raise NetworkError(f"LocalContrast: sigma must be a finite number above 0, not {sigma}")
        self.sigma = float(sigma)
        self.spatial_dims = spatial_dims
        self.floor = FLOOR  # TorchScript sees no globals
        self.radius = max(1, round(3 * sigma))
        place = torch.arange(-self.radius, self.radius + 1, dtype=torch.float32)
        weight = (-(place**2) / (2 * sigma**2)).exp()
        self.weight: Tensor
        self.register_buffer("weight", weight / weight.sum(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return self.compared(x)
        if not x.is_meta and torch.is_autocast_enabled(x.device.type):
            with torch.autocast(x.device.type, enabled=False):  # of even regions little but rounding would stay
                return self.compared(x)
        return self.compared(x)

    def compared(self, x: Tensor) -> Tensor:
        """Each pixel or voxel with its surroundings, at the precision of the image."""
        deviation = x - self.blurred(x)
        return deviation / (self.blurred(deviation**2) + self.floor**2).sqrt()

    def blurred(self, x: Tensor) -> Tensor:
        """Each channel under the Gaussian, one axis after the other; the border is repeated outside."""
        weight = self.weight.to(x.dtype)[None, None]
        for axis in range(2, 2 + self.spatial_dims):
            lines = x.movedim(axis, -1)
            flat = functional.pad(lines.reshape(-1, 1, lines.shape[-1]), [self.radius, self.radius], mode="replicate")
            x = functional.conv1d(flat, weight).reshape(lines.shape).movedim(-1, axis).to(x.dtype)
        return x
