"""A pre-trained vision transformer, read from any layout into the encoder's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

__all__ = ["Backbone"]

HEADS = {1152: 16, 1280: 16, 1408: 16, 1664: 16, 1792: 16}
"""Heads of the published widths whose heads are not 64 wide."""


@dataclass(frozen=True)
class Backbone:
    """Tensors under the encoder's names, at their own sizes, and what they say of the network.

    Args:
        layout: the layout that they came from.
        tensors: by the encoder's names.
        grid: token grid of the positions, a square or cube where nothing else is told; ``None`` if it is neither.
        eps: LayerNorm eps of the layout's networks, which no file holds.
        normalization: mean and standard deviation of each channel that it was trained with, of values in [0, 1].
        folded: what was folded exactly.
        ignored: names of the file that the encoder has no place for.
        rest: tensors of the same file outside the encoder (a decoder), under MONAI's names.
        activation: of the feed-forward parts; ``None`` if nothing tells.
        heads: the number that a config tells; ``None`` leaves it to the published widths.
        published: heads of the layout's widths that differ from those of others.
        dtypes: of the file's tensors, by the encoder's names.
        certain: whether the grid is told, not guessed.
        origin: receipt of the file that this one was converted from.
    """

    layout: str
    tensors: dict[str, Tensor]
    grid: tuple[int, ...] | None
    eps: float
    normalization: tuple[tuple[float, ...], tuple[float, ...]] | None
    folded: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    rest: dict[str, Tensor] = field(default_factory=dict)
    activation: str | None = "gelu"
    heads: int | None = None
    published: Mapping[int, int] = field(default_factory=dict)
    dtypes: Mapping[str, str] = field(default_factory=dict)
    certain: bool = False
    origin: Mapping[str, Any] | None = None

    @property
    def kernel(self) -> Tensor:
        """The patch-embedding kernel, (C, C_in, *patch)."""
        return self.tensors["patch_embedding.patch_embeddings.weight"]

    @property
    def num_heads(self) -> int | None:
        """Attention heads: told, else those of the published networks of this width; ``None`` if there are none."""
        width = self.kernel.shape[0]
        return self.heads or self.published.get(width) or HEADS.get(width) or (None if width % 64 else width // 64)

    def arguments(self) -> dict[str, Any]:
        """The constructor arguments of :class:`~dvpt_monai.networks.vit.ViTEncoder` that fit; without what is unknown.

        Raises:
            KeyError: the name of a tensor that every encoder has.
        """
        width, channels, *patch = self.kernel.shape
        arguments: dict[str, Any] = {
            "in_channels": channels,
            "patch_size": patch[0] if len(set(patch)) == 1 else tuple(patch),
            "spatial_dims": len(patch),
            "hidden_size": width,
            "mlp_dim": self.tensors["blocks.0.mlp.linear1.weight"].shape[0],
            "num_layers": 1 + max(int(key.split(".")[1]) for key in self.tensors if key.startswith("blocks.")),
            "num_heads": self.num_heads,
            "cls_token": "cls_token" in self.tensors,
            "num_registers": self.tensors["register_tokens"].shape[1] if "register_tokens" in self.tensors else 0,
            "qkv_bias": "blocks.0.attn.qkv.bias" in self.tensors,
            "eps": self.eps,
            "activation": self.activation,
            "pre_norm": "norm_pre.weight" in self.tensors,
            "depth_embedding": "depth_embedding" in self.tensors,
        }
        if self.grid is not None:
            arguments["img_size"] = tuple(g * p for g, p in zip(self.grid, patch, strict=True))
        return {name: value for name, value in arguments.items() if value is not None}
