"""LST: Ladder Side-Tuning. Sung et al., NeurIPS 2022, arXiv 2206.06522.

A small transformer beside the backbone; each of its blocks reads a gated mix of its own stream and of what a block l of
the backbone gives, x_l, projected to its width c::

    s_l = Block_l(u_l x_l D_l + (1 - u_l) s_l-1)          u_l = sigmoid(a_l / T),  a_l from 0,  T = 0.1

and behind the backbone's last norm y = LN(x_L) + s W_u. No gradient passes through the backbone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import ClassVar

import torch
from torch import Tensor, nn

from dvpt_monai.errors import TuningError
from dvpt_monai.methods.side import attach_beside, stream_width
from dvpt_monai.methods.sites import at_least_one, blocks_of, checked_layers, sequence_of
from dvpt_monai.networks.block import Block
from dvpt_monai.tuning import Method, Tuner

__all__ = ["LST"]

TEMPERATURE = 0.1
"""T of the gates."""


class Rung(Tuner):
    """One block of the ladder; sits on ``vit.beside``.

    Shape:
        tokens x (B, N, d), stream y (B, N, c), or one zero at its start.
    """

    def __init__(self, width: int, stream: int, num_heads: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, stream)
        self.gate = nn.Parameter(torch.zeros(1))
        self.temperature = TEMPERATURE
        self.block = Block(hidden_size=stream, mlp_dim=4 * stream, num_heads=num_heads)

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        u = torch.sigmoid(self.gate / self.temperature)
        return self.block(u * self.down(x) + (1 - u) * y)


@dataclass(frozen=True)
class LST(Method):
    """Ladder Side-Tuning (arXiv 2206.06522): a small transformer that climbs beside the backbone.

    Starts as the identity, since W_u starts at 0 and the backbone's own tokens stay beside the ladder's (ours); it
    cannot be merged. A depth embedding stays as it is, since its gradient would pass through every block.

    Args:
        reduction: the ladder's width c is the backbone's over this, the paper's 8.
        layers: indices of the blocks that have a rung; ``None`` is every one.
        num_heads: of a rung's attention; ``None`` is the backbone's, as far as it divides c. Those of a ViT-B, 12 of 8
            channels, take the largest part of a step from a cache; fewer cost less (docs/methods.md).

    Raises:
        TuningError: an argument out of range, heads that do not divide the ladder's width, or a network without one
            sequence of tokens.

    Source:
        Section 3 of the paper, without its start from pruned weights; the ladder starts at 0, not at the embedding.

    Example:
        >>> import torch
        >>> from dvpt_monai import LST, ViTClassifier, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), LST())
        >>> report(net).method
        2302476
    """

    paper: ClassVar[str] = "Sung et al., LST: Ladder Side-Tuning, arXiv 2206.06522"
    spares_blocks: ClassVar[bool] = True

    reduction: int = 8
    layers: Sequence[int] | None = None
    num_heads: int | None = None

    def __post_init__(self) -> None:
        at_least_one(self, "reduction", *(["num_heads"] if self.num_heads is not None else []))
        checked_layers(self)

    def attach(self, network: nn.Module) -> None:
        sequence = sequence_of(network, self)
        blocks_of(network, self, self.layers)
        stream = stream_width(sequence, self, self.reduction)
        heads = gcd(stream, sequence.encoder.num_heads) if self.num_heads is None else self.num_heads
        if stream % heads:
            raise TuningError(
                f"LST: {heads} heads do not divide the ladder's width of {stream}; give num_heads a divisor"
            )
        attach_beside(network, self, self.layers, lambda: Rung(sequence.width, stream, heads), stream)
