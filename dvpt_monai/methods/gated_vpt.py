"""GatedVPT. Yoo et al., Improving Visual Prompt Tuning for Self-supervised Vision Transformers, ICML 2023.

Shallow prompts P, and in every block a learned gate that mixes what the block makes of them with what they were:
training finds the blocks at which prompts should act::

    [Z, E_i] = L_i([P_i-1, E_i-1]),    P_i = g_i Z + (1 - g_i) P_i-1,    g_i = sigmoid(gamma_i)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import torch
from torch import Tensor, nn

from dvpt_monai.methods.sites import Lengthened, at_least_one, blocks_of, sequence_of
from dvpt_monai.methods.vpt import AppendPrompts, drawn
from dvpt_monai.tuning import Method, Tuner, attach

__all__ = ["GatedVPT"]


class PromptGate(Tuner):
    """Mixes the prompts of a block's input and output; sits on the block.

    Shape:
        (B, N + m, d) to the same; the prompts are ``[start, start + m)``.
    """

    def __init__(self, num_prompts: int, start: int) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(1))
        self.start, self.end = start, start + num_prompts

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        before, prompts = x[:, self.start : self.end], y[:, self.start : self.end]
        mixed = before + self.gate.sigmoid() * (prompts - before)
        return torch.cat((y[:, : self.start], mixed, y[:, self.end :]), dim=1)

    def resize_grid(self, old: Sequence[int], new: Sequence[int]) -> None:
        """Follow the prompts to their new place behind the patches."""
        self.start += prod(new) - prod(old)
        self.end += prod(new) - prod(old)


@dataclass(frozen=True)
class GatedVPT(Method):
    """Gated visual prompts (Yoo et al., ICML 2023): shallow VPT with a learned gate per block.

    The last block has no gate: nothing reads its prompts. Every gate starts at 0.5 (ours). The temperature of the
    prompts' attention, a second part of the paper, is left out. Not the identity at the start, and it cannot be merged.

    Args:
        num_prompts: m.

    Raises:
        TuningError: an argument out of range, or a network without one sequence of tokens.

    Example:
        >>> import torch
        >>> from dvpt_monai import GatedVPT, ViTClassifier, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), GatedVPT())
        >>> report(net).method
        38411
    """

    paper: ClassVar[str] = "Yoo et al., Improving Visual Prompt Tuning for Self-supervised ViTs, arXiv 2306.05067"
    size: ClassVar[str] = "num_prompts"

    num_prompts: int = 50

    def __post_init__(self) -> None:
        at_least_one(self, "num_prompts")

    @property
    def starts_as_identity(self) -> bool:
        return False

    def attach(self, network: nn.Module) -> None:
        sequence = sequence_of(network, self, appends=True)
        blocks = blocks_of(network, self)
        prompts = drawn(self.num_prompts, sequence.encoder)
        attach(network, f"{sequence.prefix}embed", AppendPrompts(prompts), Lengthened)
        for site in blocks[:-1]:
            attach(network, site.name, PromptGate(self.num_prompts, sequence.tokens))
