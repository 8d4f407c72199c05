"""timm's layout, which DeiT, MAE, DINO and DINOv2 share, to the encoder's names.

Positions carry a slot for CLS, which the encoder has not: it is folded into the CLS token. DINOv2's LayerScale is
folded into the projections before it: gamma * (W y + b) = (gamma W) y + gamma b, exactly.
"""

from __future__ import annotations

import re
from math import isqrt

import torch
from torch import Tensor

from dvpt_monai.networks.pretrained.backbone import Backbone
from dvpt_monai.networks.pretrained.receipt import PretrainedError

__all__ = ["matches", "read"]

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

NAMES = {
    "patch_embed.proj": "patch_embedding.patch_embeddings",
    "attn.qkv": "attn.qkv",
    "attn.proj": "attn.out_proj",
    "mlp.fc1": "mlp.linear1",
    "mlp.fc2": "mlp.linear2",
    "norm1": "norm1",
    "norm2": "norm2",
    "norm": "norm",
    "fc_norm": "norm",
}
LINE = re.compile(r"(blocks\.\d+\.)?(.+)\.(weight|bias)")
SCALE = re.compile(r"(blocks\.\d+\.)ls([12])\.gamma")


def matches(keys: set[str]) -> bool:
    """Whether these are the names of a plain ViT in timm's layout."""
    return {"patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "pos_embed"} <= keys


def read(state: dict[str, Tensor]) -> Backbone:
    """Rename, and fold what the encoder has no place for.

    Raises:
        PretrainedError: a feed-forward part, tokens or a norm that the encoder cannot hold.
    """
    if any(key.endswith("mlp.w12.weight") for key in state):
        raise PretrainedError("this is a SwiGLU vision transformer (ViT-g); the encoder has GELU in its MLPs alone")
    if "dist_token" in state:
        raise PretrainedError("this is a distilled DeiT with a second class token; take the plain DeiT of that size")
    tensors: dict[str, Tensor] = {}
    ignored, scales = [], {}
    for key, value in state.items():
        line, scale = LINE.fullmatch(key), SCALE.fullmatch(key)
        if scale:
            scales[scale[1] + ("attn.out_proj" if scale[2] == "1" else "mlp.linear2")] = value.to(torch.float64)
        elif line and line[2] in NAMES and not (line[2] == "norm" and "fc_norm.weight" in state):
            tensors[f"{line[1] or ''}{NAMES[line[2]]}.{line[3]}"] = value
        elif key not in ("cls_token", "pos_embed", "register_tokens", "reg_token"):
            ignored.append(key)
    foreign = [key for key in ignored if key.startswith(("blocks.", "norm_pre."))]
    if foreign:
        raise PretrainedError(f"the encoder has no place for {foreign[0]} and would compute something else without it")
    branches = [key.removesuffix(".weight") for key in tensors if key.endswith(("out_proj.weight", "linear2.weight"))]
    unscaled = [branch for branch in branches if scales and branch not in scales]
    if unscaled:
        raise PretrainedError(f"it has LayerScale, but none for {unscaled[0]}; it is incomplete")
    for target, gamma in scales.items():
        tensors[f"{target}.weight"] = tensors[f"{target}.weight"].to(torch.float64) * gamma[:, None]
        tensors[f"{target}.bias"] = tensors[f"{target}.bias"].to(torch.float64) * gamma
    folded = [f"LayerScale of {len(scales)} branches into their projections"] if scales else []

    positions = state["pos_embed"]
    count = positions.shape[1]
    if "cls_token" in state:
        tensors["cls_token"] = state["cls_token"]
        if isqrt(count) ** 2 != count:
            tensors["cls_token"] = state["cls_token"].to(torch.float64) + positions[:, :1].to(torch.float64)
            positions = positions[:, 1:]
            folded.append("position of CLS into cls_token")
    side = isqrt(positions.shape[1])
    if side**2 != positions.shape[1]:
        raise PretrainedError(f"pos_embed has {count} positions, which are no square grid with or without CLS")
    tensors["patch_embedding.position_embeddings"] = positions
    registers = state.get("register_tokens", state.get("reg_token"))
    if registers is not None:
        tensors["register_tokens"] = registers
    return Backbone("timm", tensors, (side, side), 1e-6, IMAGENET, tuple(folded), tuple(ignored))
