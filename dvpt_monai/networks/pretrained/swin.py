"""MONAI's SwinUNETR checkpoints, of the pre-trained encoder or of the whole network, into MONAI's SwinUNETR.

All hold the encoder's tensors under nearly the network's names, with or without ``module.`` before them:

========================================  ============================================  ===========================
published as                              names of the encoder                          beside them
========================================  ============================================  ===========================
``model_swinvit.pt`` (SSL)                ``layers1.0.blocks.0.mlp.fc1.weight``         heads of the pre-training
pre-training of one's own (``SSLHead``)   ``swin_vit.layers1.0.blocks.0.mlp...``        heads of the pre-training
``ssl_pretrained_weights.pth``            ``encoder.layers1.0.0.blocks.0.mlp...``       decoder of the pre-training
``swin_unetr.*_pretrained.pt`` (BTCV)     ``swinViT.layers1.0.blocks.0.mlp...``         the U-shaped decoder
========================================  ============================================  ===========================

The downsamplings ``"merging"`` and ``"mergingv2"`` have the same shapes, so no file tells which it was trained with;
the published ones want ``"merging"``, the default.

Source: Tang et al., arXiv 2111.14791; Hatamizadeh et al., arXiv 2201.01266; Valanarasu et al., arXiv 2307.16896.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained.fill import check_complete
from dvpt_monai.networks.pretrained.receipt import Receipt, conversions
from dvpt_monai.networks.pretrained.recognise import walk
from dvpt_monai.networks.pretrained.source import Checkpoint
from dvpt_monai.tuning.trains import in_tuner
from dvpt_monai.tuning.tune import rebase

__all__ = ["load"]

ENCODER = "swinViT."
KERNEL = "swinViT.patch_embed.proj.weight"
TABLE = "swinViT.layers{}.0.blocks.0.attn.relative_position_bias_table"
INDEX = "attn.relative_position_index"
WRAPPER = re.compile(r"(module\.|backbone\.)+")
LINE = re.compile(r"(?:swinViT\.|swin_vit\.|encoder\.)?(patch_embed\.|layers[1-4]c?\.0\.)(?:0\.)?(.+)")
RENAMED = {"mlp.fc1.": "mlp.linear1.", "mlp.fc2.": "mlp.linear2."}


def load(network: nn.Module, checkpoint: Checkpoint, allow_missing: Sequence[str] = ()) -> Receipt:
    """Fill MONAI's SwinUNETR: its encoder wholly, and what of the decoder the file has at the same size.

    Args:
        network: one with MONAI's ``SwinTransformer`` as ``swinViT``.
        checkpoint: what was read.
        allow_missing: shell patterns of names of the network that the file may leave out.

    Raises:
        PretrainedError: the file is no SwinUNETR's, or does not fill the encoder; the message names the arguments
            that would fit. The network is then unchanged.
    """
    source, state = checkpoint.name, _state(checkpoint)
    tensors = {_name(key): value for key, value in state.items()}
    whole = network.state_dict()
    inside = {key: value for key, value in tensors.items() if LINE.fullmatch(key)}
    # The index follows from the window alone: a file without it lacks nothing.
    encoder = [key for key in whole if key.startswith(ENCODER) and not in_tuner(key)]
    wanted = [key for key in encoder if key in inside or not key.endswith(INDEX)]
    unplaced = [key for key in inside if key not in whole]
    strange = [
        key for key in wanted if key in inside and inside[key].is_floating_point() < whole[key].is_floating_point()
    ]
    if strange:
        kind = inside[strange[0]].dtype
        raise PretrainedError(f"load_pretrained: {strange[0]} is {kind}; give weights that are not quantised")
    missing = check_complete(source, inside, whole, wanted, unplaced, allow_missing, _advice(inside))
    filled = [
        key for key in whole if key in tensors and (key.startswith(ENCODER) or tensors[key].shape == whole[key].shape)
    ]
    with torch.no_grad():
        for key in filled:
            whole[key].copy_(tensors[key])
    receipt = Receipt(
        source=source,
        sha256=checkpoint.sha256,
        layout="swin",
        loaded=tuple(filled),
        folded=(),
        resized=(),
        inflated=(),
        ignored=tuple(key for key in state if _name(key) not in filled),
        missing=missing,
        converted=conversions((tensors[key].dtype, whole[key].dtype) for key in filled),
        input=f"{inside[KERNEL].shape[1]} channel(s), scaled as in the source's own training",
    )
    network.receipt = receipt  # type: ignore[assignment]
    rebase(network, receipt.loaded)
    return receipt


def _state(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The one mapping of tensors in a checkpoint that is a SwinUNETR's."""
    content = checkpoint.content if isinstance(checkpoint.content, Mapping) else {}
    states = {".".join(nest): state for nest, state in walk(content)}
    networks = {nest: state for nest, state in states.items() if {KERNEL, TABLE.format(1)} <= set(map(_name, state))}
    if len(networks) > 1:
        raise PretrainedError(
            f"load_pretrained: {checkpoint.name} holds several SwinUNETRs: {', '.join(networks)}; "
            "give the state dict of one of them"
        )
    if not networks:
        some = ", ".join(sorted(key for state in states.values() for key in state)[:4]) or "no tensors"
        raise PretrainedError(
            f"load_pretrained: {checkpoint.name} is no checkpoint of MONAI's SwinUNETR; it holds {some} ..."
        )
    return next(iter(networks.values()))


def _name(key: str) -> str:
    """A name of a file as the network calls it."""
    key = WRAPPER.sub("", key, count=1) if WRAPPER.match(key) else key
    line = LINE.fullmatch(key)
    if line is None:
        return key
    rest = line[2]
    for theirs, ours in RENAMED.items():
        rest = rest.replace(theirs, ours)
    return ENCODER + line[1] + rest


def _advice(tensors: Mapping[str, Tensor]) -> str:
    """The arguments of ``SwinUNETR`` that fit, as far as the tensors tell."""
    kernel = tensors[KERNEL]
    stages = [stage for stage in range(1, 5) if TABLE.format(stage) in tensors]
    tables = [tensors[TABLE.format(stage)] for stage in stages]
    dims = kernel.ndim - 2
    block = re.compile(r"swinViT\.layers(\d)\.0\.blocks\.(\d+)\.")
    blocks = [match for match in map(block.match, tensors) if match]
    depths = [1 + max(int(match[2]) for match in blocks if int(match[1]) == stage) for stage in stages]
    arguments = {
        "spatial_dims": dims,
        "in_channels": kernel.shape[1],
        "feature_size": kernel.shape[0],
        "patch_size": kernel.shape[2],
        "depths": tuple(depths),
        "num_heads": tuple(table.shape[1] for table in tables),
        "window_size": (round(tables[0].shape[0] ** (1 / dims)) + 1) // 2,  # (2 w - 1)^dims offsets
        "qkv_bias": "swinViT.layers1.0.blocks.0.attn.qkv.bias" in tensors,
        "patch_norm": "swinViT.patch_embed.norm.weight" in tensors,
        "use_v2": any("layers1c." in key for key in tensors),
    }
    return " Arguments that fit: " + ", ".join(f"{name}={value}" for name, value in arguments.items())
