"""MONAI's own ViT and UNETR checkpoints to the encoder's names, which are MONAI's."""

from __future__ import annotations

from math import prod

from torch import Tensor

from dvpt_monai.networks.pretrained.backbone import Backbone
from dvpt_monai.networks.pretrained.receipt import PretrainedError

__all__ = ["matches", "read"]

KERNEL = "patch_embedding.patch_embeddings.weight"
UNUSED = ("norm_cross_attn.", "cross_attn.", ".tuner.")
OURS = ("patch_embedding.", "blocks.", "norm.", "cls_token", "register_tokens", "depth_embedding")


def matches(keys: set[str]) -> bool:
    """Whether these are the names of MONAI's ViT, alone or inside its UNETR."""
    return bool({KERNEL, f"vit.{KERNEL}", "patch_embedding.patch_embeddings.1.weight"} & keys)


def read(state: dict[str, Tensor]) -> Backbone:
    """Strip UNETR's prefix; everything outside the encoder is kept as ``rest``.

    Raises:
        PretrainedError: a perceptron patch embedding, or positions that are no cubic or square grid.
    """
    prefix = "vit." if f"vit.{KERNEL}" in state else ""
    if prefix + KERNEL not in state:
        raise PretrainedError("the patch embedding is a perceptron; train MONAI's network with proj_type='conv'")
    inside = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    tensors, ignored = {}, []
    for key, value in inside.items():
        if any(part in key for part in UNUSED) or key.startswith("classification_head"):
            ignored.append(prefix + key)
        elif key.startswith(OURS):
            tensors[key] = value
        else:
            ignored.append(prefix + key)
    rest = {key: value for key, value in state.items() if prefix and not key.startswith(prefix)}
    dims = state[prefix + KERNEL].ndim - 2
    count = tensors["patch_embedding.position_embeddings"].shape[1]
    side = round(count ** (1 / dims))
    grid = (side,) * dims
    return Backbone("monai", tensors, grid if prod(grid) == count else None, 1e-5, None, (), tuple(ignored), rest)
