"""A vision transformer in 2D and 3D with MONAI's parameter names, made to carry pre-trained weights and tuners.

Over MONAI's own ``ViT`` it adds registers, a settable LayerNorm eps, fused attention, rotary positions, SwiGLU, taps of
middle blocks, an end at a middle block, and a depth embedding for backbones that were pre-trained in 2D; it drops
tensors that nothing uses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvpt_monai.errors import NetworkError
from dvpt_monai.networks.block import (
    ACTIVATIONS,
    MLP,
    Attention,
    Beside,
    Block,
    PatchEmbedding,
    Residual,
    ScaledDotProduct,
    check_whole_patches,
    per_axis,
)
from dvpt_monai.networks.from_pretrained import FromPretrained
from dvpt_monai.networks.planes import CYCLE, PlaneAttention
from dvpt_monai.networks.resize import resize_positions
from dvpt_monai.networks.rotary import Rotation, complete_rotary

__all__ = ["MLP", "Attention", "Block", "PatchEmbedding", "Residual", "ScaledDotProduct", "ViTEncoder"]


class ViTEncoder(FromPretrained):
    """A vision transformer without a head (Dosovitskiy et al., arXiv 2010.11929), in 2D or 3D.

    The token sequence is [CLS, registers, patches, whatever tuners append].

    Args:
        in_channels: channels of the image, at least 1.
        img_size: pixels or voxels; one number n is (n, n) or (n, n, n), else one number for each axis.
        patch_size: likewise; along each axis a divisor of ``img_size``.
        spatial_dims: 2 or 3.
        hidden_size: width C of a token, a multiple of ``num_heads``.
        mlp_dim: width inside the feed-forward part, of what its second layer reads.
        num_layers: depth of the backbone as it was pre-trained.
        num_heads: attention heads.
        cls_token: whether the sequence begins with a CLS token.
        num_registers: register tokens after CLS, 0 or more (Darcet et al., arXiv 2309.16588).
        qkv_bias: whether queries, keys and values have biases; pre-trained ViTs do, MONAI's default does not.
        eps: of every LayerNorm: 1e-6 in timm, MAE and DINO, 1e-5 in MONAI, 1e-12 in Hugging Face's google/vit.
        dropout_rate: in attention and feed-forward parts, in [0, 1); 0 for pre-trained backbones.
        tap: build only this many of the ``num_layers`` blocks, in [1, num_layers], and end in a new LayerNorm that
            trains; the last blocks of a backbone often fit their pre-training task more than yours. ``None`` builds
            all.
        taps: 0-based blocks whose outputs ``forward`` returns as maps, each in [0, blocks built).
        depth_embedding: 3D only: add a trainable, zero-initialised embedding of the last axis, which a backbone
            inflated from 2D needs to know where it is along z.
        activation: of the feed-forward parts: ``"gelu"``, ``"gelu_tanh"`` as in SigLIP, ``"quick_gelu"`` as in
            OpenAI's CLIP, or ``"swiglu"``, whose gate doubles what their first layer gives.
        pre_norm: a LayerNorm over the whole sequence before the first block, as in CLIP.
        positions: whether patches have learned positions; those of DINOv3 turn queries and keys instead.
        rotary: settings of that turning (:func:`~dvpt_monai.networks.rotary.complete_rotary`), ``{}`` as in DINOv3;
            ``None`` does not turn.
        attn_norm: a LayerNorm between attention and output projection, as in EVA-02's CLIP.
        mlp_norm: a LayerNorm before the second layer of the feed-forward parts, as in EVA-02.
        planes: 3D only: patches attend within planes alone, of one axis after the other from block to block, as 2D
            weights learned it (:mod:`dvpt_monai.networks.planes`); no parameter is new.

    Shape:
        (B, in_channels, *img_size) to the tokens (B, N, C) after the last norm, and a list with one map
        (B, C, *grid) for each of ``taps``.

    Raises:
        NetworkError: sizes that do not fit each other.
        ValueError: in ``forward``, an image of another size.

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
        *,
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
        positions: bool = True,
        rotary: Mapping[str, Any] | None = None,
        attn_norm: bool = False,
        mlp_norm: bool = False,
        planes: bool = False,
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3):
            raise NetworkError(f"ViTEncoder: spatial_dims must be 2 or 3, not {spatial_dims}")
        size = per_axis(img_size, spatial_dims, "img_size")
        patch = per_axis(patch_size, spatial_dims, "patch_size")
        check_whole_patches(size, patch)
        if hidden_size % num_heads:
            raise NetworkError(f"ViTEncoder: hidden_size {hidden_size} is not a multiple of num_heads {num_heads}")
        if tap is not None and not 1 <= tap <= num_layers:
            raise NetworkError(f"ViTEncoder: tap must be between 1 and num_layers={num_layers}, not {tap}")
        depth = num_layers if tap is None else tap
        if any(not 0 <= t < depth for t in taps):
            raise NetworkError(f"ViTEncoder: taps {tuple(taps)} must be blocks between 0 and {depth - 1}")
        if depth_embedding and spatial_dims != 3:
            raise NetworkError("ViTEncoder: depth_embedding is for spatial_dims=3")
        if planes and spatial_dims != 3:
            raise NetworkError("ViTEncoder: planes is for spatial_dims=3")
        if activation not in ACTIVATIONS:
            raise NetworkError(f"ViTEncoder: activation must be one of {ACTIVATIONS}, not {activation!r}")

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
        self.fresh = [
            pattern for pattern, new in (("norm.*", tap is not None), ("depth_embedding", depth_embedding)) if new
        ]
        """Patterns of the parts that no pre-trained file fills."""
        self.planes = [CYCLE[index % len(CYCLE)] for index in range(depth)] if planes else None
        """Of each block the axis across which its planes are cut."""
        self.rotary = None if rotary is None else complete_rotary(rotary, 2 if planes else spatial_dims)
        self.position_resize = "plain"
        """How :meth:`resize` interpolates the positions of a plane; loading sets it to what was loaded."""

        self.patch_embedding = PatchEmbedding(
            in_channels=in_channels, grid=self.grid, patch=patch, hidden_size=hidden_size, positions=positions
        )
        self.cls_token = nn.Parameter(torch.zeros(1, 1, hidden_size)) if cls_token else None
        self.register_tokens = nn.Parameter(torch.zeros(1, num_registers, hidden_size)) if num_registers else None
        self.depth_embedding = nn.Parameter(torch.zeros(self.grid[-1], hidden_size)) if depth_embedding else None
        self.norm_pre = nn.LayerNorm(hidden_size, eps=eps) if pre_norm else None
        # Parameterless: the place in the sequence where tuners append their own tokens.
        self.embed = nn.Identity()
        across: Sequence[int | None] = self.planes or [None] * depth
        rotations = {axis: self._rotation(axis) for axis in set(across)}
        self.rotation = rotations.get(None)
        self.blocks = nn.ModuleList(
            Block(
                hidden_size=hidden_size,
                mlp_dim=mlp_dim,
                num_heads=num_heads,
                qkv_bias=qkv_bias,
                eps=eps,
                dropout_rate=dropout_rate,
                activation=activation,
                rotation=rotations[axis],
                attn_norm=attn_norm,
                mlp_norm=mlp_norm,
                attend=None if axis is None else PlaneAttention(self.first, self.grid, axis, dropout_rate),
            )
            for axis in across
        )
        self.norm = nn.LayerNorm(hidden_size, eps=eps)
        # Parameterless: where side networks sit, whose stream begins at the image, follows the blocks and is read out.
        self.origin = Beside()
        self.beside = nn.ModuleList(Beside() for _ in range(depth))
        self.back = nn.ModuleList(Beside() for _ in range(depth))
        self.readout = Beside()
        for block in self.blocks:
            for layer in (m for m in block.modules() if isinstance(m, nn.Linear)):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def _rotation(self, across: int | None) -> Rotation | None:
        """The rotation of blocks whose planes are cut across an axis, or that have none."""
        if self.rotary is None:
            return None
        return Rotation(self.hidden_size // self.num_heads, self.first, self.grid, self.rotary, across)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.rest({-1: self.embedded(x)}, {"images": x})

    def seen(self, x: Tensor) -> dict[str, Tensor]:
        """What :meth:`states` and :meth:`rest` read of the images."""
        return {"images": x}

    def embedded(self, x: Tensor) -> Tensor:
        """The sequence of tokens as the first block reads it."""
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
        return self.embed(tokens)

    def states(self, seen: dict[str, Tensor], read: list[bool]) -> dict[int, Tensor]:
        """The outputs of those of the first ``len(read)`` blocks that are read, for :meth:`rest`."""
        tokens = self.embedded(seen["images"])
        states: dict[int, Tensor] = {}
        for index, block in enumerate(self.blocks):
            if index < len(read):
                tokens = block(tokens)
                if read[index]:
                    states[index] = tokens
        return states

    def rest(self, states: dict[int, Tensor], seen: dict[str, Tensor]) -> tuple[Tensor, list[Tensor]]:
        """What :meth:`forward` gives, from the outputs of blocks that are known already.

        Args:
            states: tokens behind a block by its index, -1 for those that the first block reads: of the last block that
                need not run again, and of those before it that are tapped or that a side network reads.
            seen: the images, which no part but :attr:`origin` reads; they may be left out where nothing is there.
        """
        known = max(states.keys())
        tokens = states[known]
        stream = self.origin(seen.get("images", tokens), tokens.new_zeros(1))
        maps: list[Tensor] = []
        for index, (block, beside, back) in enumerate(zip(self.blocks, self.beside, self.back)):  # noqa: B905
            if index > known or index in states:
                tokens = states[index] if index in states else block(tokens)
                stream = beside(tokens, stream)
                tokens = back(stream, tokens)
                if self.tapped[index]:
                    maps.append(self.as_map(tokens))
        return self.readout(stream, self.norm(tokens)), maps

    def patches(self, tokens: Tensor) -> Tensor:
        """The patch tokens alone: without CLS, registers and whatever was appended."""
        return tokens[:, self.first : self.end]

    def as_map(self, tokens: Tensor) -> Tensor:
        """The patch tokens as a map (B, C, *grid)."""
        return self.patches(tokens).transpose(1, 2).unflatten(2, self.grid).contiguous()

    def resize(self, img_size: int | Sequence[int]) -> ViTEncoder:
        """Take images of another size from now on, in place; positions, and prompts tied to them, are interpolated."""
        size = per_axis(img_size, len(self.grid), "img_size")
        check_whole_patches(size, self.patch_size)
        grid = [s // p for s, p in zip(size, self.patch_size, strict=True)]
        # First, since one may refuse.
        for module in self.modules():
            if callable(follow := getattr(module, "resize_grid", None)):
                follow(self.grid, grid)
        # A tuner may stand around the embedding.
        positions = next(m for m in self.modules() if isinstance(m, PatchEmbedding)).position_embeddings
        how = self.position_resize if len(grid) == 2 else "plain"
        if positions is not None:
            positions.data = resize_positions(positions, self.grid, grid, how).to(positions)
        for module in self.modules():
            if isinstance(module, (PlaneAttention, Rotation)):
                module.lay_out(grid)
        if self.depth_embedding is not None and grid[-1] != self.grid[-1]:
            depth = resize_positions(self.depth_embedding[None], self.grid[-1:], grid[-1:])[0]
            self.depth_embedding.data = depth.to(self.depth_embedding)
        self.img_size, self.grid, self.end = list(size), grid, self.first + prod(grid)
        return self
