"""EPT: Embedded Prompt Tuning. Zu et al., arXiv 2407.01003; Medical Image Analysis 97 (2024) 103258.

Prompts P (N x d_p, shared by the heads) stand inside the softmax of the attention and nowhere else (Eq. 5 and 10)::

    [W_P ; W] = softmax([P ; Q K^T / sqrt(d)])        N + d_p columns; those of the prompts are then dropped
    output = W V

With a_i = logsumexp_j P_ij a row's prompts weigh what one column of score a_i weighs, so that the whole method is

    output_i = sigmoid(LSE_i - a_i) * attention_i     LSE_i = logsumexp of the scores of row i

a learned gate for every position. One more key whose score is a_i and whose value is 0 gives exactly that inside any
fused attention kernel, forward and backward: q' = [q, a_i sqrt(d)], that key is [0, 1], every other [k, 0]. No matrix
of N x (N + d_p) is ever built, d_p costs nothing, and dropout of the weights commutes with it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvpt_monai.errors import TuningError
from dvpt_monai.methods.sites import at_least_one, blocks_of, checked_layers, sequence_of
from dvpt_monai.networks.planes import PlaneAttention
from dvpt_monai.tuning import Method, Space, Stack, Tuned, Tuner, attach

__all__ = ["EPT", "collapse"]

VARIANTS = ("concat", "multiply-concat", "add", "multiply")
Network = TypeVar("Network", bound=nn.Module)


def resized(prompts: Tensor, first: int, old: Sequence[int], new: Sequence[int]) -> Tensor:
    """Prompts with the rows from ``first`` on, which are patches, interpolated like positions."""
    from dvpt_monai.networks.resize import resize_positions  # here, because the networks import MONAI

    rows = resize_positions(prompts[None, first:], old, new)[0].to(prompts)
    return torch.cat((prompts[:first], rows))


class EmbeddedPrompts(Tuner):
    """P, one row for each token of the plain sequence; tokens that other methods append have no prompts.

    Shape:
        prompts: (N, d_p).
    """

    def __init__(self, tokens: int, num_prompts: int, init_gate: float | None, first: int) -> None:
        super().__init__()
        self.prompts = nn.Parameter(torch.empty(tokens, num_prompts).normal_(std=0.02))
        self.first = first
        if init_gate is not None:
            # Scores that are N(0, 1) have LSE = ln N + 1/2; a gate of g then wants a = LSE - logit(g).
            level = math.log(tokens) + 0.5 - math.log(init_gate / (1 - init_gate))
            with torch.no_grad():
                self.prompts.add_(level - self.prompts.logsumexp(-1).mean())

    def column(self, n: int) -> Tensor:
        """a, the score that all prompts of a row have together, (n,)."""
        a = self.prompts.logsumexp(-1)
        # Weighs nothing beside any score, and is still finite in float16 behind the scaling.
        return functional.pad(a, (0, n - a.shape[0]), value=-1e3)

    def extended(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values with the column as one more key, padded to a multiple of 8 channels."""
        b, h, n, d = q.shape
        more = 8 - d % 8
        a = functional.pad((self.column(n) / scale).to(q.dtype).unsqueeze(-1), (0, more - 1))  # (N, more)
        q = torch.cat((q, a.expand(b, h, -1, -1)), dim=-1)
        k = functional.pad(k, (0, more, 0, 1))
        k[:, :, -1, d] = 1.0
        return q, k, functional.pad(v, (0, more, 0, 1))

    def resize_grid(self, old: Sequence[int], new: Sequence[int]) -> None:
        """Interpolate the rows of the patches like positions; CLS and registers keep theirs."""
        self.prompts.data = resized(self.prompts.data, self.first, old, new)


class EmbeddedAttention(Tuned):
    """Attention with one more key, the closed form of the concatenated prompts."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:  # type: ignore[override]
        d = q.shape[-1]
        q, k, v = self.tuner.extended(q, k, v, scale)  # type: ignore[operator]
        return self.base(q, k, v, scale)[..., :d]


class ScorePrompts(Tuner):
    """The variants of the paper without a closed form, which build the scores: for reference, not for speed.

    ``add``: S + P. ``multiply``: S * P. ``multiply-concat``: [P * (max S_i - min S_i) ; S], for each row and head.

    Shape:
        prompts: (N, N), or (N, d_p) for ``multiply-concat``; :meth:`weights`: S (B, H, N, M) to the same.
    """

    def __init__(self, tokens: int, num_prompts: int, variant: str, first: int) -> None:
        super().__init__()
        columns = num_prompts if variant == "multiply-concat" else tokens
        # A factor starts around 1: around 0 it would wipe out the scores.
        start = torch.ones if variant == "multiply" else torch.zeros
        self.prompts = nn.Parameter(start(tokens, columns) + torch.empty(tokens, columns).normal_(std=0.02))
        self.variant = variant
        self.first = first

    def weights(self, scores: Tensor) -> Tensor:
        """The attention's weights with the prompts in them."""
        n, m = scores.shape[-2], scores.shape[-1]
        rows, columns = self.prompts.shape
        if self.variant == "multiply-concat":
            spread = scores.amax(-1, keepdim=True) - scores.amin(-1, keepdim=True)
            prompts = functional.pad(self.prompts, (0, 0, 0, n - rows), value=-1e3) * spread
            return torch.cat((prompts, scores), dim=-1).softmax(-1)[..., columns:]
        if self.variant == "add":
            return (scores + functional.pad(self.prompts, (0, m - columns, 0, n - rows))).softmax(-1)
        return (scores * functional.pad(self.prompts, (0, m - columns, 0, n - rows), value=1.0)).softmax(-1)

    def resize_grid(self, old: Sequence[int], new: Sequence[int]) -> None:
        """Interpolate the rows of the patches like positions, and the columns where they are patches too."""
        prompts = self.prompts.data
        for _ in range(1 if self.variant == "multiply-concat" else 2):
            prompts = resized(prompts, self.first, old, new).T
        self.prompts.data = (prompts.T if self.variant == "multiply-concat" else prompts).contiguous()


