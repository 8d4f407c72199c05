"""DoRA: Weight-Decomposed Low-Rank Adaptation. Liu et al., arXiv 2402.09353.

The weight as magnitude times direction, of which LoRA turns the direction (Eq. 5)::

    W' = m (W + D) / ||W + D||,    D = (alpha / r) B A       m: one number for each output, from ||W||

with the norm held constant in the backward pass (Section 4.3).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dvpt_monai.errors import TuningError
from dvpt_monai.methods.lora import LoRA, LowRank
from dvpt_monai.tuning import Tuned, Tuner, attach

__all__ = ["DoRA"]


class Decomposed(LowRank):
    """A low-rank update of the direction, and the magnitude of each output of the chosen slices.

    Shape:
        magnitude (S, d_slice); the rest as :class:`~dvpt_monai.methods.lora.LowRank`.
    """

    def __init__(self, linear: nn.Linear, method: Any, chosen: Sequence[bool]) -> None:
        super().__init__(linear, method, chosen)
        self.chosen = [index for index, is_chosen in enumerate(chosen) if is_chosen]
        self.magnitude = nn.Parameter(self.norms(linear.weight))

    def norms(self, weight: Tensor) -> Tensor:
        """||W|| of every output of the chosen slices, (S, d_slice)."""
        norms = torch.linalg.vector_norm(weight.detach(), dim=1).unflatten(0, (self.place.shape[0], -1))
        return norms[self.chosen]

    def gain(self, weight: Tensor) -> Tensor:
        """The factor m / ||W + D|| of every output, 1 in slices that are left alone, (d_out,)."""
        norm = torch.linalg.vector_norm((weight + self.delta()).detach(), dim=1)
        # Not as a matrix product, in which autocast would round the magnitudes to 8 bits.
        magnitude = (self.place.unsqueeze(-1) * self.magnitude).sum(1)  # (slices, d_slice)
        free = 1 - self.place.sum(1, keepdim=True)
        return (magnitude + free * norm.unflatten(0, [magnitude.shape[0], magnitude.shape[1]])).flatten() / norm

    def decomposed(self, x: Tensor, y: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """W' x + b from y = W x + b."""
        gain = self.gain(weight)
        tuned = gain * self.after(x, y)
        return (tuned if bias is None else tuned + (1 - gain) * bias).to(y.dtype)

    @torch.no_grad()
    def rebase(self, base: nn.Module) -> None:
        """Take the magnitudes of another weight."""
        self.magnitude.copy_(self.norms(base.weight))  # type: ignore[arg-type]

    @torch.no_grad()
    def merge(self, base: nn.Module) -> nn.Module:
        """Write W' over the weight."""
        weight: Tensor = base.weight  # type: ignore[assignment]
        weight.copy_(self.gain(weight)[:, None] * (weight + self.delta()))
        return base


class TunedLinear(Tuned):
    """A frozen linear layer whose tuner reads its weight."""

    reads_weight = True

    def forward(self, x: Tensor) -> Tensor:
        return self.tuner.decomposed(x, self.base(x), self.base.weight, self.base.bias)  # type: ignore[operator]


@dataclass(frozen=True)
class DoRA(LoRA):
    """Weight-Decomposed Low-Rank Adaptation (arXiv 2402.09353): LoRA of the direction, and a magnitude beside it.

    Starts as the identity and merges into plain weights. In a Stack it comes before other methods on the same layer,
    since it reads the layer's weight.

    Args:
        rank: r; this and the other arguments are those of :class:`~dvpt_monai.LoRA`.

    Raises:
        TuningError: as LoRA, or another method has wrapped the layer already.

    Source:
        Eq. 5 and Section 4.3 of the paper.

    Example:
        >>> import torch
        >>> from dvpt_monai import DoRA, ViTClassifier, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), DoRA(rank=4))
        >>> report(net).method
        165888
    """

    paper: ClassVar[str] = "Liu et al., DoRA: Weight-Decomposed Low-Rank Adaptation, arXiv 2402.09353"

    def attach(self, network: nn.Module) -> None:
        for name in self.linears(network):
            attach(network, name, self.tuner, TunedLinear)

    def tuner(self, name: str, module: nn.Module) -> Tuner:
        """The tuner of one layer, whose weight must be in reach."""
        if isinstance(module, Tuned):
            raise TuningError(
                f"DoRA: another method of the Stack has wrapped {name}, whose weight is out of reach then; "
                "put DoRA first"
            )
        return Decomposed(*self.layer(name, module))
