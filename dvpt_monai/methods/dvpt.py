"""DVPT: Dynamic Visual Prompt Tuning. He et al., arXiv 2307.09787; Neural Networks 185 (2025) 107168.

Beside the MLP of a block, with x its input (B, N, d), the normed residual stream or the stream itself::

    z = act(x W_d + b_d)          a bottleneck: the domain's own distribution      (B, N, r)
    A = softmax_N(P z^T / t)      prompts P are queries, z is key and value        (B, m, N)
    q = A z                       prompts of this one image                        (B, m, r)
    y = MLP(x) + g * U            U: q (and z) aggregated and projected back by W_u, b_u

Exactly one factor of g * U starts at 0, so that the tuned network begins as the frozen one: with both at 0 neither
would ever get a gradient. We start W_u and b_u at 0 and g at 1, or at ``gate``; the authors start g at 0, behind which
everything else learns slowly (after 2,400 images of fundus photographs or 240 volumes no gate had passed 0.05). P is
drawn from N(0, 1): with the usual 0.02 every prompt attends to all tokens alike and the attention is a plain mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvpt_monai.errors import TuningError
from dvpt_monai.methods.sites import Lengthened, at_least_one, blocks_of, checked_layers, positive, sequence_of
from dvpt_monai.tuning import Method, Space, Tuned, TunedResidual, Tuner, attach

__all__ = ["DVPT", "attention_entropy"]

AGGREGATIONS = ("attend", "prefix", "tokens")


class Bottleneck(Tuner):
    """What the three aggregations share: down, act, cross-attention, up, gate.

    Shape:
        x and y: (B, N, d), or maps (B, *size, d) of which every position is a token; :meth:`attention`: (B, m, N).
    """

    def __init__(self, width: int, method: DVPT) -> None:
        super().__init__()
        self.down = nn.Linear(width, method.bottleneck)
        self.up = nn.Linear(method.bottleneck, width)
        self.gate = nn.Parameter(torch.full((1,), 0.0 if method.zero == "gate" else method.gate))
        if method.zero == "up":
            nn.init.zeros_(self.up.weight)
            nn.init.zeros_(self.up.bias)
        own = method.aggregate != "tokens"
        self.prompts = nn.Parameter(torch.randn(method.num_prompts, method.bottleneck)) if own else None
        self.scale = 1.0 / method.temperature
        self.quick_gelu = method.quick_gelu

    def compress(self, x: Tensor) -> Tensor:
        """The compressed tokens z = act(x W_d + b_d), (B, N, r)."""
        z = self.down(x).flatten(1, -2)
        return z * torch.sigmoid(1.702 * z) if self.quick_gelu else functional.gelu(z)

    def attention(self, x: Tensor) -> Tensor:
        """A, the weight of every token in every prompt, (B, m, N)."""
        prompts = self.prompts
        assert prompts is not None
        return (prompts @ self.compress(x).transpose(1, 2) * self.scale).softmax(-1)

    def read(self, queries: Tensor, keys: Tensor) -> Tensor:
        """softmax(queries keys^T / t) keys, one head."""
        weights = (queries @ keys.transpose(1, 2) * self.scale).softmax(-1)
        return weights @ keys


class Attend(Bottleneck):
    """Every token reads the image's prompts back: z' = z + softmax_m(z q^T / t) q, U = z' W_u + b_u."""

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        z = self.compress(x)
        prompts = self.prompts
        assert prompts is not None
        q = self.read(prompts.expand(z.shape[0], -1, -1), z)  # (B, m, r)
        return y + self.gate * self.up(z + self.read(z, q)).reshape(y.shape)


class Prefix(Bottleneck):
    """The image's prompts are added to the first m token positions: U = q W_u + b_u there, 0 elsewhere."""

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        z = self.compress(x)
        prompts = self.prompts
        assert prompts is not None
        q = self.read(prompts.expand(z.shape[0], -1, -1), z)  # (B, m, r)
        m = q.shape[1]
        return torch.cat((y[:, :m] + self.gate * self.up(q), y[:, m:]), dim=1)


