"""Attention within the planes of a volume: 2D weights in 3D without a new one.

PlaneCycle (arXiv 2603.04165) cycles through the planes from block to block, H x W, D x W, D x H and H x W again. In a
block, a patch attends to the patches of its plane and to all tokens that are no patches; those attend within each plane
by itself, and their outputs are averaged over the planes. Everything else of a block works token by token.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from dvpt_monai.networks.block import ScaledDotProduct

__all__ = ["CYCLE", "PlaneAttention"]

CYCLE = (2, 0, 1, 2)
"""The axis across which planes are cut, from block to block, of a grid H x W x D."""


class PlaneAttention(ScaledDotProduct):
    """softmax(q k^T scale) v within each of the planes across one axis of the grid.

    Tokens before and behind the patches belong to every plane: CLS, registers, and what tuners append to the sequence
    or to the keys.

    Args:
        first: index of the first patch token.
        grid: patches along each axis of the volume.
        across: the axis.
        dropout_rate: of the weights.

    Shape:
        q (B, H, N, d), k and v (B, H, M, d) to (B, H, N, d).

    Source:
        Section 3 of the paper, with the mean for the tokens that are no patches; that it is taken behind the attention
        of every block is ours, so that the sequence stays one and all methods of tuning work.

    Example:
        >>> import torch
        >>> attend, x = PlaneAttention(0, (1, 1, 2), across=2), torch.rand(1, 1, 2, 4)
        >>> torch.allclose(attend(x, x, x, 1.0), x)  # each patch is alone in its plane
        True
    """

    def __init__(self, first: int, grid: Sequence[int], across: int, dropout_rate: float = 0.0) -> None:
        super().__init__(dropout_rate)
        self.first, self.across = first, across
        self.lay_out(grid)

    @torch.jit.unused
    def lay_out(self, grid: Sequence[int]) -> None:
        """Follow the patches to another grid."""
        self.grid = list(grid)
        self.plane = [side for axis, side in enumerate(grid) if axis != self.across]
        self.end = self.first + prod(grid)

    def cut(self, x: Tensor) -> Tensor:
        """Each plane as a sequence of its own, which begins with what is no patch; (B, H, N, d) to (B P, H, n, d)."""
        patches = x[:, :, self.first : self.end].unflatten(2, self.grid).movedim(2 + self.across, 1).flatten(3, 4)
        others = torch.cat((x[:, :, : self.first], x[:, :, self.end :]), 2).unsqueeze(1)
        return torch.cat((others.expand(-1, patches.shape[1], -1, -1, -1), patches), 3).flatten(0, 1)

    def joined(self, y: Tensor) -> Tensor:
        """The way back."""
        planes = y.unflatten(0, (-1, self.grid[self.across]))
        count = y.shape[2] - self.plane[0] * self.plane[1]
        others = planes[:, :, :, :count].mean(1)
        patches = planes[:, :, :, count:].unflatten(3, self.plane).movedim(1, 2 + self.across).flatten(2, 4)
        return torch.cat((others[:, :, : self.first], patches, others[:, :, self.first :]), 2)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        return self.joined(self.fused(self.cut(q), self.cut(k), self.cut(v), scale))
