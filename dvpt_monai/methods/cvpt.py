"""CVPT: Cross Visual Prompt Tuning. Huang et al., arXiv 2408.14961.

Prompts P (m x d) stay outside the self-attention; tokens X reach them by a cross-attention that owns no weights: its
projections are the block's own, frozen::

    Y = X + SA(X) + CA(X, P),    CA(X, P) = softmax(X W_q (P W_k)^T / sqrt(d)) P W_v W_o

The paper puts CA behind SA. Here both read the block's normed input, so that one pass through the frozen projections
serves both, and the bias of W_o counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvpt_monai.methods.sites import at_least_one, blocks_of, checked_layers, sequence_of
from dvpt_monai.methods.vpt import InnerPrompts
from dvpt_monai.tuning import Method, Tuned, Tuner, attach

__all__ = ["CVPT"]


class Split(Tuner):
    """Marks how many of the last tokens are prompts; it holds nothing."""

    def __init__(self, num_prompts: int) -> None:
        super().__init__()
        self.num_prompts = num_prompts


class CrossAttention(Tuned):
    """Self-attention among the tokens plus their attention to the prompts, each with a softmax of its own.

    Queries end with those of the prompts, whose rows of the output are dropped behind it. Keys may go on with columns
    of other methods: those belong to the self-attention.
    """

    def forward(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:  # type: ignore[override]
        m: int = self.tuner.num_prompts  # type: ignore[assignment]
        n = q.shape[2] - m
        x, prompts, values = q[:, :, :n], k[:, :, n : n + m], v[:, :, n : n + m]
        k = torch.cat((k[:, :, :n], k[:, :, n + m :]), dim=2)
        v = torch.cat((v[:, :, :n], v[:, :, n + m :]), dim=2)
        y = self.base(x, k, v, scale) + functional.scaled_dot_product_attention(x, prompts, values, scale=scale)
        return functional.pad(y, (0, 0, 0, m))


@dataclass(frozen=True)
class CVPT(Method):
    """Cross Visual Prompt Tuning (arXiv 2408.14961): prompts reached by a cross-attention with the block's weights.

    The nearest relative of DVPT; its prompts are the same for every image. Not the identity at the start, and it
    cannot be merged.

    Args:
        num_prompts: m, in every block.
        layers: indices of the blocks to tune; ``None`` is every one.

    Raises:
        TuningError: an argument out of range, or a network without one sequence of tokens.

    Source:
        Section 3 of the paper; the place beside the self-attention and the start, N(0, 0.02), are ours.

    Example:
        >>> import torch
        >>> from dvpt_monai import CVPT, ViTClassifier, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), CVPT())
        >>> report(net).method
        184320
    """

    paper: ClassVar[str] = "Huang et al., CVPT: Cross Visual Prompt Tuning, arXiv 2408.14961"
    size: ClassVar[str] = "num_prompts"

    num_prompts: int = 20
    layers: Sequence[int] | None = None

    def __post_init__(self) -> None:
        at_least_one(self, "num_prompts")
        checked_layers(self)

    @property
    def starts_as_identity(self) -> bool:
        return False

    def attach(self, network: nn.Module) -> None:
        width = sequence_of(network, self).width
        for site in blocks_of(network, self, self.layers):
            prompts = nn.Parameter(torch.empty(1, self.num_prompts, width).normal_(std=0.02))
            attach(network, site.part("attend", of="attn"), Split(self.num_prompts), CrossAttention)
            attach(network, site.part("attn"), InnerPrompts(prompts))
