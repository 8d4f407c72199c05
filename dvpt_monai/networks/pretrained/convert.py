"""Write the encoder of any pre-trained file for MONAI's own ViT, or as safetensors that tell where they come from."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from dvpt_monai.errors import PretrainedError, did_you_mean
from dvpt_monai.networks.pretrained.config import METADATA
from dvpt_monai.networks.pretrained.receipt import Receipt
from dvpt_monai.networks.pretrained.source import Source
from dvpt_monai.networks.vit import ViTEncoder
from dvpt_monai.whole_file import whole_file

__all__ = ["FORMS", "convert", "monai_arguments"]

SIZES = ("in_channels", "img_size", "patch_size", "spatial_dims", "num_heads", "activation", "rotary")
OPTIONS = ("allow_missing", "inflation", "normalization", "position_resize")
POSITIONS = "patch_embedding.position_embeddings"


def convert(
    source: Source, path: str | os.PathLike[str], to: str, overwrite: bool = False, **arguments: Any
) -> ViTEncoder:
    """Write the encoder of a pre-trained file to ``path``, which appears whole or not at all.

    ``"monai"`` is a state dict for ``torch.load``, which fits MONAI's ``ViT`` (1.4 to 1.6) built with
    :func:`monai_arguments`; a depth embedding is added to the positions. ``"safetensors"`` holds everything, and its
    metadata what tensors do not: the receipt, heads, eps, activation, normalisation, image size, and how positions go
    to another. :func:`~dvpt_monai.load_pretrained` reads from it what it read from the source.

    Args:
        source: as in :func:`~dvpt_monai.load_pretrained`.
        path: the file to write.
        to: ``"monai"`` or ``"safetensors"``.
        overwrite: whether a file may be there already.
        arguments: another size (``in_channels``, ``img_size``, ``patch_size``, ``spatial_dims``), what the source does
            not tell (``num_heads``, ``activation``, ``rotary``), and the options of
            :func:`~dvpt_monai.load_pretrained`.

    Returns:
        The encoder that was written, with its receipt.

    Raises:
        PretrainedError: there is a file at ``path``, the form or an argument is unknown, the source cannot be read, or
            MONAI's ViT cannot hold it; nothing is written then.
    """
    if to not in FORMS:
        raise PretrainedError(f"convert: --to is {' or '.join(FORMS)}, not {to!r}")
    unknown = sorted(set(arguments) - {*SIZES, *OPTIONS})
    if unknown:
        near = did_you_mean(unknown[0], (*SIZES, *OPTIONS))
        question = f"did you mean {near}? There" if near else "there"
        raise PretrainedError(f"convert: no argument {unknown[0]!r}; {question} are {', '.join((*SIZES, *OPTIONS))}")
    target = Path(path)
    if target.is_dir() or (target.exists() and not overwrite):
        remedy = "name another file, or --overwrite" if target.is_file() else "name another file"
        raise PretrainedError(f"convert: {target} exists; {remedy}")
    try:
        encoder = ViTEncoder.from_pretrained(source, **arguments)
    except (TypeError, ValueError) as error:
        raise error if isinstance(error, PretrainedError) else PretrainedError(f"convert: {error}") from error
    write = FORMS[to](encoder)
    with whole_file(target) as part:
        write(part)
    return encoder


def monai_arguments(encoder: ViTEncoder) -> dict[str, Any]:
    """The arguments of MONAI's ``ViT`` that has the tensors of an encoder."""
    state = encoder.state_dict()
    return {
        "in_channels": encoder.in_channels,
        "img_size": tuple(encoder.img_size),
        "patch_size": tuple(encoder.patch_size),
        "hidden_size": encoder.hidden_size,
        "mlp_dim": len(state["blocks.0.mlp.linear1.weight"]),
        "num_layers": encoder.num_layers,
        "num_heads": encoder.num_heads,
        "classification": encoder.cls_token is not None,
        "spatial_dims": len(encoder.img_size),
        "qkv_bias": "blocks.0.attn.qkv.bias" in state,
    }


def _monai(encoder: ViTEncoder) -> Callable[[Path], None]:
    names = encoder.state_dict()
    lacks = {
        "register tokens": encoder.register_tokens is not None,
        "a norm before the blocks": encoder.norm_pre is not None,
        f"the activation {encoder.activation}": encoder.activation != "gelu",
        "a rotation": encoder.rotary is not None,
        "patches without positions": POSITIONS not in names,
        "norms inside attention or MLP": any(
            ".attn.norm." in key or ".mlp.norm." in key for key in encoder.state_dict()
        ),
    }
    for part, there in lacks.items():
        if there:
            raise PretrainedError(f"convert: MONAI's ViT has no place for {part} of this backbone; --to safetensors")
    state = encoder.state_dict()
    depth = state.pop("depth_embedding", None)
    if depth is not None:
        rows = len(state[POSITIONS][0]) // len(depth)  # the last axis varies fastest
        state[POSITIONS] = (state[POSITIONS].double() + depth.double().repeat(rows, 1)).to(depth.dtype)
    for index in range(encoder.num_layers):  # MONAI's blocks own it, and no forward pass reaches it
        state[f"blocks.{index}.norm_cross_attn.weight"] = torch.ones(encoder.hidden_size)
        state[f"blocks.{index}.norm_cross_attn.bias"] = torch.zeros(encoder.hidden_size)
    return lambda path: torch.save(state, path)


def _safetensors(encoder: ViTEncoder) -> Callable[[Path], None]:
    receipt: Receipt = encoder.receipt  # type: ignore[assignment]
    described = {
        "heads": encoder.num_heads,
        "eps": encoder.norm.eps,
        "activation": encoder.activation,
        "normalization": receipt.normalization,
        "image": encoder.img_size,
        "origin": receipt.as_dict(),
        "position_resize": receipt.position_resize,
        "rotary": encoder.rotary,
    }
    tensors: dict[str, Tensor] = {key: value.contiguous() for key, value in encoder.state_dict().items()}
    return lambda path: save_file(tensors, path, metadata={METADATA: json.dumps(described)})


FORMS = {"monai": _monai, "safetensors": _safetensors}
