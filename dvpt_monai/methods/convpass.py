"""Convpass: convolutional bypasses. Jie and Deng, arXiv 2207.07039.

Beside the attention and the MLP of every block, on the same normed input laid out as the grid of patches::

    y' = y + s Up(act(Conv(act(Down(x)))))         1 x 1, 3 x 3 (x 3), 1 x 1;  Up from 0

CLS and registers, which have no neighbours, pass as images of one pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional

from dvpt_monai.methods.over_grid import convolved
from dvpt_monai.methods.sites import at_least_one, blocks_of, checked_layers, positive, sequence_of
from dvpt_monai.tuning import Method, Tuner, attach

__all__ = ["Convpass"]


class Bypass(Tuner):
    """Down, a convolution over the grid, up.

    Shape:
        x and y (B, N, d); the patches are ``[first, first + prod(grid))``.
    """

    def __init__(self, width: int, bottleneck: int, scale: float, first: int, grid: Sequence[int]) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        conv: type[Any] = nn.Conv2d if len(grid) == 2 else nn.Conv3d
        self.conv = conv(bottleneck, bottleneck, 3)
        # The convolution starts as the identity: one in the middle of its kernel.
        nn.init.dirac_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)
        self.up = nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)
        self.scale = scale
        self.grid = list(grid)
        self.first, self.end = first, first + prod(grid)

    def over_grid(self, z: Tensor) -> Tensor:
        """The convolution of the patches, and its middle alone for every other token, (B, N, r)."""
        return convolved(z, self.conv.weight, self.conv.bias, self.first, self.end, self.grid)

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        z = functional.gelu(self.down(x))
        return y + self.scale * self.up(functional.gelu(self.over_grid(z)))

    def resize_grid(self, old: Sequence[int], new: Sequence[int]) -> None:
        """Lay the tokens out on the new grid; a convolution fits any."""
        self.grid = list(new)
        self.end = self.first + prod(new)


@dataclass(frozen=True)
class Convpass(Method):
    """Convolutional bypasses (arXiv 2207.07039) beside attention and MLP, in 2D or 3D.

    Starts as the identity; it cannot be merged. GELU takes the place of the authors' QuickGELU.

    Args:
        bottleneck: r, the paper's 8.
        scale: s; the paper tunes it per task.
        layers: indices of the blocks to tune; ``None`` is every one.

    Raises:
        TuningError: an argument out of range, or a network without one grid of patches.

    Source:
        Section 3.2 of the paper.

    Example:
        >>> import torch
        >>> from dvpt_monai import Convpass, ViTClassifier, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), Convpass())
        >>> report(net).method
        327552
    """

    paper: ClassVar[str] = "Jie and Deng, Convolutional Bypasses Are Better ViT Adapters, arXiv 2207.07039"
    size: ClassVar[str] = "bottleneck"

    bottleneck: int = 8
    scale: float = 1.0
    layers: Sequence[int] | None = None

    def __post_init__(self) -> None:
        at_least_one(self, "bottleneck")
        positive(self, "scale")
        checked_layers(self)

    def attach(self, network: nn.Module) -> None:
        encoder = sequence_of(network, self).encoder
        for site in blocks_of(network, self, self.layers):
            for part in ("attn", "mlp"):
                bypass = Bypass(site.width, self.bottleneck, self.scale, encoder.first, encoder.grid)
                attach(network, site.part(part), bypass)
