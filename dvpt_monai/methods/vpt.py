"""VPT: Visual Prompt Tuning. Jia et al., arXiv 2203.12119.

Learnable tokens P (m x d) beside the tokens E of the image (Eq. 4 to 6)::

    shallow   [Z_1, E_1] = L_1([P, E_0]);   [Z_i, E_i] = L_i([Z_i-1, E_i-1])     once, at the input
    deep      [_, E_i] = L_i([P_i-1, E_i-1])                                     fresh ones in every block

We append them at the end of the sequence, which changes nothing: positions are absolute, and attention has no order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dvpt_monai.errors import TuningError
from dvpt_monai.methods.sites import Lengthened, at_least_one, blocks_of, checked_layers, sequence_of
from dvpt_monai.tuning import Method, Space, Tuner, attach

__all__ = ["VPT", "AppendPrompts", "InnerPrompts"]


def drawn(num_prompts: int, encoder: Any) -> nn.Parameter:
    """Prompts as the authors draw them: uniform, as wide as Xavier's rule for the patch embedding; (1, m, d)."""
    limit = (6.0 / (encoder.in_channels * prod(encoder.patch_size) + encoder.hidden_size)) ** 0.5
    return nn.Parameter(torch.empty(1, num_prompts, encoder.hidden_size).uniform_(-limit, limit))


class AppendPrompts(Tuner):
    """Prompts that join the sequence for good; sits on ``vit.embed``.

    Shape:
        (B, N, d) to (B, N + m, d).
    """

    def __init__(self, prompts: nn.Parameter) -> None:
        super().__init__()
        self.prompts = prompts

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.cat((y, self.prompts.expand(y.shape[0], -1, -1)), dim=1)


class InnerPrompts(AppendPrompts):
    """Prompts that one frozen module sees and that leave with it.

    Shape:
        (B, N, d) to (B, N, d).
    """

    def before(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.prompts.expand(x.shape[0], -1, -1)), dim=1)

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        return y[:, : x.shape[1]]


@dataclass(frozen=True)
class VPT(Method):
    """Visual Prompt Tuning (arXiv 2203.12119): learnable tokens in the sequence.

    Not the identity at the start, and it cannot be merged.

    Args:
        num_prompts: m; ``None`` is 10 in every block when deep, 50 when shallow.
        deep: fresh prompts in every block, or prompts at the input alone.
        layers: deep only: indices of the blocks that get prompts; ``None`` is every one.

    Raises:
        TuningError: an argument out of range, or a network without one sequence of tokens.

    Source:
        Eq. 4 to 6 of the paper.

    Example:
        >>> import torch
        >>> from dvpt_monai import VPT, ViTClassifier, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), VPT(num_prompts=10))
        >>> report(net).method
        92160
    """

    paper: ClassVar[str] = "Jia et al., Visual Prompt Tuning, arXiv 2203.12119"
    size: ClassVar[str] = "num_prompts"
    search: ClassVar[Space] = {"learning_rate": (3e-4, 5e-2)}

    num_prompts: int | None = None
    deep: bool = True
    layers: Sequence[int] | None = None

    def __post_init__(self) -> None:
        if self.num_prompts is not None:
            at_least_one(self, "num_prompts")
        checked_layers(self)
        if self.layers is not None and not self.deep:
            raise TuningError("VPT: layers is for deep=True; shallow prompts enter at the input alone")

    @property
    def starts_as_identity(self) -> bool:
        return False

    def attach(self, network: nn.Module) -> None:
        sequence = sequence_of(network, self, appends=not self.deep)
        m = self.num_prompts or (10 if self.deep else 50)
        if not self.deep:
            attach(network, f"{sequence.prefix}embed", AppendPrompts(drawn(m, sequence.encoder)), Lengthened)
            return
        for site in blocks_of(network, self, self.layers):
            attach(network, site.name, InnerPrompts(drawn(m, sequence.encoder)))