class ScoredAttention(Tuned):
    """Attention whose scores a tuner changes before the softmax."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:  # type: ignore[override]
        weights = self.tuner.weights(q @ k.transpose(-2, -1) * scale)  # type: ignore[operator]
        return self.base.drop_weights(weights) @ v  # type: ignore[operator]


@dataclass(frozen=True)
class EPT(Method):
    """Embedded Prompt Tuning (arXiv 2407.01003): prompts inside the softmax of the attention.

    Not the identity at the start: the gate of a position is smaller the fewer tokens and the more prompts there are
    (0.76 on average for N(0, 1) scores, 197 tokens, 100 prompts). It cannot be merged, :func:`collapse` is its short
    form.

    Args:
        num_prompts: d_p; ``None`` is the paper's 100 in 2D, and in 3D the same share of the tokens, 100 N / 197.
        deep: prompts in every block (DEEP, the paper's best) or in the first alone (SHALLOW).
        variant: ``"concat"``, the paper's Eq. 5, at the price of plain attention; ``"multiply-concat"``, ``"add"``
            and ``"multiply"`` build the scores: reference variants.
        init_gate: shift the prompts of ``"concat"`` by a constant so that the mean gate starts here, for scores that
            are N(0, 1); between 0 and 1. ``None`` is the paper's start, N(0, 0.02).
        layers: indices of the blocks to tune; ``None`` is every one.

    Raises:
        TuningError: an argument out of range, or a network without one sequence of tokens.

    Source:
        Eq. 5 and 10 and Section 3 of the paper; the closed form, ``init_gate`` and the size in 3D are ours.

    Example:
        >>> import torch
        >>> from dvpt_monai import EPT, ViTClassifier, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), EPT())
        >>> report(net).method
        236400
    """

    paper: ClassVar[str] = "Zu et al., EPT: Embedded Prompt Tuning, arXiv 2407.01003"
    size: ClassVar[str] = "num_prompts"
    search: ClassVar[Space] = {"learning_rate": (3e-4, 2e-2)}

    num_prompts: int | None = None
    deep: bool = True
    variant: str = "concat"
    init_gate: float | None = None
    layers: Sequence[int] | None = None

    def __post_init__(self) -> None:
        if self.num_prompts is not None:
            at_least_one(self, "num_prompts")
        checked_layers(self)
        if self.variant not in VARIANTS:
            raise TuningError(f"EPT: variant must be one of {VARIANTS}, not {self.variant!r}")
        if self.variant in ("add", "multiply") and self.num_prompts is not None:
            raise TuningError(f"EPT: variant {self.variant!r} has one prompt for each token; leave num_prompts out")
        if self.init_gate is not None and not (self.variant == "concat" and 0 < self.init_gate < 1):
            raise TuningError(
                f"EPT: init_gate must be between 0 and 1, for variant 'concat' alone, not {self.init_gate!r}"
            )

    @property
    def starts_as_identity(self) -> bool:
        return False

    def attach(self, network: nn.Module) -> None:
        sequence = sequence_of(network, self)
        blocks = blocks_of(network, self, self.layers)
        tokens, first = sequence.tokens, sequence.encoder.first
        d_p = self.num_prompts or (100 if len(sequence.encoder.grid) == 2 else max(1, round(100 * tokens / 197)))

        def make(name: str, module: nn.Module) -> Tuner:
            if self.variant == "concat":
                return EmbeddedPrompts(tokens, d_p, self.init_gate, first)
            if isinstance(module, Tuned):
                raise TuningError(f"EPT: variant {self.variant!r} must come before other methods on {name} in a Stack")
            if isinstance(module, PlaneAttention):
                raise TuningError(
                    f"EPT: variant {self.variant!r} has a score for all pairs of tokens, which planes have not; choose "
                    "variant 'concat'"
                )
            return ScorePrompts(tokens, d_p, self.variant, first)

        wrapper = EmbeddedAttention if self.variant == "concat" else ScoredAttention
        for site in blocks if self.deep else blocks[:1]:
            attach(network, site.part("attend", of="attn"), make, wrapper)


def collapse(network: Network) -> Network:
    """A copy of a network tuned with EPT whose d_p prompts are one number per layer and position; equal outputs.

    The copy is tuned with ``EPT(num_prompts=1)``: it saves, loads and trains like any other.

    Raises:
        TuningError: the network is not tuned with EPT's ``"concat"``.

    Example:
        >>> import torch
        >>> from dvpt_monai import EPT, ViTClassifier, collapse, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), EPT())
        >>> report(collapse(net)).method
        2364
    """
    if not any(isinstance(module, EmbeddedAttention) for module in network.modules()):
        raise TuningError("collapse: no prompts of EPT's variant 'concat' in the network; tune(network, EPT()) first")
    short = copy.deepcopy(network)
    for module in short.modules():
        if isinstance(module, EmbeddedPrompts):
            module.prompts = nn.Parameter(module.prompts.data.logsumexp(-1, keepdim=True))
    tuning: Any = short.tuning
    short.tuning = replace(tuning, method=_shortened(tuning.method))
    return short


def _shortened(method: Method) -> Method:
    if isinstance(method, Stack):
        return Stack(*(_shortened(part) for part in method.methods))
    is_concat = isinstance(method, EPT) and method.variant == "concat"
    return replace(method, num_prompts=1) if is_concat else method  # type: ignore[call-arg]
