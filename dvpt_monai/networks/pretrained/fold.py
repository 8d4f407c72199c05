"""Make the parts of a translated checkpoint into the encoder's tensors, exactly.

Queries, keys and values are packed into one matrix, and so are SwiGLU's gate and value. LayerScale goes into the
projections before it, in float64: gamma * (W y + b) = (gamma W) y + gamma b. Positions of CLS and registers, which the
encoder has not, go into these tokens, and a patch embedding without a bias gets one of zeros.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained.layout import POSITIONS

__all__ = ["equal_sided", "fold_positions", "fold_scales", "pack_attention", "pack_gates", "zero_patch_bias"]

BRANCHES = {"scale1": "attn.out_proj", "scale2": "mlp.linear2"}
Parts = dict[str, Tensor]


def pack_attention(parts: Parts, key_bias: bool = True) -> None:
    """Queries, keys and values of each block into ``qkv``, in place; without ``key_bias``, missing ones get 0."""
    zero = not key_bias and not any(key.endswith(".attn.k.bias") for key in parts)
    for query in [key for key in parts if re.fullmatch(r"blocks\.\d+\.attn\.q\.(weight|bias)", key)]:
        packed = [query.replace(".q.", f".{part}.") for part in "qkv"]
        if query.endswith("bias") and zero:
            parts.setdefault(packed[1], torch.zeros_like(parts[query]))
        parts[query.replace(".q.", ".qkv.")] = torch.cat([parts.pop(key) for key in packed])


def pack_gates(parts: Parts) -> None:
    """SwiGLU's gate and value of each block into ``linear1``, in that order and in place.

    Where a block has no gate, its value is the whole ``linear1``: DINOv3 has one name for both.

    Raises:
        PretrainedError: they are of different shapes.
    """
    for gate in [key for key in parts if re.fullmatch(r"blocks\.\d+\.mlp\.gate\.(weight|bias)", key)]:
        halves = parts.pop(gate), parts.pop(gate.replace(".gate.", ".value."))
        if halves[0].shape != halves[1].shape:
            raise PretrainedError(f"{gate} and its value are of different shapes; the file is damaged")
        parts[gate.replace(".gate.", ".linear1.")] = torch.cat(halves)
    for value in [key for key in parts if ".mlp.value." in key]:
        parts[value.replace(".value.", ".linear1.")] = parts.pop(value)


def fold_scales(parts: Parts) -> list[str]:
    """LayerScale into the projections before it, in place; says so.

    Raises:
        PretrainedError: some branches have a scale, others none, or one does not fit its branch.
    """
    scales = {key: parts.pop(key) for key in list(parts) if key.endswith((".scale1", ".scale2"))}
    if not scales:
        return []
    blocks = {key.split(".")[1] for key in parts if key.startswith("blocks.")}
    for block in sorted(blocks, key=int):
        for scale, branch in BRANCHES.items():
            target = f"blocks.{block}.{branch}"
            if f"blocks.{block}.{scale}" not in scales:
                raise PretrainedError(f"it has LayerScale, but none for {target}; it is incomplete")
            gamma = scales[f"blocks.{block}.{scale}"].to(torch.float64)
            weight, bias = parts[f"{target}.weight"], parts[f"{target}.bias"]
            if not gamma.shape == bias.shape == weight.shape[:1]:  # which broadcasting would hide
                raise PretrainedError(f"the LayerScale of {target} does not fit it; the file is damaged")
            parts[f"{target}.weight"] = weight.to(torch.float64) * gamma[:, None]
            parts[f"{target}.bias"] = bias.to(torch.float64) * gamma
    return [f"LayerScale of {len(scales)} branches into their projections"]


def fold_positions(parts: Parts, dims: int, grid: tuple[int, ...] | None, slots: Sequence[str]) -> list[str]:
    """Positions of CLS and registers into these tokens, in place; says so.

    Of the layout's possible slots, the first is taken that leaves ``grid``, where it is known, or a square; if none
    does, CLS has a slot, as in the first ViT.

    Raises:
        PretrainedError: one of them has another width than the patches.
    """
    width = parts["patch_embedding.patch_embeddings.weight"].shape[0]
    for key in {"cls_token", "register_tokens", POSITIONS} & parts.keys():
        if parts[key].shape[-1] != width:  # which reshaping would hide
            raise PretrainedError(f"{key} is {tuple(parts[key].shape)}, not of width {width}; the file is damaged")
        parts[key] = parts[key].reshape(1, -1, width)
    if POSITIONS not in parts:
        return []
    positions = parts[POSITIONS]
    count = positions.shape[1]
    cls = parts["cls_token"].shape[1] if "cls_token" in parts else 0
    registers = parts["register_tokens"].shape[1] if "register_tokens" in parts else 0
    known = {"none": 0, "cls": cls, "all": cls + registers}
    counts = [known[slot] for slot in slots]
    fits = [n for n in counts if grid and count - n == prod(grid)]
    fits = fits or [n for n in counts if equal_sided(count - n, dims)]
    taken = fits[0] if fits else known["cls" if "cls" in slots else slots[0]]
    if not taken:
        return []
    parts[POSITIONS], own = positions[:, taken:], positions[:, :taken].to(torch.float64)
    if cls:
        parts["cls_token"] = parts["cls_token"].to(torch.float64) + own[:, :cls]
    if taken > cls:
        parts["register_tokens"] = parts["register_tokens"].to(torch.float64) + own[:, cls:]
        return ["positions of CLS and registers into their tokens"]
    return ["position of CLS into cls_token"]


def zero_patch_bias(parts: Parts) -> list[str]:
    """A bias of zeros where a norm follows the patch embedding, which then has none (CLIP), in place; says so."""
    kernel, bias = (f"patch_embedding.patch_embeddings.{kind}" for kind in ("weight", "bias"))
    if bias in parts or "norm_pre.weight" not in parts:
        return []
    parts[bias] = torch.zeros(parts[kernel].shape[0], dtype=parts[kernel].dtype)
    return ["the patch embedding has no bias: zeros"]


def equal_sided(count: int, dims: int) -> tuple[int, ...] | None:
    """The square or cube of this many patches, if there is one."""
    side = (round(count ** (1 / dims)),) * dims if count > 0 else ()
    return side if side and prod(side) == count else None
