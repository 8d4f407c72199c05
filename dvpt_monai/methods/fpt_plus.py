"""FPT+: Fine-grained Prompt Tuning. Huang et al., arXiv 2408.02426.

A small vision transformer of width c looks at the image at low resolution. Before each of its layers, prompts ask one
of the backbone's last blocks l, at full resolution, what is there; only the most attended tokens answer::

    w = mean over queries of softmax(Q_l K_l^T / sqrt(d_h))           of each head      (B, H, N)
    K, V = the rows of K_l and V_l where w is largest                 a share of N      (B, H, s, d_h)
    F = (softmax(LN(P_l) K^T / sqrt(d_h)) V + P_l) W_f + b_f          P_l (m x d); LN, W_f of all layers; then dropout
    [s_l, _] = Layer_l([s_l-1, F])                                    the prompts leave with their layer

and behind the backbone's last norm y = LN(x_L) + LN(s) W_u: s's CLS to CLS and registers, its patches, brought to the
backbone's grid, to the patches. W_u starts at 0 (ours), where the paper reads s alone. No gradient passes through the
backbone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, prod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvpt_monai.errors import TuningError
from dvpt_monai.methods.side import ReadOut, attach_beside, stream_width
from dvpt_monai.methods.sites import Lengthened, at_least_one, blocks_of, sequence_of
from dvpt_monai.networks.block import Block
from dvpt_monai.networks.resize import resize_positions
from dvpt_monai.tuning import Method, Tuned, TunedResidual, Tuner, attach

__all__ = ["FPTPlus"]


class Selection(Tuner):
    """How many tokens of a block answer; it holds nothing."""

    def __init__(self, tokens: int, share: float) -> None:
        super().__init__()
        self.tokens, self.share = tokens, share
        self.kept = max(1, round(share * tokens))

    def resize_grid(self, old: Sequence[int], new: Sequence[int]) -> None:
        """Take the same share of another number of tokens."""
        self.tokens += prod(new) - prod(old)
        self.kept = max(1, round(self.share * self.tokens))


class Answering(Lengthened):
    """A frozen block that sends keys and values of its most attended tokens along behind the sequence.

    Shape:
        (B, N, d), or with those of the block before it behind, to (B, N + 2 s, d).
    """

    def forward(self, x: Tensor) -> Tensor:
        n, kept = self.tuner.tokens, self.tuner.kept
        x = x[:, :n]
        attn = self.base.attn
        b, h = x.shape[0], attn.num_heads  # type: ignore[union-attr]
        q, k, v = attn.qkv(self.base.norm1(x)).reshape(b, n, 3, h, -1).permute(2, 0, 3, 1, 4).unbind(0)  # type: ignore
        attended = (q @ k.transpose(-2, -1) * attn.scale).softmax(-1).mean(-2)  # type: ignore[union-attr]
        rows = attended.topk(kept, dim=-1).indices.unsqueeze(-1).expand(-1, -1, -1, k.shape[-1])
        answers = [part.gather(2, rows).transpose(1, 2).reshape(b, kept, -1) for part in (k, v)]
        return torch.cat((self.base(x), answers[0], answers[1]), dim=1)


class Fusion(nn.Module):
    """What the prompts of all layers share: the norm of the queries, and the way into the side network."""

    def __init__(self, width: int, stream: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.down = nn.Linear(width, stream)
        self.dropout = nn.Dropout(dropout)


class Layer(Tuner):
    """One layer of the side network with its prompts; sits on ``vit.beside``.

    Shape:
        tokens with what a block answers x (B, N + 2 s, d), stream y (B, 1 + n, c).
    """

    def __init__(self, fusion: Fusion, selection: Selection, num_prompts: int, encoder: Any, stream: int) -> None:
        super().__init__()
        self.fusion, self.selection, self.num_heads = fusion, selection, int(encoder.num_heads)
        self.prompts = nn.Parameter(torch.empty(num_prompts, encoder.hidden_size).normal_(std=1e-3))  # N(0, 1e-6)
        heads = gcd(stream, encoder.num_heads)
        self.block = Block(hidden_size=stream, mlp_dim=4 * stream, num_heads=heads)

    def heads(self, x: Tensor) -> Tensor:
        """(B, N, d) to (B, H, N, d_h)."""
        return x.unflatten(-1, [self.num_heads, -1]).transpose(1, 2)

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        n, kept = self.selection.tokens, self.selection.kept
        if x.shape[1] != n + 2 * kept:
            raise ValueError("FPTPlus: another method of the Stack cuts off what the blocks answer; leave it out")
        k, v = self.heads(x[:, n : n + kept]), self.heads(x[:, n + kept :])
        q = self.heads(self.fusion.norm(self.prompts).expand(x.shape[0], -1, -1))
        context = functional.scaled_dot_product_attention(q.to(k.dtype), k, v).transpose(1, 2).flatten(2)
        prompts = self.fusion.dropout(self.fusion.down(context + self.prompts))
        return self.block(torch.cat((y, prompts), dim=1))[:, : y.shape[1]]


class SmallImage(Tuner):
    """The image at low resolution as patches of the side network, behind a CLS; sits on ``vit.origin``.

    Shape:
        images x (B, C_in, *size) to (B, 1 + n, c).
    """

    def __init__(self, encoder: Any, stream: int, shrink: int) -> None:
        super().__init__()
        self.patch, self.shrink = list(encoder.patch_size), shrink
        self.grid = smaller(encoder.grid, shrink)
        self.size = self.pixels()
        conv: type[Any] = nn.Conv2d if len(self.grid) == 2 else nn.Conv3d
        self.patches = conv(encoder.in_channels, stream, tuple(self.patch), stride=tuple(self.patch))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, stream))
        self.position_embeddings = nn.Parameter(torch.empty(1, prod(self.grid), stream).normal_(std=0.02))

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        patches = self.patches(functional.interpolate(x.to(self.cls_token.dtype), self.size, mode="area"))
        tokens = patches.flatten(2).transpose(1, 2) + self.position_embeddings
        return torch.cat((self.cls_token.expand(x.shape[0], -1, -1), tokens), dim=1)

    def resize_grid(self, old: Sequence[int], new: Sequence[int]) -> None:
        """Interpolate the positions to the grid of the side network at the new size."""
        grid = smaller(new, self.shrink)
        positions = resize_positions(self.position_embeddings, self.grid, grid)
        self.position_embeddings.data, self.grid = positions.to(self.position_embeddings), grid
        self.size = self.pixels()

    def pixels(self) -> list[int]:
        """Of the small image, along each axis."""
        return [size * patch for size, patch in zip(self.grid, self.patch, strict=True)]


class ReadMap(ReadOut):
    """The side network's CLS and patches, to those of the backbone; sits on ``vit.readout``.

    Shape:
        stream x (B, 1 + n, c), tokens with what the last block answers y (B, N + 2 s, d) to (B, N, d).
    """

    def __init__(self, encoder: Any, stream: int, shrink: int) -> None:
        super().__init__(stream, encoder.hidden_size)
        self.norm = nn.LayerNorm(stream, eps=1e-6)
        self.grid, self.small, self.shrink = list(encoder.grid), smaller(encoder.grid, shrink), shrink
        self.first, self.end = int(encoder.first), int(encoder.end)

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        x = self.norm(x)
        small = x[:, 1:].transpose(1, 2).unflatten(2, self.small)
        patches = functional.interpolate(small, self.grid, mode="nearest").flatten(2).transpose(1, 2)
        side = torch.cat((x[:, :1].expand(-1, self.first, -1), patches), dim=1)
        return y[:, : self.end] + self.up(side)

    def resize_grid(self, old: Sequence[int], new: Sequence[int]) -> None:
        """Follow both grids."""
        self.grid, self.small, self.end = list(new), smaller(new, self.shrink), self.first + prod(new)


@dataclass(frozen=True)
class FPTPlus(Method):
    """Fine-grained Prompt Tuning, FPT+ (arXiv 2408.02426): a small network beside one that looks closely.

    Starts as the identity; it cannot be merged. A depth embedding stays as it is, since its gradient would pass through
    every block. In a Stack it goes with methods inside of attention and MLP, such as LoRA, that come behind it.

    Args:
        num_prompts: m, the paper's 16.
        reduction: the side network's width c is the backbone's over this, the paper's 8.
        depth: layers of the side network, as many as last blocks are asked; ``None`` is half of them, 6 of 12.
        share: of a block's tokens that answer, the paper's 0.2.
        shrink: the side network's image is smaller by this along each axis: 128 of 512 px.
        dropout: of the prompts in training, the paper's 0.5.

    Raises:
        TuningError: an argument out of range, or a network without one sequence of tokens.

    Source:
        Section 3 of the paper; that the backbone's own tokens stay beside the side network's, and maps, are ours.

    Example:
        >>> import torch
        >>> from dvpt_monai import FPTPlus, ViTClassifier, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=512), FPTPlus())
        >>> report(net).method
        974880
    """

    paper: ClassVar[str] = "Huang et al., FPT+: Fine-grained Prompt Tuning, arXiv 2408.02426"
    size: ClassVar[str] = "num_prompts"
    spares_blocks: ClassVar[bool] = True

    num_prompts: int = 16
    reduction: int = 8
    depth: int | None = None
    share: float = 0.2
    shrink: int = 4
    dropout: float = 0.5

    def __post_init__(self) -> None:
        at_least_one(self, "num_prompts", "reduction", "shrink", *(["depth"] if self.depth is not None else []))
        if not (isinstance(self.share, (int, float)) and 0 < self.share <= 1):
            raise TuningError(f"FPTPlus: share must be above 0 and at most 1, not {self.share!r}")
        if not (isinstance(self.dropout, (int, float)) and 0 <= self.dropout < 1):
            raise TuningError(f"FPTPlus: dropout must be at least 0 and below 1, not {self.dropout!r}")

    def attach(self, network: nn.Module) -> None:
        sequence, sites = sequence_of(network, self), blocks_of(network, self)
        encoder, prefix = sequence.encoder, sequence.prefix
        depth = max(1, len(sites) // 2) if self.depth is None else self.depth
        if depth > len(sites):
            raise TuningError(f"FPTPlus: depth must be at most {len(sites)}, the network's blocks, not {depth}")
        stream = stream_width(sequence, self, self.reduction)
        around = (encoder.embed, *encoder.blocks, *(site.block.attn for site in sites))
        if any(isinstance(module, Tuned) for module in around):
            raise TuningError("FPTPlus: another method of the Stack stands around blocks or attention; leave it out")
        fusion, selection = Fusion(sequence.width, stream, self.dropout), Selection(sequence.tokens, self.share)
        asked = range(len(sites) - depth, len(sites))
        attach_beside(network, self, asked, lambda: Layer(fusion, selection, self.num_prompts, encoder, stream))
        for index in asked:
            attach(network, sites[index].name, selection, Answering)
        attach(network, f"{prefix}origin", SmallImage(encoder, stream, self.shrink), TunedResidual)
        attach(network, f"{prefix}readout", ReadMap(encoder, stream, self.shrink), TunedResidual)


def smaller(grid: Sequence[int], shrink: int) -> list[int]:
    """A grid with fewer patches along each axis, at least one."""
    return [max(1, size // shrink) for size in grid]
