"""AdaptFormer. Chen et al., arXiv 2205.13535.

A bottleneck beside the MLP of every block, on the same normed input (Eq. 4 and 5)::

    y' = MLP(x) + s ReLU(x W_d + b_d) W_u + b_u          W_u and b_u from 0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from dvpt_monai.methods.sites import at_least_one, blocks_of, checked_layers, positive
from dvpt_monai.tuning import Method, Tuner, attach

__all__ = ["AdaptFormer"]


class Parallel(Tuner):
    """The bottleneck on what the frozen MLP reads.

    Shape:
        x and y (..., d).
    """

    def __init__(self, width: int, bottleneck: int, scale: float) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)
        self.scale = scale

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        return y + self.scale * self.up(self.down(x).relu())


@dataclass(frozen=True)
class AdaptFormer(Method):
    """AdaptFormer (arXiv 2205.13535): a scaled bottleneck beside the MLP of every block.

    Starts as the identity; it cannot be merged.

    Args:
        bottleneck: r, the paper's 64.
        scale: s, the paper's 0.1.
        layers: indices of the blocks to tune; ``None`` is every one.

    Raises:
        TuningError: an argument out of range, or a network without transformer blocks.

    Source:
        Eq. 4 and 5 of the paper.

    Example:
        >>> import torch
        >>> from dvpt_monai import AdaptFormer, ViTClassifier, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), AdaptFormer())
        >>> report(net).method
        1189632
    """

    paper: ClassVar[str] = "Chen et al., AdaptFormer, arXiv 2205.13535"
    size: ClassVar[str] = "bottleneck"

    bottleneck: int = 64
    scale: float = 0.1
    layers: Sequence[int] | None = None

    def __post_init__(self) -> None:
        at_least_one(self, "bottleneck")
        positive(self, "scale")
        checked_layers(self)

    def attach(self, network: nn.Module) -> None:
        for site in blocks_of(network, self, self.layers):
            attach(network, site.part("mlp"), Parallel(site.width, self.bottleneck, self.scale))
