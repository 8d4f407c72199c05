"""LoRA: Low-Rank Adaptation. Hu et al., arXiv 2106.09685.

    h = W x + (alpha / r) B A x        A: r x d_in, from Kaiming's rule;  B: d_out x r, from 0

on the query and value projections, which a ViT holds as slices of one fused matrix (q, k, v).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvpt_monai.errors import TuningError
from dvpt_monai.methods.sites import at_least_one, blocks_of, checked_layers, positive
from dvpt_monai.tuning import Method, Tuner, attach
from dvpt_monai.tuning.tuned import unwrapped, walk

__all__ = ["LoRA", "LowRank"]

SLICES = ("q", "k", "v")
QKV = "attn.qkv"


class LowRank(Tuner):
    """One low-rank update for each chosen slice of a linear layer's output; an ordinary layer is one slice.

    Args:
        linear: the frozen layer.
        method: LoRA or DoRA: rank, alpha, dropout.
        chosen: for each slice of the output, whether it is updated.

    Shape:
        A (S, r, d_in) and B (S, d_slice, r) for S chosen slices; x (..., d_in) and y (..., d_out) to (..., d_out).
    """

    place: Tensor

    def __init__(self, linear: nn.Linear, method: Any, chosen: Sequence[bool]) -> None:
        super().__init__()
        count, rows = sum(chosen), linear.out_features // len(chosen)
        self.A = nn.Parameter(torch.empty(count, method.rank, linear.in_features))
        self.B = nn.Parameter(torch.zeros(count, rows, method.rank))
        limit = 1 / math.sqrt(linear.in_features)  # Kaiming's uniform rule with a = sqrt(5), that of nn.Linear
        nn.init.uniform_(self.A, -limit, limit)
        self.scale = method.alpha / method.rank
        self.dropout = float(method.dropout)
        # (slices, S): which slice each update belongs to. Not in the state dict: it follows from the arguments.
        place = torch.eye(len(chosen))[:, [index for index, is_chosen in enumerate(chosen) if is_chosen]]
        self.register_buffer("place", place, persistent=False)
        self.register_load_state_dict_pre_hook(_rename)

    def wide_B(self) -> Tensor:
        """B of all updates as one matrix, with zeros where a slice is left alone, (d_out, S r)."""
        B = self.place[:, None, :, None] * self.B.transpose(0, 1)  # (slices, d_slice, S, r)
        return B.flatten(0, 1).flatten(1)

    def delta(self) -> Tensor:
        """The update of the weight, (alpha / r) B A, (d_out, d_in)."""
        return self.scale * self.wide_B() @ self.A.flatten(0, 1)

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        x = functional.dropout(x, self.dropout, self.training)
        z = functional.linear(x, self.A.flatten(0, 1))  # (..., S r)
        return y + functional.linear(z, self.scale * self.wide_B())

    @torch.no_grad()
    def merge(self, base: nn.Module) -> nn.Module:
        """Add the update to the weight."""
        base.weight += self.delta()  # type: ignore[operator]
        return base


def _rename(module: nn.Module, state: dict[str, Any], prefix: str, *unused: Any) -> None:
    # Checkpoints of version 0.1 call the factors down and up.
    for name, letter in (("down", "A"), ("up", "B")):
        if f"{prefix}{name}" in state:
            state[f"{prefix}{letter}"] = state.pop(f"{prefix}{name}")


@dataclass(frozen=True)
class LoRA(Method):
    """Low-Rank Adaptation (arXiv 2106.09685) of the query and value projections, or of any linear layers.

    Starts as the identity and merges into plain weights.

    Args:
        rank: r.
        alpha: the update is scaled by alpha / r.
        slices: of the fused projection: any of q, k and v.
        modules: patterns of the names of linear layers to tune in place of the fused projections, such as
            ``["*attn.out_proj", "*mlp.linear?"]``; ``slices`` applies where one ends in ``attn.qkv``.
        dropout: of the input of the update, while training.
        layers: indices of the blocks to tune; ``None`` is every one. Not together with ``modules``.

    Raises:
        TuningError: an argument out of range, a pattern that matches no linear layer, or a network without blocks.

    Source:
        Section 4.1 of the paper; alpha = 2 r is the custom.

    Example:
        >>> import torch
        >>> from dvpt_monai import LoRA, ViTClassifier, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), LoRA(rank=4))
        >>> report(net).method
        147456
    """

    paper: ClassVar[str] = "Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, arXiv 2106.09685"
    size: ClassVar[str] = "rank"
    merges: ClassVar[bool] = True

    rank: int = 8
    alpha: float = 16.0
    slices: Sequence[str] = ("q", "v")
    modules: Sequence[str] = ()
    dropout: float = 0.0
    layers: Sequence[int] | None = None

    def __post_init__(self) -> None:
        title = type(self).__name__
        at_least_one(self, "rank")
        positive(self, "alpha")
        checked_layers(self)
        for name, example in (("slices", ["q", "v"]), ("modules", ["*attn.out_proj"])):
            value = getattr(self, name)
            names = isinstance(value, Sequence) and all(isinstance(part, str) for part in value)
            if isinstance(value, str) or not names:
                raise TuningError(f"{title}: {name} is a list, for example {example}, not {value!r}")
            object.__setattr__(self, name, tuple(value))
        if not self.slices or not set(self.slices) <= set(SLICES) or len(set(self.slices)) < len(self.slices):
            raise TuningError(f"{title}: slices must be different ones of q, k and v, not {self.slices!r}")
        if isinstance(self.dropout, bool) or not (isinstance(self.dropout, (int, float)) and 0 <= self.dropout < 1):
            raise TuningError(f"{title}: dropout must be at least 0 and below 1, not {self.dropout!r}")
        if self.modules and self.layers is not None:
            raise TuningError(
                f"{title}: give modules or layers, not both; a pattern can name blocks, as in '*blocks.3.*'"
            )

    def attach(self, network: nn.Module) -> None:
        for name in self.linears(network):
            attach(network, name, self.tuner)

    def linears(self, network: nn.Module) -> list[str]:
        """Names of the layers to tune, each once: the fused projections, or what ``modules`` matches."""
        if not self.modules:
            return [site.part("qkv", of="attn") for site in blocks_of(network, self, self.layers)]
        parts = {name: unwrapped(getattr(holder, child)) for name, holder, child in walk(network)}
        matched: list[str] = []
        for pattern in self.modules:
            names = [name for name in parts if fnmatchcase(name, pattern)]
            if not names:
                some = ", ".join([name for name, part in parts.items() if isinstance(part, nn.Linear)][:8])
                raise TuningError(
                    f"{type(self).__name__}: modules: {pattern!r} matches nothing in {type(network).__name__}; "
                    f"its linear layers begin with: {some}"
                )
            matched += names
        return list(dict.fromkeys(matched))

    def tuner(self, name: str, module: nn.Module) -> Tuner:
        """The tuner of one layer."""
        return LowRank(*self.layer(name, module))

    def layer(self, name: str, module: nn.Module) -> tuple[nn.Linear, "LoRA", list[bool]]:
        """The frozen layer and which slices of its output are tuned, as a tuner wants them."""
        linear = unwrapped(module)
        if not isinstance(linear, nn.Linear):
            raise TuningError(
                f"{type(self).__name__}: {name} is a {type(linear).__name__}, not a linear layer; "
                "let modules name linear layers alone"
            )
        return linear, self, [s in self.slices for s in SLICES] if name.endswith(QKV) else [True]
