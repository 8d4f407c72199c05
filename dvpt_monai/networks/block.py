"""The parts of a vision transformer, with MONAI's parameter names: the block, and the patches with their positions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvpt_monai.errors import NetworkError
from dvpt_monai.networks.rotary import Rotation

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "Attention",
    "Beside",
    "Block",
    "PatchEmbedding",
    "Residual",
    "ScaledDotProduct",
    "check_whole_patches",
    "per_axis",
]

ACTIVATIONS = ("gelu", "gelu_tanh", "quick_gelu", "swiglu")


class ScaledDotProduct(nn.Module):
    """softmax(q k^T scale) v through PyTorch's fused kernel, as a module that tuners of the scores can sit on.

    Shape:
        q (B, H, N, d), k and v (B, H, M, d) to (B, H, N, d).
    """

    def __init__(self, dropout_rate: float = 0.0) -> None:
        super().__init__()
        self.drop_weights = nn.Dropout(dropout_rate)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        return self.fused(q, k, v, scale)

    def fused(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        """The kernel."""
        # The leaf's own mode decides, not this module's: a tuner inside must not wake the dropout of frozen weights.
        dropout = self.drop_weights.p if self.drop_weights.training else 0.0
        return functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scale)


class Attention(nn.Module):
    """Multi-head self-attention.

    Args:
        hidden_size: width C of a token.
        num_heads: heads.
        qkv_bias: whether queries, keys and values have biases.
        dropout_rate: of the weights and the output.
        rotation: of queries and keys, before their scores.
        norm_eps: of a LayerNorm before the output projection, which most networks have not.
        attend: what computes the attention of all heads, in place of :class:`ScaledDotProduct`.

    Shape:
        (B, N, C) to (B, N, C).
    """

    def __init__(
        self,
        *,
        hidden_size: int,
        num_heads: int,
        qkv_bias: bool = True,
        dropout_rate: float = 0.0,
        rotation: Rotation | None = None,
        norm_eps: float | None = None,
        attend: ScaledDotProduct | None = None,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = (hidden_size // num_heads) ** -0.5
        self.qkv = nn.Linear(hidden_size, 3 * hidden_size, bias=qkv_bias)
        self.rotation = rotation
        self.attend = attend or ScaledDotProduct(dropout_rate)
        self.norm = None if norm_eps is None else nn.LayerNorm(hidden_size, eps=norm_eps)
        self.out_proj = nn.Linear(hidden_size, hidden_size)
        self.drop_output = nn.Dropout(dropout_rate)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.num_heads, c // self.num_heads).permute(2, 0, 3, 1, 4).unbind(0)
        if self.rotation is not None:
            q, k = self.rotation(q), self.rotation(k)
        y = self.attend(q, k, v, self.scale).transpose(1, 2).reshape(b, n, c)
        if self.norm is not None:
            y = self.norm(y)
        return self.drop_output(self.out_proj(y))


class MLP(nn.Module):
    """The feed-forward part of a block: linear, activation, linear.

    The activation is GELU, its approximation with tanh, CLIP's QuickGELU, x sigmoid(1.702 x), or the gate of SwiGLU
    (Shazeer, arXiv 2002.05202), silu(a) b, whose first linear layer gives a and b side by side.

    Args:
        hidden_size: width C of a token.
        mlp_dim: width of what the second linear layer reads.
        dropout_rate: behind the activation and the output.
        activation: ``"gelu"``, ``"gelu_tanh"``, ``"quick_gelu"`` or ``"swiglu"``.
        norm_eps: of a LayerNorm before the second linear layer, which most networks have not.

    Shape:
        (B, N, C) to (B, N, C).
    """

    def __init__(
        self,
        *,
        hidden_size: int,
        mlp_dim: int,
        dropout_rate: float = 0.0,
        activation: str = "gelu",
        norm_eps: float | None = None,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.linear1 = nn.Linear(hidden_size, 2 * mlp_dim if activation == "swiglu" else mlp_dim)
        self.norm = None if norm_eps is None else nn.LayerNorm(mlp_dim, eps=norm_eps)
        self.linear2 = nn.Linear(mlp_dim, hidden_size)
        self.drop1 = nn.Dropout(dropout_rate)
        self.drop2 = nn.Dropout(dropout_rate)

    def activate(self, x: Tensor) -> Tensor:
        """The activation alone; that of SwiGLU halves the channels."""
        if self.activation == "swiglu":
            gate, value = x.chunk(2, dim=-1)
            return functional.silu(gate) * value
        if self.activation == "quick_gelu":
            return x * torch.sigmoid(1.702 * x)
        return functional.gelu(x, approximate="tanh" if self.activation == "gelu_tanh" else "none")

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop1(self.activate(self.linear1(x)))
        if self.norm is not None:
            x = self.norm(x)
        return self.drop2(self.linear2(x))


class Residual(nn.Module):
    """``x + y``: the residual sum as a module, so that a tuner can sit on it and see the stream ``x``.

    Shape:
        x, y and the output: (B, N, C).
    """

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class Beside(nn.Module):
    """``y`` as it is: a place beside the stream, where a tuner that sees ``x`` changes ``y``.

    Shape:
        x of any, y and the output of the same.
    """

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return y


class Block(nn.Module):
    """A pre-norm transformer block; each residual sum is a module, where tuners that read the stream sit.

    Shape:
        (B, N, C) to (B, N, C).
    """

    def __init__(
        self,
        *,
        hidden_size: int,
        mlp_dim: int,
        num_heads: int,
        qkv_bias: bool = True,
        eps: float = 1e-6,
        dropout_rate: float = 0.0,
        activation: str = "gelu",
        rotation: Rotation | None = None,
        attn_norm: bool = False,
        mlp_norm: bool = False,
        attend: ScaledDotProduct | None = None,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(hidden_size, eps=eps)
        self.attn = Attention(
            hidden_size=hidden_size,
            num_heads=num_heads,
            qkv_bias=qkv_bias,
            dropout_rate=dropout_rate,
            rotation=rotation,
            norm_eps=eps if attn_norm else None,
            attend=attend,
        )
        self.residual1 = Residual()
        self.norm2 = nn.LayerNorm(hidden_size, eps=eps)
        self.mlp = MLP(
            hidden_size=hidden_size,
            mlp_dim=mlp_dim,
            dropout_rate=dropout_rate,
            activation=activation,
            norm_eps=eps if mlp_norm else None,
        )
        self.residual2 = Residual()
        self.register_load_state_dict_pre_hook(_drop_unused)

    def forward(self, x: Tensor) -> Tensor:
        x = self.residual1(x, self.attn(self.norm1(x)))
        return self.residual2(x, self.mlp(self.norm2(x)))


def _drop_unused(block: nn.Module, state: dict[str, Any], prefix: str, *unused: Any) -> None:
    # MONAI's block owns a norm_cross_attn that no forward pass reaches; its checkpoints carry it.
    for key in [key for key in state if key.startswith(f"{prefix}norm_cross_attn.")]:
        del state[key]


class PatchEmbedding(nn.Module):
    """Non-overlapping patches, projected, plus their learned positions where there are any.

    Shape:
        (B, C_in, *img_size) to (B, prod(grid), C).
    """

    def __init__(
        self, *, in_channels: int, grid: Sequence[int], patch: Sequence[int], hidden_size: int, positions: bool = True
    ) -> None:
        super().__init__()
        conv: type[Any] = nn.Conv2d if len(patch) == 2 else nn.Conv3d
        self.patch_embeddings = conv(in_channels, hidden_size, kernel_size=tuple(patch), stride=tuple(patch))
        self.position_embeddings = nn.Parameter(torch.zeros(1, prod(grid), hidden_size)) if positions else None
        if self.position_embeddings is not None:
            nn.init.trunc_normal_(self.position_embeddings, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch_embeddings(x).flatten(2).transpose(1, 2)
        return tokens if self.position_embeddings is None else tokens + self.position_embeddings


def per_axis(size: int | Sequence[int], dims: int, name: str) -> tuple[int, ...]:
    """One number for each axis: a single one holds for all.

    Raises:
        NetworkError: there are as many numbers as neither one nor the axes.

    Example:
        >>> per_axis(96, 3, "img_size")
        (96, 96, 96)
    """
    sizes = tuple(int(s) for s in size) if isinstance(size, Iterable) else (int(size),) * dims
    if len(sizes) != dims:
        raise NetworkError(f"ViTEncoder: {name} {sizes} must be one number or {dims}, one for each axis")
    return sizes


def check_whole_patches(size: Sequence[int], patch: Sequence[int]) -> None:
    """Refuse an image that patches do not cover, with the nearest sizes that they do.

    Raises:
        NetworkError: a side is no multiple of the patch's.

    Example:
        >>> check_whole_patches((100,), (14,))
        Traceback (most recent call last):
        dvpt_monai.errors.NetworkError: ViTEncoder: img_size (100,) is no multiple of patch_size (14,); 98 and 112 are
    """
    for side, step in zip(size, patch, strict=True):
        if side < step or side % step:
            below = side // step * step
            near = f"{below} and {below + step} are" if below else f"{step} is"
            sizes = f"img_size {tuple(size)} is no multiple of patch_size {tuple(patch)}"
            raise NetworkError(f"ViTEncoder: {sizes}; {near}")
