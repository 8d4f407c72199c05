"""MONAI's ViT, ViTAutoEnc and UNETR, whose names are the encoder's, and this package's own networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from torch import Tensor

from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained.layout import POSITIONS, Layout

__all__ = ["LAYOUTS"]

PERCEPTRON = "patch_embedding.patch_embeddings.1.weight"
CHANNELS = "encoder1.layer.conv1.conv.weight"
"""A convolution of UNETR's decoder over the image itself."""


class Monai(Layout):
    """MONAI's layout, with the perceptron that its UNETR once had, and M3D-CLIP has, for a patch embedding."""

    def prepare(
        self, state: Mapping[str, Tensor], path: str, patch: tuple[int, ...] | None = None
    ) -> dict[str, Tensor]:
        """The encoder's tensors; a perceptron over ``(p1 p2 p3 c)`` is a kernel of that patch."""
        inside = super().prepare(state, path, patch)
        if PERCEPTRON not in inside:
            return inside
        weight = inside.pop(PERCEPTRON)
        image = state.get(path.removesuffix("vit.") + CHANNELS)
        if patch is None and image is not None:
            dims = image.ndim - 2
            patch = (round((weight.shape[1] / image.shape[1]) ** (1 / dims)),) * dims
        if patch is None:
            raise PretrainedError(
                "the patch embedding is a perceptron, whose size only a whole UNETR or a config.json with patch_size "
                "tells; give one of them, or train MONAI's network with proj_type='conv'"
            )
        channels = weight.shape[1] // prod(patch) if image is None else image.shape[1]
        if prod(patch) * channels != weight.shape[1]:
            size = "no square or cube" if len(set(patch)) == 1 else f"not of size {patch}"
            raise PretrainedError(f"a patch of {weight.shape[1]} values in {channels} channels is {size}")
        kernel = weight.unflatten(1, (*patch, channels)).movedim(-1, 1).contiguous()
        inside["patch_embedding.patch_embeddings.weight"] = kernel
        inside["patch_embedding.patch_embeddings.bias"] = inside.pop(PERCEPTRON.replace("weight", "bias"))
        return inside


MONAI = Monai(
    name="monai",
    title="MONAI's ViT, ViTAutoEnc and UNETR, and the networks of this package",
    marks=(("patch_embedding.patch_embeddings.weight", PERCEPTRON),),
    names={
        name: name
        for name in (
            "cls_token",
            "register_tokens",
            "depth_embedding",
            POSITIONS,
            "patch_embedding.patch_embeddings.*",
            "norm_pre.*",
            "blocks.#.norm1.*",
            "blocks.#.attn.qkv.*",
            "blocks.#.attn.norm.*",
            "blocks.#.attn.out_proj.*",
            "blocks.#.norm2.*",
            "blocks.#.mlp.linear1.*",
            "blocks.#.mlp.norm.*",
            "blocks.#.mlp.linear2.*",
            "norm.*",
        )
    },
    # What releases before 1.0 and 1.4 to 1.6 own and no forward pass reaches, and what tuners added.
    ignored=("patch_embedding.cls_token", "*.norm_cross_attn.*", "*.cross_attn.*", "*.tuner.*"),
    eps=1e-5,
    gated=True,
    normalization=None,
    slots=("none",),
    whole=True,
)

# This package's own networks over a CLIP image tower: MONAI's names, and a norm before the blocks.
MONAI_CLIP = replace(
    MONAI,
    name="monai_clip",
    title="this package's networks over a CLIP image tower",
    marks=(*MONAI.marks, "norm_pre.weight"),
    refines=("monai",),
    activation=None,
)

LAYOUTS = (MONAI, MONAI_CLIP)
