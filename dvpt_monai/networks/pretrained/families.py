"""Networks that are no plain vision transformer: what their tensors look like, and why they cannot load."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["family"]

SAM = """an image encoder of SAM, MedSAM or ViTDet: relative positions inside every attention, and windows, without \
which the encoder would compute something else"""
ROTARY = "a vision transformer with rotary positions, by names that no known layout has"
HIERA = "a Hiera, as in SAM 2: stages of several widths and windows leave no one sequence for prompts"
PRIMUS = "a Primus with other parts than the first has: a stem of convolutions, or norms that see the whole volume"
GATED = "a SwiGLU vision transformer, by names that no known layout has"

FAMILIES = {
    r"(^|\.)eva\.blocks\.\d+\.": PRIMUS,
    r"(^|\.)layers\d?\.\d+\.blocks\.\d+\.": "a Swin transformer (windows, stages); MONAI's SwinUNETR is its network",
    r"attn\.rel_pos_[hwd]$": SAM,
    r"relative_position_bias|rel_pos_bias|\.lambda_1$": "a BEiT or Data2Vec: relative positions inside every attention",
    r"layer1\.0\.conv1\.weight|\.stages\.0\.layers\.0\.layer\.0\.convolution": "a ResNet",
    r"stages\.\d+\.(\w+\.)?\d+\.(gamma|dwconv|conv_dw|layer_scale_parameter)": "a ConvNeXt",
    r"denselayer\d+\.": "a DenseNet",
    r"blocks\.\d+\.proj\.weight$|encoder\.stages\.\d+\.layers\.\d+\.attn\.": HIERA,
    r"(^|[._])rope|storage_tokens|(^|\.)embeddings\.patch_embeddings\.weight$": ROTARY,
    r"blocks\.\d+\.gamma_1$": "an EVA or another network of timm's eva.py, by names that no known layout has",
    r"mlp\.(w12|w3|weights_in|weights_out|gate_proj)\.": GATED,
    r"attn_pool\.|(^|\.)head\.probe$": "a network that pools by attention, by names that no known layout has",
    r"encoder\.stages\.\d+\.\d+\.convs|down_blocks\.\d+|conv\.unit0\.": "a U-Net of convolutions",
    r"word_embeddings|token_embedding": "a transformer for text",
}
"""What marks each family, anywhere in a name; the first that matches is named."""


def family(keys: Iterable[str]) -> str | None:
    """What a network with such names looks like, with the reason why it is no plain vision transformer; or ``None``.

    Example:
        >>> family({"conv1.weight", "layer1.0.conv1.weight"})
        'a ResNet'
    """
    keys = list(keys)
    return next((what for pattern, what in FAMILIES.items() if any(re.search(pattern, key) for key in keys)), None)