class Tokens(Bottleneck):
    """The prompts are m tokens of the sequence, behind the patches: their z attend to the z of the patches.

    U = [z of the rest ; q] W_u + b_u. ``cross_attention=False`` leaves q out, as the released code does:
    U = z W_u + b_u.
    """

    def __init__(self, width: int, method: DVPT, first: int, start: int) -> None:
        super().__init__(width, method)
        self.first, self.start, self.end = first, start, start + method.num_prompts
        self.cross_attention = method.cross_attention

    def attention(self, x: Tensor) -> Tensor:
        z = self.compress(x)
        scores = z[:, self.start : self.end] @ z[:, self.first : self.start].transpose(1, 2)
        return (scores * self.scale).softmax(-1)

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        z = self.compress(x)
        if self.cross_attention:
            q = self.read(z[:, self.start : self.end], z[:, self.first : self.start])  # (B, m, r)
            z = torch.cat((z[:, : self.start], q, z[:, self.end :]), dim=1)
        return y + self.gate * self.up(z)

    def resize_grid(self, old: Sequence[int], new: Sequence[int]) -> None:
        """Follow the prompts to their new place behind the patches."""
        self.start += prod(new) - prod(old)
        self.end += prod(new) - prod(old)


class PositionedPrompts(Tuner):
    """Learnable tokens with their own positions at the end of the sequence; sits on ``vit.embed``.

    Shape:
        (B, N, d) to (B, N + m, d).
    """

    def __init__(self, num_prompts: int, width: int) -> None:
        super().__init__()
        self.prompts = nn.Parameter(torch.empty(1, num_prompts, width).normal_(std=0.02))
        self.prompt_positions = nn.Parameter(torch.empty(1, num_prompts, width).normal_(std=0.02))

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.cat((y, (self.prompts + self.prompt_positions).expand(y.shape[0], -1, -1)), dim=1)


@dataclass(frozen=True)
class DVPT(Method):
    """Dynamic Visual Prompt Tuning (arXiv 2307.09787): prompts that read each image through a bottleneck.

    Args:
        num_prompts: m; 50 in the paper's ViT.
        bottleneck: r; 20 in the paper's ViT.
        aggregate: how the prompts return to the features: ``"attend"``, every token reads them by a second
            cross-attention (ours, about 1 % more inference time); ``"prefix"``, added to the first m positions (the
            authors' Swin and SegFormer form); ``"tokens"``, m more tokens in the sequence (the authors' ViT form,
            about 30 % more inference time, not the identity at the start).
        share: how many consecutive blocks own one module: 1 none, 3 the authors' code for ViT.
        temperature: t of the attention. The defaults of ``temperature`` and ``input`` keep every block's attention
            alive on real features: entropies of 0.56 to 0.78 on fundus photographs through a DINOv2 ViT-S.
        input: what the bottleneck reads: ``"norm"``, the output of the second LayerNorm, whose scale is the same in
            every block, or ``"residual"``, the stream after attention, as in the authors' code. The stream of a
            pre-trained ViT is small in its first blocks (0.2 in DINOv2's), where the attention then is a plain mean.
        zero: which factor of g * U starts at 0, ``"up"`` (W_u and b_u) or, as in the authors' code, ``"gate"``. With
            ``"up"`` train at about 3e-4, as the bundles do: at 2e-3 the attention flattens (entropies up to 1).
        gate: where g starts if W_u and b_u start at 0. 0.1 shortens the steps of U by ten and not those of prompts and
            bottleneck, so that rates of 1e-3 to 2e-3 hold where few images give few steps (docs/results.md).
        layers: indices of the blocks to tune; ``None`` is every one.
        quick_gelu: x sigmoid(1.702 x), as in the authors' code, in place of GELU.
        cross_attention: ``False`` is for :meth:`released_vit` alone.

    Raises:
        TuningError: an argument out of range, or a network without the parts that the method sits on.

    Source:
        Formulas of the paper; initialisation, ``"attend"`` and the defaults are ours.

    Example:
        >>> import torch
        >>> from dvpt_monai import ViTClassifier, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), DVPT())
        >>> f"{report(net).percent:.3f} %"
        '0.455 %'
    """

    paper: ClassVar[str] = "He et al., DVPT: Dynamic Visual Prompt Tuning, arXiv 2307.09787"
    size: ClassVar[str] = "bottleneck"
    search: ClassVar[Space] = {"learning_rate": (1e-4, 5e-3)}

    num_prompts: int = 50
    bottleneck: int = 20
    aggregate: str = "attend"
    share: int = 1
    temperature: float = 0.7
    input: str = "norm"
    zero: str = "up"
    gate: float = 1.0
    layers: Sequence[int] | None = None
    quick_gelu: bool = False
    cross_attention: bool = True

    def __post_init__(self) -> None:
        at_least_one(self, "num_prompts", "bottleneck", "share")
        if self.aggregate not in AGGREGATIONS:
            raise TuningError(f"DVPT: aggregate must be one of {AGGREGATIONS}, not {self.aggregate!r}")
        if self.input not in ("residual", "norm"):
            raise TuningError(f"DVPT: input must be 'residual' or 'norm', not {self.input!r}")
        if self.zero not in ("up", "gate"):
            raise TuningError(f"DVPT: zero must be 'up' or 'gate', not {self.zero!r}")
        positive(self, "temperature", "gate")
        if self.zero == "gate" and self.gate != 1.0:
            raise TuningError(f"DVPT: with zero='gate' g starts at 0; leave gate={self.gate} out, or give zero='up'")
        if not self.cross_attention and self.aggregate != "tokens":
            raise TuningError("DVPT: cross_attention=False exists for aggregate='tokens' alone (released_vit)")
        checked_layers(self)

    @classmethod
    def released_vit(cls) -> DVPT:
        """The authors' ViT code as it runs: its cross-attention is computed and then never used.

        So it is shallow VPT (50 tokens) plus a zero-gated parallel adapter (r = 20) that 3 consecutive blocks share.
        """
        return cls(aggregate="tokens", share=3, input="residual", zero="gate", quick_gelu=True, cross_attention=False)

    @property
    def starts_as_identity(self) -> bool:
        return self.aggregate != "tokens"

    def attach(self, network: nn.Module) -> None:
        sites = blocks_of(network, self, self.layers)
        build: Callable[[int], Tuner] = partial(Attend, method=self)
        if self.aggregate != "attend":
            sequence = sequence_of(network, self, appends=self.aggregate == "tokens")
            if self.aggregate == "prefix" and self.num_prompts > sequence.tokens:
                raise TuningError(
                    f"DVPT: {self.num_prompts} prompts do not fit the {sequence.tokens} tokens of "
                    f"{type(network).__name__}; give num_prompts={sequence.tokens} or less"
                )
            build = partial(Prefix, method=self)
        if self.aggregate == "tokens":
            prompts = PositionedPrompts(self.num_prompts, sequence.width)
            attach(network, f"{sequence.prefix}embed", prompts, Lengthened)
            build = partial(Tokens, method=self, first=sequence.encoder.first, start=sequence.tokens)
        wrapper = TunedResidual if self.input == "residual" else Tuned
        shared: dict[tuple[int, int], Tuner] = {}
        for order, site in enumerate(sites):
            part = site.part("residual2" if self.input == "residual" else "mlp")
            # Blocks of another width cannot share a module.
            group = (order // self.share, site.width)
            if group not in shared:
                shared[group] = build(site.width)
            attach(network, part, shared[group], wrapper)


@torch.no_grad()
def attention_entropy(network: nn.Module, batch: Tensor) -> list[float]:
    """Whether the attention of DVPT's prompts is alive: the mean entropy of its rows, over ln N, for every tuned block.

    1 is plain averaging, the same for every prompt and image; towards 0 each prompt reads few tokens.

    Args:
        network: tuned with :class:`DVPT` or :class:`~dvpt_monai.SideDVPT`.
        batch: images, as the network takes them.

    Shape:
        batch (B, C, *img_size) to one number per tuned block, in order.

    Raises:
        TuningError: the network holds no module of DVPT.
    """
    entropies: list[float] = []

    def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        weights = cast(Any, module.tuner).attention(inputs[0]).double()
        entropy = -(weights * weights.clamp_min(1e-300).log()).sum(-1)
        entropies.append(float(entropy.mean()) / math.log(weights.shape[-1]))

    hooks: list[Any] = [
        module.register_forward_pre_hook(look)
        for module in network.modules()
        if isinstance(module, Tuned) and hasattr(module.tuner, "attention")
    ]
    if not hooks:
        raise TuningError("attention_entropy: no module of DVPT in the network; call tune(network, DVPT()) first")
    mode = network.training
    network.eval()
    try:
        network(batch)
    finally:
        network.train(mode)
        for hook in hooks:
            hook.remove()
    return entropies
