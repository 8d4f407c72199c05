"""A pre-trained vision transformer, read from any layout into the encoder's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained.layout import POSITIONS
from dvpt_monai.networks.pretrained.normalizations import Normalization
from dvpt_monai.networks.resize import POSITION_RESIZES

__all__ = ["BIAS", "DEPTH", "KERNEL", "UNKNOWN", "Backbone"]

KERNEL = "patch_embedding.patch_embeddings.weight"
BIAS = "patch_embedding.patch_embeddings.bias"
DEPTH = "depth_embedding"

HEADS = {1152: 16, 1408: 16, 1664: 16, 1792: 16}
"""Heads of the published widths whose heads are not 64 wide."""
SEVERAL = {1280: (16, 20)}
"""Widths that are published with several numbers of heads: ViT-H has 16, DINOv3's ViT-H+ 20."""
UNKNOWN = {
    "img_size": "positions that are no square or cube, or none",
    "rotary": "no positions, and the settings of a rotation stand only in the metadata of a converted file",
    "num_heads": "a width that no published network has, or that several have with different heads (1280: 16 or 20)",
    "activation": "a layout with GELU in some networks and QuickGELU (OpenAI's CLIP) or tanh (SigLIP) in others",
}
"""Arguments that some files leave unknown, and what these files have."""


@dataclass(frozen=True)
class Backbone:
    """Tensors under the encoder's names, at their own sizes, and what they say of the network.

    Args:
        source: file name or catalog name that they came from.
        layout: the layout that they came in.
        tensors: by the encoder's names.
        grid: token grid of the positions, a square or cube where nothing names another; ``None`` if it is neither.
        eps: LayerNorm eps of the layout's networks, which no file holds.
        normalization: mean and standard deviation of each channel that it was trained with, of values in [0, 1];
            ``None`` where neither a config nor the layout gives one for each of its channels.
        position_resize: how its authors interpolate positions to another grid.
        folded: what was folded exactly.
        ignored: names of the file that the encoder has no place for.
        rest: tensors of the same file outside the encoder (a decoder), under MONAI's names.
        activation: of the feed-forward parts; ``None`` if nothing names it.
        heads: the number that a config names; ``None`` leaves it to the published widths.
        published: heads of the layout's widths that differ from those of others.
        head_width: channels of a head of the layout's other widths; ``None`` if they have no usual one.
        dtypes: of the file's tensors, by the encoder's names.
        certain: whether the grid is known, not guessed.
        origin: receipt of the file that this one was converted from.
        rotary: settings of its rotation; ``None`` if it has none, or nothing tells.
    """

    source: str
    layout: str
    tensors: dict[str, Tensor]
    grid: tuple[int, ...] | None
    eps: float
    normalization: Normalization | None
    position_resize: str = "plain"
    folded: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    rest: dict[str, Tensor] = field(default_factory=dict)
    activation: str | None = "gelu"
    heads: int | None = None
    published: Mapping[int, int] = field(default_factory=dict)
    head_width: int | None = 64
    dtypes: Mapping[str, str] = field(default_factory=dict)
    certain: bool = False
    origin: Mapping[str, Any] | None = None
    rotary: Mapping[str, Any] | None = None

    def assuming(self, normalization: Any = None, position_resize: str | None = None) -> Backbone:
        """The same with another normalisation or resize of positions, where one is given.

        Raises:
            PretrainedError: the normalisation is not one of its channels, or there is no such resize.
        """
        backbone = self
        if normalization is not None:
            mean, std = (tuple(float(value) for value in values) for values in normalization)
            if not len(mean) == len(std) == self.channels:
                raise PretrainedError(
                    f"load_pretrained: normalization {normalization} is not a mean and a standard deviation for each "
                    f"of the {self.channels} channels of {self.source}"
                )
            backbone = replace(backbone, normalization=(mean, std))
        if position_resize is not None:
            ways = POSITION_RESIZES if self.dims == 2 else ("plain",)
            if position_resize not in ways:
                raise PretrainedError(
                    f"load_pretrained: position_resize must be one of {ways} for the {self.dims}D positions of "
                    f"{self.source}, not {position_resize!r}"
                )
            backbone = replace(backbone, position_resize=position_resize)
        return backbone

    @property
    def of_monai(self) -> bool:
        """Whether it has MONAI's names, which this package's networks share whatever their heads and activation."""
        return self.layout.startswith("monai")

    @property
    def has_positions(self) -> bool:
        """Whether its patches have learned positions."""
        return POSITIONS in self.tensors

    @property
    def channels(self) -> int:
        """Channels of its images."""
        return self.kernel.shape[1]

    @property
    def dims(self) -> int:
        """2 for images, 3 for volumes."""
        return self.kernel.ndim - 2

    @property
    def kernel(self) -> Tensor:
        """The patch-embedding kernel, (C, C_in, *patch)."""
        return self.tensors[KERNEL]

    @property
    def num_heads(self) -> int | None:
        """Attention heads: the config's, else those of the published networks of this width, where all have as many."""
        width = self.kernel.shape[0]
        known = self.heads or self.published.get(width)
        if known or self.head_width is None:
            return known
        return HEADS.get(width) or (None if width % self.head_width or width in SEVERAL else width // self.head_width)

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
            "mlp_dim": self.tensors["blocks.0.mlp.linear2.weight"].shape[1],
            "num_layers": 1 + max(int(key.split(".")[1]) for key in self.tensors if key.startswith("blocks.")),
            "num_heads": self.num_heads,
            "cls_token": "cls_token" in self.tensors,
            "num_registers": self.tensors["register_tokens"].shape[1] if "register_tokens" in self.tensors else 0,
            "qkv_bias": "blocks.0.attn.qkv.bias" in self.tensors,
            "eps": self.eps,
            "activation": self.activation,
            "pre_norm": "norm_pre.weight" in self.tensors,
            "depth_embedding": "depth_embedding" in self.tensors,
            "positions": self.has_positions,
            "rotary": self.rotary,
            "attn_norm": "blocks.0.attn.norm.weight" in self.tensors,
            "mlp_norm": "blocks.0.mlp.norm.weight" in self.tensors,
        }
        if self.grid is not None:
            arguments["img_size"] = tuple(g * p for g, p in zip(self.grid, patch, strict=True))
        return {name: value for name, value in arguments.items() if value is not None}
