"""Adapter. Houlsby et al., Parameter-Efficient Transfer Learning for NLP, arXiv 1902.00751.

A bottleneck with a skip of its own behind the attention and the MLP of every block, before their residual sums::

    y' = y + GELU(y W_d + b_d) W_u + b_u          W_u and b_u from 0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from dvpt_monai.methods.sites import at_least_one, blocks_of, checked_layers
from dvpt_monai.tuning import Method, Tuner, attach

__all__ = ["Adapter"]


class Serial(Tuner):
    """The bottleneck on what a frozen module gives.

    Shape:
        y (..., d) to the same.
    """

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        return y + self.up(functional.gelu(self.down(y)))


@dataclass(frozen=True)
class Adapter(Method):
    """Serial bottleneck adapters (arXiv 1902.00751), two in every block.

    Starts as the identity; it cannot be merged.

    Args:
        bottleneck: r.
        layers: indices of the blocks to tune; ``None`` is every one.

    Raises:
        TuningError: an argument out of range, or a network without transformer blocks.

    Source:
        Section 2.1 and Figure 2 of the paper.

    Example:
        >>> import torch
        >>> from dvpt_monai import Adapter, ViTClassifier, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), Adapter(bottleneck=8))
        >>> report(net).method
        313536
    """

    paper: ClassVar[str] = "Houlsby et al., Parameter-Efficient Transfer Learning for NLP, arXiv 1902.00751"
    size: ClassVar[str] = "bottleneck"

    bottleneck: int = 64
    layers: Sequence[int] | None = None

    def __post_init__(self) -> None:
        at_least_one(self, "bottleneck")
        checked_layers(self)

    def attach(self, network: nn.Module) -> None:
        for site in blocks_of(network, self, self.layers):
            # On the output projection and not on the attention, which some networks call with more than x.
            for name in (site.part("out_proj", "proj", of="attn"), site.part("mlp")):
                attach(network, name, Serial(site.width, self.bottleneck))
