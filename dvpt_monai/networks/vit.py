"""A vision transformer in 2D and 3D with MONAI's parameter names, made to carry pre-trained weights and tuners.

Over MONAI's own ``ViT`` it adds registers, a settable LayerNorm eps, fused attention, taps of middle blocks, an end at
a middle block, and a depth embedding for backbones that were pre-trained in 2D; it drops tensors that nothing uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from monai.utils import ensure_tuple_rep
from torch import Tensor, nn
from torch.nn import functional

from dvpt_monai.networks.from_pretrained import FromPretrained
from dvpt_monai.networks.resize import resize_positions

__all__ = ["MLP", "Attention", "Block", "PatchEmbedding", "Residual", "ScaledDotProduct", "ViTEncoder"]

ACTIVATIONS = ("gelu", "quick_gelu")


class ScaledDotProduct(nn.Module):
    """softmax(q k^T scale) v through PyTorch's fused kernel, as a module that tuners of the scores can sit on.

    Shape:
        q (B, H, N, d), k and v (B, H, M, d) to (B, H, N, d).
    """

    def __init__(self, dropout_rate: float = 0.0) -> None:
        super().__init__()
        self.drop_weights = nn.Dropout(dropout_rate)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        # The leaf's own mode decides, not this module's: a tuner inside must not wake the dropout of frozen weights.
        dropout = self.drop_weights.p if self.drop_weights.training else 0.0
        return functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scale)


class Attention(nn.Module):
    """Multi-head self-attention.

    Shape:
        (B, N, C) to (B, N, C).
    """

    def __init__(self, hidden_size: int, num_heads: int, qkv_bias: bool = True, dropout_rate: float = 0.0) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = (hidden_size // num_heads) ** -0.5
        self.qkv = nn.Linear(hidden_size, 3 * hidden_size, bias=qkv_bias)
        self.attend = ScaledDotProduct(dropout_rate)
        self.out_proj = nn.Linear(hidden_size, hidden_size)
        self.drop_output = nn.Dropout(dropout_rate)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.num_heads, c // self.num_heads).permute(2, 0, 3, 1, 4).unbind(0)
        y = self.attend(q, k, v, self.scale)
        return self.drop_output(self.out_proj(y.transpose(1, 2).reshape(b, n, c)))


class MLP(nn.Module):
    """The feed-forward part of a block: linear, GELU (or CLIP's QuickGELU, x sigmoid(1.702 x)), linear.

    Shape:
        (B, N, C) to (B, N, C).
    """

    def __init__(self, hidden_size: int, mlp_dim: int, dropout_rate: float = 0.0, activation: str = "gelu") -> None:
        super().__init__()
        self.quick_gelu = activation == "quick_gelu"
        self.linear1 = nn.Linear(hidden_size, mlp_dim)
        self.linear2 = nn.Linear(mlp_dim, hidden_size)
        self.drop1 = nn.Dropout(dropout_rate)
        self.drop2 = nn.Dropout(dropout_rate)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear1(x)
        x = x * torch.sigmoid(1.702 * x) if self.quick_gelu else functional.gelu(x)
        return self.drop2(self.linear2(self.drop1(x)))


class Residual(nn.Module):
    """``x + y``: the residual sum as a module, so that a tuner can sit on it and see the stream ``x``.

    Shape:
        x, y and the output: (B, N, C).
    """

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class Block(nn.Module):
    """A pre-norm transformer block; each residual sum is a module, where tuners that read the stream sit.

    Shape:
        (B, N, C) to (B, N, C).
    """

    def __init__(
        self,
        hidden_size: int,
        mlp_dim: int,
        num_heads: int,
        qkv_bias: bool = True,
        eps: float = 1e-6,
        dropout_rate: float = 0.0,
        activation: str = "gelu",
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(hidden_size, eps=eps)
        self.attn = Attention(hidden_size, num_heads, qkv_bias, dropout_rate)
        self.residual1 = Residual()
        self.norm2 = nn.LayerNorm(hidden_size, eps=eps)
        self.mlp = MLP(hidden_size, mlp_dim, dropout_rate, activation)
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
    """Non-overlapping patches, projected, plus their learned positions.

    Shape:
        (B, C_in, *img_size) to (B, prod(grid), C).
    """

    def __init__(self, in_channels: int, grid: Sequence[int], patch: Sequence[int], hidden_size: int) -> None:
        super().__init__()
        conv: type[Any] = nn.Conv2d if len(patch) == 2 else nn.Conv3d
        self.patch_embeddings = conv(in_channels, hidden_size, kernel_size=tuple(patch), stride=tuple(patch))
        self.position_embeddings = nn.Parameter(torch.zeros(1, prod(grid), hidden_size))
        nn.init.trunc_normal_(self.position_embeddings, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return self.patch_embeddings(x).flatten(2).transpose(1, 2) + self.position_embeddings


class ViTEncoder(FromPretrained):
    """A vision transformer without a head (Dosovitskiy et al., arXiv 2010.11929), in 2D or 3D.

    The token sequence is [CLS, registers, patches, whatever tuners append].

    Args:
        in_channels: channels of the image.
        img_size: pixels or voxels along each axis, one number or one per axis.
        patch_size: likewise; must divide ``img_size``.
        spatial_dims: 2 or 3.
        hidden_size: width C of a token.
        mlp_dim: width inside the feed-forward part.
        num_layers: depth of the backbone as it was pre-trained.
        num_heads: attention heads.
        cls_token: whether the sequence begins with a CLS token.
        num_registers: register tokens after CLS (Darcet et al., arXiv 2309.16588).
        qkv_bias: whether queries, keys and values have biases; pre-trained ViTs do, MONAI's default does not.
        eps: of every LayerNorm: 1e-6 in timm, MAE and DINO, 1e-5 in MONAI, 1e-12 in Hugging Face's google/vit.
        dropout_rate: in attention and feed-forward parts; 0 for pre-trained backbones.
        tap: build only this many of the ``num_layers`` blocks and end in a new LayerNorm that trains; the last blocks
            of a backbone often fit their pre-training task more than yours. ``None`` builds all.
        taps: 0-based blocks whose outputs ``forward`` returns as maps.
        depth_embedding: 3D only: add a trainable, zero-initialised embedding of the last axis, which a backbone
            inflated from 2D needs to know where it is along z.
        activation: of the feed-forward parts: ``"gelu"``, or ``"quick_gelu"`` as in OpenAI's CLIP.
        pre_norm: a LayerNorm over the whole sequence before the first block, as in CLIP.

    Shape:
        (B, in_channels, *img_size) to the tokens (B, N, C) after the last norm, and a list with one map
        (B, C, *grid) for each of ``taps``.

    Raises:
        ValueError: sizes that do not fit each other, and in ``forward`` an image of another size.

    Example:
        >>> import torch
        >>> encoder = ViTEncoder(in_channels=1, img_size=32, patch_size=8, hidden_size=24, mlp_dim=48, num_layers=4,
        ...                      num_heads=2, num_registers=2, taps=(1,))
        >>> tokens, maps = encoder(torch.rand(2, 1, 32, 32))
        >>> tokens.shape, maps[0].shape
        (torch.Size([2, 19, 24]), torch.Size([2, 24, 4, 4]))
    """

    def __init__(
        self,
        in_channels: int,
        img_size: int | Sequence[int],
        patch_size: int | Sequence[int] = 16,
        spatial_dims: int = 2,
        hidden_size: int = 768,
        mlp_dim: int = 3072,
        num_layers: int = 12,
        num_heads: int = 12,
        cls_token: bool = True,
        num_registers: int = 0,
        qkv_bias: bool = True,
        eps: float = 1e-6,
        dropout_rate: float = 0.0,
        tap: int | None = None,
        taps: Sequence[int] = (),
        depth_embedding: bool = False,
        activation: str = "gelu",
        pre_norm: bool = False,
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3):
            raise ValueError(f"ViTEncoder: spatial_dims must be 2 or 3, not {spatial_dims}")
        size = tuple(int(s) for s in ensure_tuple_rep(img_size, spatial_dims))
        patch = tuple(int(p) for p in ensure_tuple_rep(patch_size, spatial_dims))
        if any(s < p or s % p for s, p in zip(size, patch, strict=True)):
            raise ValueError(f"ViTEncoder: img_size {size} is not a multiple of patch_size {patch}")
        if hidden_size % num_heads:
            raise ValueError(f"ViTEncoder: hidden_size {hidden_size} is not a multiple of num_heads {num_heads}")
        if tap is not None and not 1 <= tap <= num_layers:
            raise ValueError(f"ViTEncoder: tap must be between 1 and num_layers={num_layers}, not {tap}")
        depth = num_layers if tap is None else tap
        if any(not 0 <= t < depth for t in taps):
            raise ValueError(f"ViTEncoder: taps {tuple(taps)} must be blocks between 0 and {depth - 1}")
        if depth_embedding and spatial_dims != 3:
            raise ValueError("ViTEncoder: depth_embedding is for spatial_dims=3")
        if activation not in ACTIVATIONS:
            raise ValueError(f"ViTEncoder: activation must be one of {ACTIVATIONS}, not {activation!r}")

        self.in_channels = in_channels
        self.img_size = list(size)
        self.patch_size = list(patch)
        self.grid = [s // p for s, p in zip(size, patch, strict=True)]
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.activation = activation
        self.tap = tap
        self.tapped = [index in taps for index in range(depth)]
        self.first = int(cls_token) + num_registers
        """Index of the first patch token."""
        self.end = self.first + prod(self.grid)
        """Index behind the last patch token, where tuners append theirs."""
        self.fresh = ["norm.*"] * (tap is not None) + ["depth_embedding"] * depth_embedding
        """Patterns of the parts that no pre-trained file fills."""

        self.patch_embedding = PatchEmbedding(in_channels, self.grid, patch, hidden_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, hidden_size)) if cls_token else None
        self.register_tokens = nn.Parameter(torch.zeros(1, num_registers, hidden_size)) if num_registers else None
        self.depth_embedding = nn.Parameter(torch.zeros(self.grid[-1], hidden_size)) if depth_embedding else None
        self.norm_pre = nn.LayerNorm(hidden_size, eps=eps) if pre_norm else None
        # Parameterless: the place in the sequence where tuners append their own tokens.
        self.embed = nn.Identity()
        self.blocks = nn.ModuleList(
            Block(hidden_size, mlp_dim, num_heads, qkv_bias, eps, dropout_rate, activation) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(hidden_size, eps=eps)
        for block in self.blocks:
            for layer in (m for m in block.modules() if isinstance(m, nn.Linear)):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        if x.shape[1] != self.in_channels or list(x.shape[2:]) != self.img_size:
            raise ValueError(
                f"ViTEncoder: expected images of {self.in_channels} channels and size {self.img_size}, "
                f"got {x.shape[1]} channels and size {x.shape[2:]}"
            )
        tokens = self.patch_embedding(x)
        if self.depth_embedding is not None:
            # The last axis varies fastest in the flattened grid; what a tuner sends along behind has no place along z.
            patches = self.end - self.first
            depth = self.depth_embedding.repeat(patches // self.grid[-1], 1)
            tokens = tokens + functional.pad(depth, (0, 0, 0, tokens.shape[1] - patches))
        if self.register_tokens is not None:
            tokens = torch.cat((self.register_tokens.expand(x.shape[0], -1, -1), tokens), dim=1)
        if self.cls_token is not None:
            tokens = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), tokens), dim=1)
        if self.norm_pre is not None:
            tokens = self.norm_pre(tokens)
        tokens = self.embed(tokens)
        maps: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            tokens = block(tokens)
            if self.tapped[index]:
                maps.append(self.as_map(tokens))
        return self.norm(tokens), maps

    def patches(self, tokens: Tensor) -> Tensor:
        """The patch tokens alone: without CLS, registers and whatever was appended."""
        return tokens[:, self.first : self.end]

    def as_map(self, tokens: Tensor) -> Tensor:
        """The patch tokens as a map (B, C, *grid)."""
        return self.patches(tokens).transpose(1, 2).unflatten(2, self.grid).contiguous()

    def resize(self, img_size: int | Sequence[int]) -> ViTEncoder:
        """Take images of another size from now on, in place; positions, and prompts tied to them, are interpolated."""
        size = tuple(int(s) for s in ensure_tuple_rep(img_size, len(self.grid)))
        if any(s < p or s % p for s, p in zip(size, self.patch_size, strict=True)):
            raise ValueError(f"ViTEncoder.resize: {size} is not a multiple of patch_size {tuple(self.patch_size)}")
        grid = [s // p for s, p in zip(size, self.patch_size, strict=True)]
        # First, since one may refuse.
        for module in self.modules():
            if callable(follow := getattr(module, "resize_grid", None)):
                follow(self.grid, grid)
        # A tuner may stand around the embedding.
        positions = next(m for m in self.modules() if isinstance(m, PatchEmbedding)).position_embeddings
        positions.data = resize_positions(positions, self.grid, grid).to(positions)
        if self.depth_embedding is not None and grid[-1] != self.grid[-1]:
            depth = resize_positions(self.depth_embedding[None], self.grid[-1:], grid[-1:])[0]
            self.depth_embedding.data = depth.to(self.depth_embedding)
        self.img_size, self.grid, self.end = list(size), grid, self.first + prod(grid)
        return self
