"""SideDVPT: the dynamic prompts of DVPT (arXiv 2307.09787) in a stream beside the backbone. Ours.

Beside some blocks, with x the tokens that such a block l gives (B, N, d)::

    n = LN(x)
    z = GELU(n W_d + b_d)         a bottleneck: the domain's own distribution              (B, N, r)
    q = softmax_N(P z^T / t) z    prompts P are queries, z is key and value                (B, m, r)
    s_l = s_l-1 + n W_n + [q_1 ... q_m] W_q        all of the image's prompts to every token       (B, N, c)

and behind the backbone's last norm y = LN(x_L) + s W_u, with W_u from 0. Nothing returns to the blocks, so no gradient
passes through them: memory and time of a step are those of what is written above.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvpt_monai.methods.side import attach_beside, later_half
from dvpt_monai.methods.sites import at_least_one, checked_layers, positive, sequence_of
from dvpt_monai.tuning import Method, Tuner

__all__ = ["SideDVPT"]


class PromptedStream(Tuner):
    """What one block adds to the stream; sits on ``vit.beside``.

    Shape:
        tokens x (B, N, d), stream y (B, N, c), or one zero at its start; :meth:`attention`: (B, m, N).
    """

    def __init__(self, width: int, method: SideDVPT) -> None:
        super().__init__()
        r, m, c = method.bottleneck, method.num_prompts, method.width
        self.norm = nn.LayerNorm(width)
        self.down = nn.Linear(width, r)
        self.prompts = nn.Parameter(torch.randn(m, r))
        self.from_tokens = nn.Linear(width, c)
        self.from_prompts = nn.Linear(m * r, c, bias=False)
        self.scale = 1.0 / method.temperature

    def attention(self, x: Tensor) -> Tensor:
        """The weight of every token in every prompt."""
        return self.weights(functional.gelu(self.down(self.norm(x))))

    def weights(self, z: Tensor) -> Tensor:
        """The attention over compressed tokens (B, N, r)."""
        return (self.prompts @ z.transpose(1, 2) * self.scale).softmax(-1)

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        n = self.norm(x)
        z = functional.gelu(self.down(n))
        q = self.weights(z) @ z  # (B, m, r)
        return y + self.from_tokens(n) + self.from_prompts(q.flatten(1))[:, None]


@dataclass(frozen=True)
class SideDVPT(Method):
    """DVPT beside the backbone: prompts that read each image, and no gradient through a single block.

    Starts as the identity; it cannot be merged. A depth embedding stays as it is, since its gradient would pass through
    every block.

    Args:
        num_prompts: m.
        bottleneck: r.
        width: c, of the stream.
        temperature: t of the attention.
        layers: indices of the blocks that are read; ``None`` is three of the later half: 6, 8 and 10 of 12.

    Raises:
        TuningError: an argument out of range, or a network without one sequence of tokens.

    Source:
        Ours, after the formulas of DVPT's paper.

    Example:
        >>> import torch
        >>> from dvpt_monai import SideDVPT, ViTClassifier, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), SideDVPT())
        >>> f"{report(net).percent:.3f} %"
        '0.610 %'
    """

    paper: ClassVar[str] = "after He et al., DVPT: Dynamic Visual Prompt Tuning, arXiv 2307.09787"
    size: ClassVar[str] = "bottleneck"
    spares_blocks: ClassVar[bool] = True

    num_prompts: int = 16
    bottleneck: int = 32
    width: int = 96
    temperature: float = 0.7
    layers: Sequence[int] | None = None

    def __post_init__(self) -> None:
        at_least_one(self, "num_prompts", "bottleneck", "width")
        positive(self, "temperature")
        checked_layers(self)

    def attach(self, network: nn.Module) -> None:
        width = sequence_of(network, self).width
        layers = later_half(network, self) if self.layers is None else self.layers
        attach_beside(network, self, layers, lambda: PromptedStream(width, self), self.width)
