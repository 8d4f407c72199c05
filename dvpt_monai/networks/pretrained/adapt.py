"""A backbone's tensors at the sizes of an encoder, computed in float64 and rounded once, when they are copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from torch import Tensor

from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained.backbone import BIAS, DEPTH, KERNEL, Backbone
from dvpt_monai.networks.pretrained.encoder import Encoder
from dvpt_monai.networks.pretrained.layout import POSITIONS
from dvpt_monai.networks.resize import (
    adapt_channels,
    fold_normalization,
    inflate_kernel,
    resize_kernel,
    resize_positions,
)

__all__ = ["Adapted", "adapt"]

WAYS = {"plain": "", "antialias": ", antialiased", "offset": ", offset by 0.1"}
"""How receipts call the ways of resizing positions."""


@dataclass
class Adapted:
    """Tensors under the encoder's names, and what was done to them, for the receipt.

    Args:
        tensors: by the encoder's names.
        folded: what was folded exactly.
        resized: what was interpolated, from which size to which.
        inflated: what was carried from 2D to 3D.
    """

    tensors: dict[str, Tensor]
    folded: list[str] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)
    inflated: list[str] = field(default_factory=list)


def adapt(backbone: Backbone, encoder: Encoder, inflation: str = "average") -> Adapted:
    """Fit channels, patches, positions and depth of a backbone to an encoder.

    Raises:
        PretrainedError: the encoder has fewer dimensions or other channels that nothing can be folded into, or the
            backbone lacks what is needed.
    """
    adapted = Adapted(dict(backbone.tensors))
    _adapt_patches(adapted, backbone, encoder, inflation)
    _adapt_positions(adapted, backbone, encoder)
    _adapt_depth(adapted, encoder)
    if backbone.rotary and backbone.dims < len(encoder.grid):
        adapted.inflated.append("rotation along the axes of the plane alone")
    return adapted


def _adapt_patches(adapted: Adapted, backbone: Backbone, encoder: Encoder, inflation: str) -> None:
    name, tensors = backbone.source, adapted.tensors
    if BIAS not in tensors:
        raise PretrainedError(f"load_pretrained: {name} lacks the bias of the patch embedding; it is incomplete")
    kernel, bias = tensors[KERNEL], tensors[BIAS]
    channels, *have = kernel.shape[1:]
    want = encoder.patch_size
    if len(have) > len(want):
        raise PretrainedError(f"load_pretrained: {name} is {len(have)}D; build the network with spatial_dims=3")
    if channels != encoder.in_channels:
        if channels != 3 or backbone.normalization is None:
            raise PretrainedError(
                f"load_pretrained: {name} reads {channels} channels, the encoder {encoder.in_channels}; only "
                f"colours of a known normalisation can be folded. Build the network with in_channels={channels}"
            )
        kernel, bias = fold_normalization(kernel, bias, *backbone.normalization)
        kernel = adapt_channels(kernel, encoder.in_channels)
        of = f" of {encoder.in_channels} channels" if encoder.in_channels > 1 else ""
        adapted.folded.append(f"3 colours and their normalisation into the patch kernel{of}")
    plane = want[: len(have)]
    if plane != have:
        kernel = resize_kernel(kernel, plane)
        adapted.resized.append(f"patch kernel {_by(have)} -> {_by(plane)}")
    if len(have) < len(want):
        kernel = inflate_kernel(kernel, want[-1], inflation)
        centre = ", its centre slice" if inflation == "center" else ""
        adapted.inflated.append(f"patch kernel {_by(plane)} -> {_by(want)}{centre}")
    tensors[KERNEL], tensors[BIAS] = kernel, bias


def _adapt_positions(adapted: Adapted, backbone: Backbone, encoder: Encoder) -> None:
    if not backbone.has_positions:
        return
    positions, new = adapted.tensors[POSITIONS], tuple(encoder.grid)
    old, count = backbone.grid, positions.shape[1]
    guessed = old is None or (backbone.of_monai and not backbone.certain)
    if guessed and backbone.dims == len(new) and count == prod(new):
        old = new  # MONAI's files do not tell their grid: as many positions as the encoder's are the encoder's
    if old is None:
        raise PretrainedError(
            f"load_pretrained: {backbone.source} has {count} positions, of a grid that is neither equal-sided nor the "
            f"encoder's {_by(new)}; build the network with the img_size of its training, then call resize"
        )
    if old == new:
        return
    adapted.tensors[POSITIONS] = resize_positions(positions, old, new, backbone.position_resize)
    way = WAYS[backbone.position_resize] if new[: len(old)] != old else ""
    change = f"positions {_by(old)} -> {_by(new)}{way}"
    (adapted.inflated if len(old) < len(new) else adapted.resized).append(change)


def _adapt_depth(adapted: Adapted, encoder: Encoder) -> None:
    depth, new = adapted.tensors.get(DEPTH), encoder.grid[-1]
    if depth is None or encoder.depth_embedding is None or len(depth) == new:
        return
    adapted.resized.append(f"depth embedding {len(depth)} -> {new}")
    adapted.tensors[DEPTH] = resize_positions(depth[None], depth.shape[:1], (new,))[0]


def _by(size: Sequence[int]) -> str:
    return "x".join(str(s) for s in size)
