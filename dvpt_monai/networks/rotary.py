"""Rotary positions (Su et al., RoFormer, arXiv 2104.09864) on the grid of a vision transformer's patches.

Queries and keys are turned by angles that grow along each axis, pair of channels by pair of channels::

    angle_a,j = c_a base^(-j / J),    j < d / (2 axes),    J = d / (2 spectrum)        d: channels of a head

where the coordinate c_a of patch i of n is 2 pi (2 (i + 1/2) / n - 1), as in DINOv3 (arXiv 2508.10104), or, with a
reference grid of m patches, i m / n, as in EVA-02 (arXiv 2303.11331), or i itself, as in Primus (arXiv 2503.01835),
whose reference is its own grid. The spectrum is that of the axes that turn; in volumes FlexiCT (arXiv 2605.21906) keeps
that of a plane, of which each axis has the first frequencies. Only patches are turned: neither CLS and registers, nor
what tuners append.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import pi
from typing import Any

import torch
from torch import Tensor, nn

from dvpt_monai.errors import NetworkError

__all__ = ["Rotation", "complete_rotary"]

OWN = "own"
DEFAULTS: dict[str, Any] = {"base": 100.0, "interleaved": False, "reference": None}


def complete_rotary(rotary: Mapping[str, Any], dims: int) -> dict[str, Any]:
    """Settings of a rotation with what was left out, as they stand in a header.

    Args:
        rotary: ``base``, 100 by default; ``axes``, how many axes of the grid turn, by default all; ``interleaved``,
            whether the pairs are neighbours (EVA-02) or half a head apart (DINOv3); ``reference``, the grid whose
            indices are the coordinates, or ``"own"``; ``spectrum``, of how many axes the frequencies are, where that
            is another number than of those that turn.
        dims: axes of the grid.

    Raises:
        NetworkError: a setting is unknown or does not fit the grid.

    Example:
        >>> complete_rotary({}, 2)
        {'base': 100.0, 'interleaved': False, 'reference': None, 'axes': 2}
    """
    settings = {**DEFAULTS, "axes": dims, **rotary}
    unknown = sorted(settings.keys() - {*DEFAULTS, "axes", "spectrum"})
    if unknown:
        raise NetworkError(f"rotary: no setting {unknown[0]!r}; there are axes, spectrum, {', '.join(DEFAULTS)}")
    if not 1 <= settings["axes"] <= dims:
        raise NetworkError(f"rotary: axes must be between 1 and the {dims} of the grid, not {settings['axes']}")
    if settings.get("spectrum", 1) not in (1, 2, 3):
        raise NetworkError(f"rotary: spectrum must be a number of axes, 1 to 3, not {settings['spectrum']}")
    if settings.get("spectrum") == settings["axes"]:
        del settings["spectrum"]
    if not settings["base"] > 0:
        raise NetworkError(f"rotary: base must be positive, not {settings['base']}")
    reference = settings["reference"]
    if reference not in (None, OWN):
        if isinstance(reference, str) or len(reference) != settings["axes"]:
            raise NetworkError(
                f"rotary: reference {reference!r} must have a number for each of {settings['axes']} axes, or be 'own'"
            )
        reference = list(reference)
    return {**settings, "base": float(settings["base"]), "reference": reference}


class Rotation(nn.Module):
    """Turns the patch tokens of queries or keys; one module that all blocks share.

    Of a head whose channels are no multiple of ``2 axes``, the last are not turned.

    Args:
        channels: d, of a head; even.
        first: index of the first patch token.
        grid: patches along each axis.
        rotary: as :func:`complete_rotary` gives it.
        across: an axis of the grid that is passed over; ``None`` passes over none.

    Shape:
        (B, H, N, d) to the same.

    Example:
        >>> import torch
        >>> rotation = Rotation(8, 1, (2, 2), complete_rotary({}, 2))
        >>> x = torch.ones(1, 1, 6, 8)  # CLS, four patches and an appended token
        >>> (rotation(x) == x).all(-1).flatten().tolist()
        [True, False, False, False, False, True]
    """

    def __init__(
        self, channels: int, first: int, grid: Sequence[int], rotary: Mapping[str, Any], across: int | None = None
    ) -> None:
        super().__init__()
        self.channels, self.first, self.end = channels, first, first
        self.axes: int = rotary["axes"]
        self.across = across
        self.bands = channels // (2 * self.axes)
        if channels % 2 or not self.bands:
            raise NetworkError(f"rotary: heads of {channels} channels cannot turn along {self.axes} axes")
        self.spread: float = channels / (2 * rotary["spectrum"]) if "spectrum" in rotary else self.bands
        self.base: float = rotary["base"]
        self.interleaved: bool = rotary["interleaved"]
        self.own: bool = rotary["reference"] == OWN
        self.reference: list[int] = [] if self.own else rotary["reference"] or []
        for name in ("cos", "sin"):  # never in a file: they follow from the settings
            self.register_buffer(name, torch.zeros(0), persistent=False)
        self.cos: Tensor
        self.sin: Tensor
        self.lay_out(grid)

    @torch.jit.unused
    def lay_out(self, grid: Sequence[int]) -> None:
        """Compute the table for another grid, in float64, and round it once."""
        turning = [axis for axis in range(len(grid)) if axis != self.across][: self.axes]
        indices = torch.meshgrid(*(torch.arange(count, dtype=torch.float64) for count in grid), indexing="ij")
        coordinates = torch.stack(
            [self.along(order, indices[axis].flatten(), grid[axis]) for order, axis in enumerate(turning)], -1
        )
        frequencies = self.base ** (-torch.arange(self.bands, dtype=torch.float64) / self.spread)
        angles = (coordinates[..., None] * frequencies).flatten(1)  # (patches, axes * bands)
        angles = nn.functional.pad(angles, (0, self.channels // 2 - angles.shape[1]))
        angles = angles.repeat_interleave(2, -1) if self.interleaved else angles.repeat(1, 2)
        self.cos, self.sin = angles.cos().to(self.cos), angles.sin().to(self.sin)
        self.end = self.first + len(angles)

    @torch.jit.unused
    def along(self, order: int, index: Tensor, count: int) -> Tensor:
        """Coordinates of patches along one of the axes that turn, from their indices."""
        if self.own:
            return index
        if self.reference:
            return index * self.reference[order] / count
        return 2 * pi * (2 * (index + 0.5) / count - 1)

    def quarter(self, x: Tensor) -> Tensor:
        """Turn each pair of channels by 90 degrees."""
        if self.interleaved:
            return torch.stack((-x[..., 1::2], x[..., ::2]), -1).flatten(-2)
        half = self.channels // 2
        return torch.cat((-x[..., half:], x[..., :half]), -1)

    def forward(self, x: Tensor) -> Tensor:
        patches = x[:, :, self.first : self.end]
        turned = patches * self.cos + self.quarter(patches) * self.sin
        return torch.cat((x[:, :, : self.first], turned.to(x.dtype), x[:, :, self.end :]), dim=2)
