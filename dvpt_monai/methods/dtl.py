"""DTL: Disentangled Transfer Learning. Fu et al., AAAI 2024, arXiv 2312.07856.

A compact network h beside the backbone gathers what every block gives, z_i, at rank r, and joins the tokens again from
block M on::

    h_i = h_i-1 + z_i A_i B_i                  h before the first block is 0; A_i (d x r) Kaiming, B_i (r x d) from 0
    z_i' = z_i + swish(g(h_i))                 for i >= M; swish(x) = x sigmoid(beta x)

g is nothing in DTL, and in DTL+ one depthwise 3 x 3 (x 3) convolution over the patches that all blocks share. Gradients
reach back to block M alone: the blocks before it keep no activation and take no time in the backward pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvpt_monai.errors import TuningError
from dvpt_monai.methods.over_grid import convolved
from dvpt_monai.methods.side import attach_beside
from dvpt_monai.methods.sites import at_least_one, positive, sequence_of
from dvpt_monai.tuning import Method, TunedResidual, Tuner, attach

__all__ = ["DTL"]


class LowRank(Tuner):
    """h + z A B; sits on ``vit.beside``.

    Shape:
        tokens x (B, N, d), stream y (B, N, d), or one zero at its start.
    """

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.A = nn.Parameter(torch.empty(rank, width))
        self.B = nn.Parameter(torch.zeros(width, rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        return y + functional.linear(functional.linear(x, self.A), self.B)


class Joined(Tuner):
    """z + swish(h); sits on ``vit.back``.

    Shape:
        stream x and tokens y (B, N, d).
    """

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.beta = beta

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        return y + self.swish(x)

    def swish(self, x: Tensor) -> Tensor:
        """X sigmoid(beta x)."""
        return x * torch.sigmoid(self.beta * x)


class Convolved(Joined):
    """z + swish(g(h)), with g over the grid of patches."""

    def __init__(self, beta: float, conv: Any, first: int, grid: Sequence[int]) -> None:
        super().__init__(beta)
        self.conv = conv
        self.grid = list(grid)
        self.first, self.end = first, first + prod(grid)

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        x = convolved(x, self.conv.weight, self.conv.bias, self.first, self.end, self.grid)
        return y + self.swish(x)

    def resize_grid(self, old: Sequence[int], new: Sequence[int]) -> None:
        """Follow the patches to another grid."""
        self.grid, self.end = list(new), self.first + prod(new)


@dataclass(frozen=True)
class DTL(Method):
    """Disentangled Transfer Learning (arXiv 2312.07856): a network of rank 2 beside the backbone.

    Starts as the identity; it cannot be merged. A depth embedding stays as it is, since its gradient would pass through
    every block.

    Args:
        rank: r, the paper's 2.
        start: M, the first block behind which h joins the tokens; ``None`` is the paper's 7 of 12 in any depth.
        convolution: DTL+, whose convolution starts as the identity (ours).
        beta: of the swish, the paper's 100.

    Raises:
        TuningError: an argument out of range, or a network without one sequence of tokens.

    Source:
        Section 3 of the paper.

    Example:
        >>> import torch
        >>> from dvpt_monai import DTL, ViTClassifier, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), DTL())
        >>> report(net).method
        36864
    """

    paper: ClassVar[str] = "Fu et al., DTL: Disentangled Transfer Learning for Visual Recognition, arXiv 2312.07856"
    size: ClassVar[str] = "rank"
    spares_blocks: ClassVar[bool] = True

    rank: int = 2
    start: int | None = None
    convolution: bool = False
    beta: float = 100.0

    def __post_init__(self) -> None:
        at_least_one(self, "rank")
        positive(self, "beta")
        if self.start is not None:
            at_least_one(self, "start")

    def attach(self, network: nn.Module) -> None:
        sequence = sequence_of(network, self)
        encoder, depth = sequence.encoder, len(sequence.encoder.blocks)
        start = 7 * depth // 12 if self.start is None else self.start
        if start >= depth:
            raise TuningError(f"DTL: start must be a block between 1 and {depth - 1}, not {start}")
        attach_beside(network, self, None, lambda: LowRank(sequence.width, self.rank))
        conv = depthwise(sequence.width, len(encoder.grid)) if self.convolution else None
        for index in range(start, depth):
            joined = Joined(self.beta) if conv is None else Convolved(self.beta, conv, encoder.first, encoder.grid)
            attach(network, f"{sequence.prefix}back.{index}", joined, TunedResidual)


def depthwise(width: int, dims: int) -> nn.Module:
    """A convolution of each channel by itself that starts as the identity."""
    conv = (nn.Conv2d if dims == 2 else nn.Conv3d)(width, width, 3, groups=width)
    nn.init.dirac_(conv.weight, groups=width)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv
